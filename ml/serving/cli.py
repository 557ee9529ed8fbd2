"""`python -m ml predict`: one CSV row per photo. Reads files in small batches; one bad file never stops the rest."""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tqdm import tqdm

from ml.photo import MAX_BYTES
from ml.releases.loader import DEFAULT_RELEASE
from ml.taxonomy import SLUGS
from ml.tiers import tier_from_probabilities

if TYPE_CHECKING:
    from ml.serving import Engine, PhotoResult

COLUMNS = ("path", "outcome", "tier", *(f"p_{slug}" for slug in SLUGS))
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".heic", ".heif"})
FILES_AT_ONCE = 8


class InputError(Exception):
    """A folder or manifest that cannot be used; the message is one sentence."""


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add ``predict`` to the command line."""
    parser = subparsers.add_parser(
        "predict",
        help="run a release over photos and write one CSV row per photo",
        description="Columns: path, outcome (assessed, inconclusive, unusable), tier without answers, then one "
        "probability per condition; the probabilities are empty only where the photo cannot be opened.",
    )
    parser.add_argument("inputs", nargs="+", metavar="MANIFEST|FOLDER|FILE", help="CSV with a path column, or photos")
    parser.add_argument("--csv", required=True, metavar="OUT", help="CSV file to write; - writes to standard output")
    parser.add_argument(
        "--release", help=f"name or folder of a release (default: SMARTDERMA_RELEASE, else {DEFAULT_RELEASE})"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default: INFERENCE_DEVICE, else auto")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the CSV; 0 when every input was worked through, 2 with one sentence when nothing could be."""
    from ml.releases.loader import ReleaseError
    from ml.serving import EngineError, get_engine  # heavy: only where it is needed

    try:
        photos = list(list_photos(arguments.inputs))
        engine = get_engine(arguments.release, arguments.device)
        counted = write_predictions(engine, photos, arguments.csv)
    except (InputError, ReleaseError, EngineError, OSError) as error:
        sys.stderr.write(f"predict: {error}\n")
        return 2
    summary = ", ".join(f"{number} {outcome}" for outcome, number in counted.most_common())
    sys.stderr.write(f"{len(photos)} photos: {summary or 'nothing to do'}\n")
    return 0


def list_photos(inputs: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """(name for the ``path`` column, file) of every photo, in order. Raises InputError."""
    for name in inputs:
        place = Path(name)
        if place.is_dir():
            yield from _photos_in_folder(place)
        elif place.suffix.lower() == ".csv":
            yield from _photos_in_manifest(place)
        elif place.exists():
            yield name, place
        else:
            raise InputError(f"{place} does not exist.")


def _photos_in_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    found = sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix.lower() in PHOTO_SUFFIXES)
    if not found:
        raise InputError(f"{folder} holds no JPEG, PNG, WebP or HEIC file.")
    return ((str(file), file) for file in found)


def _photos_in_manifest(manifest: Path) -> Iterator[tuple[str, Path]]:
    """The ``path`` column, relative to the manifest; the name in the result stays as it stands there."""
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if "path" not in (rows.fieldnames or ()):
                raise InputError(f"{manifest} has no column named path.")
            names = [row["path"] for row in rows if row["path"]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{manifest} cannot be read as a CSV file.") from error
    return ((name, manifest.parent / name) for name in names)


def write_predictions(engine: Engine, photos: Sequence[tuple[str, Path]], out: str) -> Counter[str]:
    """Predict and write row by row, with a progress bar on standard error; returns the outcomes counted."""
    counted: Counter[str] = Counter()
    with _output(out) as file, tqdm(total=len(photos), unit="photo") as bar:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *(f"p_{slug}" for slug in _further(engine))])
        for start in range(0, len(photos), FILES_AT_ONCE):
            batch = photos[start : start + FILES_AT_ONCE]
            found = engine.predict([_read(path) for _, path in batch])
            writer.writerows(row(name, one, engine) for (name, _), one in zip(batch, found, strict=True))
            counted.update(one.outcome for one in found)
            bar.update(len(batch))
    return counted


@contextmanager
def _output(out: str) -> Iterator[TextIO]:
    if out == "-":
        yield sys.stdout
        return
    with open(out, "w", newline="", encoding="utf-8") as file:
        yield file


def _read(path: Path) -> bytes:
    """The file's bytes, or just enough to know that it is too large; nothing where it cannot be read.

    The engine calls both unusable.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError:
        return b""


def row(name: str, result: PhotoResult, engine: Engine) -> list[str]:
    """One row in the order of ``COLUMNS``, then classes beyond the 13; a class that the release does not know has
    probability 0."""
    slugs = [*SLUGS, *_further(engine)]
    if not result.probabilities:
        return [name, result.outcome, "", *("" for _ in slugs)]
    tier = tier_from_probabilities(result.probabilities, result.prediction_set, engine.release.thresholds)
    return [name, result.outcome, tier, *(f"{result.probabilities.get(slug, 0.0):.6f}" for slug in slugs)]


def _further(engine: Engine) -> list[str]:
    """Classes that the release has beyond the 13."""
    return [slug for slug in engine.release.classes if slug not in SLUGS]
