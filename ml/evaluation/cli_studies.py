"""``python -m ml ood-check | darkening | source-control | plain-controls``: single questions to a release.

Answers are kept in its release.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml.evaluation.studies import add_arguments, keep_study

SEED = 0


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the commands; each sets ``run(args) -> exit code``."""
    _register_ood(subparsers)
    _register_darkening(subparsers)
    _register_control(subparsers)
    _register_plain(subparsers)


def _register_ood(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "ood-check",
        help="how much a release refuses of what is no covered skin condition",
        description="Ask a release about drawn noise, documents, charts, cartoons and landscapes, photographs that "
        "installed packages ship, your own folders (a sub-folder is a category) and diseases it does not cover. "
        "Counts refusals by category, by the out-of-distribution score alone and by any check; photographs apart. "
        "About 0.2 s a picture on two cores.",
    )
    command.add_argument("folders", nargs="*", type=Path, help="folders of photographs that show no skin disease")
    command.add_argument("--release", help="name or folder (default: the active release)")
    command.add_argument(
        "--uncovered", type=Path, metavar="CSV", help="manifest with a diagnosis column (SCC, VASC, DF)"
    )
    command.add_argument("--each", type=int, default=20, help="drawn pictures of each category (default 20)")
    command.add_argument("--limit", type=int, default=0, help="photos of each uncovered disease (default all)")
    add_arguments(command)
    command.set_defaults(run=_guarded(run_ood))


def _register_darkening(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "darkening",
        help="does darkening a lesion raise p(normal)?",
        description="Darken lesion photos of one part in steps (CIE L* times 0.85, 0.7, 0.55, 0.4) and print the mean "
        "probability of normal skin at each step, with intervals. About 0.5 s a photo on two cores.",
    )
    command.add_argument("--manifest", type=Path, required=True)
    command.add_argument("--release", help="name or folder (default: the active release)")
    command.add_argument("--part", default="test", choices=("train", "val", "test"))
    command.add_argument("--photos", type=int, default=150, help="lesion photos, drawn at random (default 150)")
    add_arguments(command)
    command.set_defaults(run=_guarded(run_darkening))


def _register_control(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "source-control",
        help="how much of the accuracy the source of a photo alone explains",
        description="Train a linear model on frozen embeddings (training part) that names the source of a photo, and "
        "predict labels from nothing but the source. Both on the test part, with and without the watermark box. "
        "Reads every photo twice: about 4 minutes for 4,000 photos on two cores; embeddings are cached in var/cache.",
    )
    command.add_argument("--manifest", type=Path, required=True)
    command.add_argument("--network", default="tf_efficientnet_lite2", help="packaged network, or a run's best.pt")
    command.add_argument("--size", type=int, default=160, help="px (default 160)")
    add_arguments(command)
    command.set_defaults(run=_guarded(run_control))


def _register_plain(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "plain-controls",
        help="is each member better than the same network trained plainly?",
        description="Measure runs that had no teacher beside the members of the same architecture, each alone: "
        "balanced accuracy on validation and test, and their difference over the same resamples of patients. A run is "
        "seen as a member is: 16 bits, the better view on validation, photos untouched. 1 minute a run and 2 more.",
    )
    command.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="folders with best.pt of a run without teacher"
    )
    command.add_argument("--manifest", type=Path, required=True)
    command.add_argument("--release", help="name or folder (default: the active release)")
    add_arguments(command)
    command.set_defaults(run=_guarded(run_plain))


def run_ood(args: argparse.Namespace) -> int:
    """Print refusals by category."""
    from ml.evaluation.refusing import check_refusals
    from ml.evaluation.strange import all_strange
    from ml.serving import get_engine

    pictures = all_strange(args.folders, args.uncovered, each=args.each, limit=args.limit)
    result = check_refusals(get_engine(args.release, "cpu"), pictures, progress=_bar)
    for row in result["categories"]:
        _say(f"{row['kind']:12} {row['category']:26} {_refused(row)}")
    for kind, row in result["kinds"].items():
        _say(f"{'all':12} {kind:26} {_refused(row)}")
    keep_study(args, "ood", result)
    return 0


def run_darkening(args: argparse.Namespace) -> int:
    """Print mean p(normal) by step; 0 also when it rises, for that is a finding and no failure."""
    import numpy as np

    from ml.data.manifest import ManifestError, read_manifest
    from ml.data.pack import resize_short_side
    from ml.evaluation.darkening import NORMAL, check_darkening
    from ml.releases.loader import load_release
    from ml.training.cli import PACK_SIDE

    release = load_release(args.release)
    manifest = read_manifest(args.manifest, classes=release.classes)
    lesions = [row for row in manifest.part(args.part) if row.label != NORMAL]
    if not lesions or NORMAL not in release.classes:
        raise ManifestError(f"{args.manifest} has no lesion photos in the part {args.part}, or no normal skin at all.")
    chosen = np.random.default_rng(SEED).permutation(len(lesions))[: args.photos]
    rows = [lesions[int(index)] for index in sorted(chosen)]
    photos = [np.asarray(resize_short_side(_open(manifest.root / row.path), PACK_SIDE)) for row in rows]
    result = check_darkening(release, photos, [row.unit for row in rows], progress=_bar)
    for step in result["steps"]:
        _say(f"L* x {step['lightness']:.2f}: mean p(normal) {_figure(step['p_normal'])}, rise {_figure(step['rise'])}")
    _say("passed" if result["passed"] else f"p(normal) rises by {result['largest_rise']:.3f}")
    keep_study(args, "darkening", {"part": args.part, **result})
    return 0


def run_control(args: argparse.Namespace) -> int:
    """Print what the source alone explains."""
    from ml.data.manifest import read_manifest
    from ml.evaluation.sources import control_sources

    result = control_sources(read_manifest(args.manifest), network=args.network, size=args.size, progress=_bar)
    for view, found in result["source_named"].items():
        _say(f"source named from {view} photos: {_figure(found)}; the commonest source: {_figure(result['commonest'])}")
    _say(f"label from the true source alone: accuracy {_figure(result['label_from_source'])}")
    _say(f"label from the features: accuracy {_figure(result['label_from_features'])}")
    _say(f"share of the accuracy above chance that the source explains: {result['explained']:.2f}")
    keep_study(args, "source_control", result)
    return 0


def run_plain(args: argparse.Namespace) -> int:
    """Print both figures and their difference; 0 also where a control is better, for that is a finding."""
    from ml.data.manifest import read_manifest
    from ml.data.pack import pack_manifest
    from ml.evaluation.controls import compare_controls, load_control
    from ml.releases.loader import load_release
    from ml.training.cli import CACHE, PACK_SIDE

    release = load_release(args.release)
    controls = [(run.name, load_control(run, release)) for run in args.runs]  # refused before anything takes time
    manifest = read_manifest(args.manifest, classes=release.classes)
    packed = pack_manifest(manifest, side=PACK_SIDE, cache=CACHE, erase=False, progress=_bar)
    result = compare_controls(release, controls, manifest, packed, progress=_bar)
    for row in result["rows"]:
        _say(f"{row['member']} against {row['run']}: {row['epochs']} epochs at {row['size']} px, from {row['init']}")
        for part, found in row["parts"].items():
            _say(f"  {part:4} control {_figure(found['control'])}, member {_figure(found['member'])}")
            _say(f"  {part:4} difference {_figure(found['difference'])}")
    keep_study(args, "plain_controls", result)
    return 0


def _guarded(work: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """One sentence and exit code 1 for a manifest, release or file that cannot be used."""

    def run(args: argparse.Namespace) -> int:
        from ml.data.manifest import ManifestError
        from ml.releases.loader import ReleaseError

        try:
            return work(args)
        except (ManifestError, ReleaseError, OSError, ValueError) as error:
            sys.stderr.write(f"{error}\n")
            return 1

    return run


def _open(file: Path):
    from PIL import Image

    return Image.open(file)


def _refused(row: dict[str, Any]) -> str:
    return f"score {_figure(row['by_score'])}, any check {_figure(row['by_any_check'])}"


def _figure(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return "no photos"
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f}), n {figure['n']}"


def _bar(rows):
    from tqdm import tqdm

    return tqdm(rows, mininterval=1)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
