"""The manifest: one CSV row for each photo. Reading it and refusing a bad one with the row that is wrong."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ml.data.lookalikes import REVIEWED_FILE, find_neighbours, fingerprint, read_reviewed
from ml.photo import refuse_truncated
from ml.taxonomy import SLUGS, describe_new

PARTS = ("train", "val", "test")
UNLABELLED = ""
# Diagnoses of ISIC 2019 that the 13 classes cover; its BKL stands for seborrheic keratosis, as in skin13.
ISIC_LABELS = {
    "MEL": "melanoma",
    "NV": "moles",
    "BCC": "basal-cell-carcinoma",
    "AK": "actinic-keratosis",
    "BKL": "seborrheic-keratosis",
}


class ManifestError(ValueError):
    """A manifest that must not be trained on; the message is one sentence that names the row."""


@dataclass(frozen=True)
class Row:
    """One photo. ``number`` is its line in the file (the header is line 1); empty strings mean unknown."""

    number: int
    path: str
    label: str = UNLABELLED
    part: str = ""
    source: str = ""
    licence: str = ""
    group: str = ""
    modality: str = ""
    fitzpatrick: str = ""
    sex: str = ""
    age: str = ""
    sha256: str = ""

    @property
    def unit(self) -> str:
        """Its group, else the photo by itself: what goes into one part and is resampled together."""
        return self.group or self.path


@dataclass(frozen=True)
class Manifest:
    """All rows of a file; photo paths are relative to ``root``."""

    root: Path
    rows: tuple[Row, ...]
    classes: tuple[str, ...]

    def part(self, name: str) -> tuple[Row, ...]:
        """Rows of one part (train, val or test)."""
        return tuple(row for row in self.rows if row.part == name)


def read_manifest(file: Path | str, *, classes: Sequence[str] | None = None) -> Manifest:
    """Read a manifest. Classes are ``classes``, else ``classes.txt`` beside it, else the labels that occur.

    A row without a label takes that of its ISIC 2019 ``diagnosis``.

    Raises ManifestError when the file is missing or no text, lists no photo, lacks the path column or leaves a path
    empty.
    """
    file = Path(file)
    if not file.is_file():
        raise ManifestError(f"There is no manifest at {file}.")
    try:
        rows = _rows(file)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{file} is no CSV text in UTF-8: {error}.") from error
    if not rows:
        raise ManifestError(f"{file} lists no photo.")
    return Manifest(file.parent, rows, tuple(classes or _listed_classes(file) or _order(row.label for row in rows)))


def _rows(file: Path) -> tuple[Row, ...]:
    with file.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        if "path" not in (reader.fieldnames or ()):
            raise ManifestError(f"{file} has no column named path.")
        return tuple(_row(number, record) for number, record in enumerate(reader, start=2))


def check_manifest(manifest: Manifest, *, reviewed: Path | None = None, progress=lambda rows: rows) -> None:
    """Refuse the first fault: labels, groups in two parts, classes without photos, then files, then photos in
    different parts that look alike, unless ``reviewed`` (default: REVIEWED_FILE beside the manifest) lists the pair.

    Raises ManifestError.
    """
    _check_labels(manifest)
    _check_groups(manifest.rows)
    _check_parts(manifest)
    prints = [(row, check_photo(manifest.root, row)) for row in progress(manifest.rows)]
    _check_lookalikes(prints, read_reviewed(reviewed or manifest.root / REVIEWED_FILE))


def check_photo(root: Path, row: Row) -> np.ndarray:
    """Fingerprint of the photo of ``row``; ManifestError unless it exists, has the stated hash and decodes."""
    file = root / row.path
    if not os.path.isfile(file):  # unlike Path.is_file, also False for a name that no file can have
        raise ManifestError(f"Row {row.number}: the photo {row.path} does not exist.")
    if row.sha256 and hashlib.sha256(file.read_bytes()).hexdigest() != row.sha256:
        raise ManifestError(f"Row {row.number}: the sha256 of {row.path} differs from the manifest.")
    try:
        refuse_truncated()
        with Image.open(file) as image:
            return fingerprint(image)
    except Exception as error:
        raise ManifestError(f"Row {row.number}: the photo {row.path} does not decode.") from error


def _check_lookalikes(prints: Sequence[tuple[Row, np.ndarray]], reviewed: frozenset[frozenset[str]]) -> None:
    for first, second in find_neighbours([found for _, found in prints], [row.part for row, _ in prints]):
        (row, _), (other, _) = prints[second], prints[first]
        if frozenset({row.path, other.path}) not in reviewed:
            raise ManifestError(
                f"Row {row.number}: {row.path} in {row.part} looks like row {other.number}, {other.path}, in "
                f"{other.part}; put both into one group, or list the pair in {REVIEWED_FILE} once a person has found "
                "them different."
            )


def _row(number: int, record: dict[str, str]) -> Row:
    values = {name: (record.get(name) or "").strip() for name in Row.__dataclass_fields__ if name != "number"}
    if not values["path"]:
        raise ManifestError(f"Row {number}: the path is empty.")
    values["label"] = values["label"] or ISIC_LABELS.get((record.get("diagnosis") or "").strip(), UNLABELLED)
    return Row(number=number, **values)


def family_of(source: str) -> str:
    """padufes_sanderengel -> padufes."""
    return source.partition("_")[0]


def read_conditions(manifest: Manifest) -> dict[str, dict[str, str]]:
    """What ``conditions.json`` beside the manifest says of classes beyond the 13 (label, tier, kind, icd10, snomed),
    completed cautiously. Raises ManifestError where it cannot be used."""
    file = manifest.root / "conditions.json"
    try:
        return describe_new(manifest.classes, json.loads(file.read_text("utf-8")) if file.is_file() else {})
    except (ValueError, AttributeError) as error:
        raise ManifestError(f"{file} cannot be used: {error}.") from error


def _listed_classes(file: Path) -> list[str]:
    listed = file.parent / "classes.txt"
    return listed.read_text().split() if listed.is_file() else []


def _order(labels: Iterable[str]) -> list[str]:
    """Known classes in the order of the taxonomy, then new ones by name."""
    present = set(labels) - {UNLABELLED}
    return [slug for slug in SLUGS if slug in present] + sorted(present - set(SLUGS))


def _check_labels(manifest: Manifest) -> None:
    known = set(manifest.classes)
    if not (manifest.root / "classes.txt").is_file():
        known &= set(SLUGS)
    for row in manifest.rows:
        if row.label not in known:
            raise ManifestError(
                f"Row {row.number}: the label {row.label!r} is unknown; "
                "a new class must be listed in classes.txt beside the manifest."
            )


def _check_groups(rows: Sequence[Row]) -> None:
    first: dict[str, Row] = {}
    for row in rows:
        seen = first.setdefault(row.group, row) if row.group else row
        if seen.part != row.part:
            raise ManifestError(
                f"Row {row.number}: the group {row.group} is in {row.part or 'no part'}, "
                f"but in {seen.part or 'no part'} in row {seen.number}."
            )


def _check_parts(manifest: Manifest) -> None:
    for row in manifest.rows:
        if row.part and row.part not in PARTS:
            raise ManifestError(f"Row {row.number}: the part {row.part!r} is none of {', '.join(PARTS)}.")
    counts: dict[str, set[str]] = defaultdict(set)
    for row in manifest.rows:
        counts[row.label].add(row.part)
    needed = ("train",) if any(row.part for row in manifest.rows) else ("",)
    for slug in manifest.classes:
        missing = [part for part in needed if part not in counts[slug]]
        if missing:
            where = f" in {missing[0]}" if missing[0] else ""
            raise ManifestError(f"The class {slug} has no photos{where}.")
