"""``python -m ml evaluate`` and ``python -m ml card``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from ml.evaluation.studies import HELD_OUT, keep_study


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add ``evaluate`` and ``card``; each sets ``run(args) -> exit code``."""
    evaluate = subparsers.add_parser(
        "evaluate",
        help="measure a release on one part of a manifest",
        description="Measure a release on labelled photos: accuracy, balanced accuracy, precision, recall, F1, AUC, "
        "top-3, calibration, confusion, by class, source, modality, skin type, sex and age, what abstaining buys; with "
        "95 %% intervals (bootstrap over patients).",
    )
    evaluate.add_argument("--manifest", type=Path, required=True)
    evaluate.add_argument("--release", help="name or folder (default: the active release)")
    evaluate.add_argument("--part", default="test", choices=("train", "val", "test"))
    evaluate.add_argument("--json", type=Path, help="also write every figure to this file")
    _add_sources(evaluate)
    evaluate.set_defaults(run=run_evaluate)
    card = subparsers.add_parser("card", help="write the model card of a release")
    card.add_argument("--release", help="name or folder (default: the active release)")
    card.add_argument("--out", type=Path, default=Path("docs/MODEL_CARD.md"))
    card.set_defaults(run=run_card)
    tables = subparsers.add_parser(
        "tables",
        help="the paper's tables and figures beside a release",
        description="Write the paper's tables 1, 3 and 4 and figures 6 and 7 beside the figures of a release, as "
        "Markdown with SVG images, from release.json alone. What is not known of the paper is said so.",
    )
    tables.add_argument("--release", help="name or folder (default: the active release)")
    tables.add_argument("--out", type=Path, default=Path("docs/PAPER_TABLES.md"))
    tables.set_defaults(run=run_tables)


def _add_sources(evaluate: argparse.ArgumentParser) -> None:
    group = evaluate.add_argument_group(
        "leave source out",
        "Instead of measuring a release: train without one source in turn and test on it, beside two baselines (frozen "
        "features with logistic regression; plain fine-tuning on the same budget). Costs one run of CONFIG and one of "
        "EfficientNet-Lite2 for each source; finished ones are kept and not repeated. Skin13 has seven sources with 50 "
        "photos or more: choose --set epochs=2 size=128 and --methods frozen ours for a first look.",
    )
    group.add_argument("--leave-source-out", type=Path, metavar="CONFIG", help="TOML file of the recipe to test")
    group.add_argument("--methods", nargs="+", choices=HELD_OUT, default=list(HELD_OUT))
    group.add_argument("--sources", nargs="*", default=[], help="only these sources")
    group.add_argument("--families", action="store_true", help="hold out all sources with the same first word together")
    group.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="replace fields of CONFIG")
    group.add_argument("--out", type=Path, default=Path("var/heldout"), help="folder of the runs (default var/heldout)")
    group.add_argument("--add-to", type=Path, metavar="RELEASE", help="also add the table to FOLDER/release.json")


def run_evaluate(args: argparse.Namespace) -> int:
    """Print the figures; 1 and one sentence when release, manifest or recipe cannot be used."""
    if args.leave_source_out:
        return run_leave_out(args)
    from ml.data.manifest import ManifestError
    from ml.releases.loader import ReleaseError

    try:
        report = evaluate_release(args.release, args.manifest, args.part)
    except (ManifestError, ReleaseError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if args.json:
        args.json.write_text(json.dumps(report, indent=1))
    sys.stdout.write("\n".join(_lines(report)) + "\n")
    return 0


def run_leave_out(args: argparse.Namespace) -> int:
    """Train, test and print; 1 and one sentence when manifest or recipe cannot be used."""
    from ml.data.manifest import ManifestError, read_manifest
    from ml.data.pack import pack_manifest
    from ml.training.cli import CACHE, PACK_SIDE, parse_settings, read_config
    from ml.training.heldout import choose_sources, leave_sources_out

    try:
        config = read_config(args.leave_source_out, parse_settings(args.set))
        manifest = read_manifest(args.manifest)
        held = choose_sources(manifest, args.sources, family=args.families)
        trained, served = (
            pack_manifest(manifest, side=PACK_SIDE, cache=CACHE, erase=erase, progress=_bar) for erase in (True, False)
        )
        result = leave_sources_out(config, manifest, (trained, served), held, args.out, methods=args.methods, say=_say)
    except (ManifestError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _say("mean: " + ", ".join(f"{method} {mean:.3f}" for method, mean in result["mean"].items()))
    keep_study(args, "leave_family_out" if args.families else "leave_source_out", result)
    return 0


def run_card(args: argparse.Namespace) -> int:
    """Write the card; 1 and one sentence when the release is not to be had."""
    from ml.evaluation.card import write_card
    from ml.releases.loader import ReleaseError, release_info

    try:
        write_card(release_info(args.release).path / "release.json", args.out)
    except ReleaseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def run_tables(args: argparse.Namespace) -> int:
    """Write the tables; 1 and one sentence when the release is not to be had or was not measured."""
    from ml.evaluation.tables import write_tables
    from ml.releases.loader import ReleaseError, release_info

    try:
        document = release_info(args.release).document
        if "confusion" not in document["metrics"].get("test", {}):
            raise ReleaseError(f"Release {document['name']} holds no confusion matrix; export or evaluate it anew.")
        for file in write_tables(document, args.out):
            _say(str(file))
    except ReleaseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def evaluate_release(release_name: str | None, manifest_file: Path, part: str) -> dict:
    """`report_part` of a release's ONNX networks on one part, photos untouched as when served.

    Raises ManifestError or ReleaseError.
    """
    from ml.data.manifest import ManifestError, read_manifest
    from ml.data.pack import pack_manifest
    from ml.evaluation.asking import ask_release
    from ml.evaluation.report import report_part
    from ml.releases.loader import load_release
    from ml.training.cli import CACHE, PACK_SIDE

    release = load_release(release_name)
    manifest = read_manifest(manifest_file, classes=release.classes)
    rows = [index for index, row in enumerate(manifest.rows) if row.part == part]
    if not rows:
        raise ManifestError(f"{manifest_file} has no photos in the part {part}.")
    packed = pack_manifest(manifest, side=PACK_SIDE, cache=CACHE, erase=False, progress=_bar)
    answers = ask_release(release, [packed[index] for index in rows], progress=_bar)
    labels = np.array([release.classes.index(manifest.rows[index].label) for index in rows])
    chosen = [manifest.rows[index] for index in rows]
    return report_part(answers.members, release.document, labels, chosen, answers.strangeness)


def _lines(report: dict) -> list[str]:
    names = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "macro_auc", "top3", "ece")
    lines = [f"{name:24} {_figure(report[name])}" for name in names]
    for kind in ("clinical", "dermoscopic"):
        if kind in report:
            lines.append(f"{kind:24} accuracy {_figure(report[kind]['accuracy'])}")
    for slug, entry in report["per_class"].items():
        lines.append(f"{slug:24} recall {_figure(entry['recall'])}, AUC {_figure(entry['auc'])}")
    lines += [f"{name:24} {_figure(entry['balanced_accuracy'])}" for name, entry in report["members"].items()]
    lines.append(f"{'equal weights':24} {_figure(report['equal_weights']['balanced_accuracy'])}")
    for group in ("per_source", "fitzpatrick", "sex", "age"):
        lines += [f"{group} {name:24} {_figure(entry['accuracy'])}" for name, entry in report[group].items()]
    return [*lines, *_confusion_lines(report), *_abstaining_lines(report["abstaining"])]


def _confusion_lines(report: dict) -> list[str]:
    """Rows: the truth; columns: the likeliest class, in the same order."""
    pairs = zip(report["per_class"], report["confusion"], strict=True)
    return ["confusion (rows true, columns likeliest)"] + [
        f"{slug:24}" + "".join(f"{count:5}" for count in row) for slug, row in pairs
    ]


def _abstaining_lines(found: dict) -> list[str]:
    lines = [f"answering {p['coverage']:4.0%} of photos: error {p['error']:.3f}" for p in found["curve"]]
    served = found["as_served"]
    return [
        *lines,
        f"as served {_figure(served['answered'])} answered, error {_figure(served['error_answered'])}",
    ]


def _figure(figure: dict | None) -> str:
    if figure is None:
        return "no photos"
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f}), n {figure['n']}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _bar(rows):
    from tqdm import tqdm

    return tqdm(rows, mininterval=1)
