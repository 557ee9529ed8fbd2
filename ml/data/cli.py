"""``python -m ml data check|split|stats``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ml.data.manifest import Manifest, ManifestError, check_manifest, read_manifest
from ml.data.split import split_manifest, write_split
from ml.data.stats import summarise_data


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command ``data``; each sub-command sets ``run(args) -> exit code``."""
    commands = subparsers.add_parser("data", help="check, split or count the photos of a manifest").add_subparsers(
        required=True
    )
    for name, run, text in (
        (
            "check",
            run_check,
            "refuse a manifest with a fault, naming the row: missing or corrupt photo, wrong hash, unknown label, "
            "group in two parts, class without photos, photos in different parts that look alike",
        ),
        ("split", run_split, "fill the part column: 70/15/15 by group, stratified by label and source"),
        ("stats", run_stats, "photos by class and part, label by source, licences, skin types, sex and age"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("manifest", type=Path, help="CSV with at least the columns path and label")
        command.set_defaults(run=run)
        if name == "check":
            command.add_argument("--reviewed", type=Path, help="CSV of pairs of paths that look alike and are not")
        if name == "split":
            command.add_argument("--out", type=Path, required=True, help="where to write the CSV with its parts")
            command.add_argument("--seed", type=int, default=0)


def run_check(args: argparse.Namespace) -> int:
    """0 when nothing is wrong, 1 with one sentence otherwise."""
    from tqdm import tqdm

    try:
        manifest = read_manifest(args.manifest)
        check_manifest(manifest, reviewed=args.reviewed, progress=lambda rows: tqdm(rows, desc="photos", unit="photo"))
    except ManifestError as error:
        return _refuse(error)
    _say(f"{len(manifest.rows)} photos of {len(manifest.classes)} classes: nothing wrong.")
    return 0


def run_split(args: argparse.Namespace) -> int:
    """Write the manifest with its parts to ``--out``."""
    try:
        manifest = split_manifest(read_manifest(args.manifest), seed=args.seed)
    except ManifestError as error:
        return _refuse(error)
    write_split(args.manifest, manifest, args.out)
    _print_parts(manifest)
    return 0


def run_stats(args: argparse.Namespace) -> int:
    """Print tables of counts."""
    try:
        manifest = read_manifest(args.manifest)
    except ManifestError as error:
        return _refuse(error)
    _print_parts(manifest)
    summary = summarise_data(manifest)
    for entry in summary["sources"]:
        _say(f"{entry['source']:32}{entry['n']:7}  {entry['licence']}")
    _print_crossed(summary["per_class_source"])
    for group in ("sex", "age"):
        _say(", ".join(f"{group} {name}: {count}" for name, count in summary[group].items()))
    _say(", ".join(f"skin type {name}: {count}" for name, count in summary["fitzpatrick"].items()))
    return 0


def _print_parts(manifest: Manifest) -> None:
    counts = summarise_data(manifest)["per_class"]
    _say(f"{'class':24}{'train':>7}{'val':>7}{'test':>7}")
    for slug, parts in counts.items():
        _say(f"{slug:24}{parts['train']:7}{parts['val']:7}{parts['test']:7}")


def _print_crossed(table: dict[str, dict[str, int]]) -> None:
    """Photos of each label (rows) by source (numbered columns): a label that only one source has is a trap."""
    sources = sorted({source for counts in table.values() for source in counts})
    _say("label by source: " + ", ".join(f"[{number}] {source}" for number, source in enumerate(sources, start=1)))
    _say(" " * 24 + "".join(f"{f'[{number}]':>7}" for number in range(1, len(sources) + 1)))
    for label, counts in table.items():
        _say(f"{label:24}" + "".join(f"{counts.get(source, 0) or '-':>7}" for source in sources))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _refuse(error: Exception) -> int:
    sys.stderr.write(f"{error}\n")
    return 1
