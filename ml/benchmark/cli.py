"""`python -m ml benchmark`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ml.releases.loader import DEFAULT_RELEASE

BATCHES = "1,2,4,8,16,32,64"
LOAD_FILE = Path("var/benchmarks/load.json")


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add ``benchmark`` to the command line."""
    parser = subparsers.add_parser(
        "benchmark",
        help="measure the engine beside eager PyTorch and beside the arithmetic limit",
        description="Measures in one run, in turns: this engine, the same networks and the paper's three networks in "
        "eager fp32 PyTorch, and a large matrix product, whose speed says how fast the networks' arithmetic could be "
        "at best. Prints the targets, one photo (p50, p95), its stages, photos per second and resident memory. Ratios "
        "stand even on a busy machine; milliseconds need a quiet one.",
        epilog="The figures of docs/BENCHMARKS.md: make load, then python -m ml benchmark --write docs/BENCHMARKS.md",
    )
    default = f"default: SMARTDERMA_RELEASE, else {DEFAULT_RELEASE}"
    parser.add_argument("--release", help=f"name or folder of a release ({default})")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default: INFERENCE_DEVICE, else auto")
    parser.add_argument("--rounds", type=_positive, default=30, help="turns of each contestant (default: 30)")
    parser.add_argument("--batches", type=_numbers, default=BATCHES, help=f"photos at once (default: {BATCHES})")
    parser.add_argument("--photo", type=Path, help="photo to decode (default: a drawn JPEG of one megapixel)")
    parser.add_argument(
        "--network", type=Path, metavar="FILE", help=f"figures of make load, over HTTP (default: {LOAD_FILE}, if there)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the tables between the markers of FILE")
    parser.set_defaults(run=run)


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _numbers(text: str) -> list[int]:
    return [_positive(part) for part in text.split(",")]


class NetworkFigures(Exception):
    """A file of figures that `make load` did not write; the message is one sentence."""


def _read_network(file: Path | None) -> list[dict]:
    """Rows that `make load` wrote; none where nobody asked and it did not run here. Raises ``NetworkFigures``."""
    if file is None and not LOAD_FILE.exists():
        return []
    file = file or LOAD_FILE
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
        return [{key: row[key] for key in ("photo", "stack", "clients", "p50_ms")} for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise NetworkFigures(f"{file} holds no figures of make load.") from error


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write; 2 with one sentence when nothing could be measured."""
    from ml.benchmark import measure, report  # heavy: torch
    from ml.releases.loader import ReleaseError, active_name
    from ml.serving import EngineError

    try:
        photo = arguments.photo.read_bytes() if arguments.photo else measure.drawn_photo()
        settings = measure.Settings(
            arguments.release or active_name(), arguments.device, arguments.rounds, arguments.batches, photo,
            _read_network(arguments.network),
        )  # fmt: skip
        found = measure.run_benchmark(settings)
        text = report.to_markdown(found)
        sys.stdout.write(text)
        if arguments.json:
            arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        if arguments.markdown:
            arguments.markdown.write_text(text, encoding="utf-8")
        if arguments.write:
            report.write_between_markers(arguments.write, text)
    except (ReleaseError, EngineError, report.MarkersMissing, NetworkFigures, OSError) as error:
        sys.stderr.write(f"benchmark: {error}\n")
        return 2
    return 0
