"""Command line of the model: `python -m ml <command>`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

# Each module adds its commands in `register(subparsers)`; what is heavy is imported only when a command runs.
COMMAND_MODULES = (
    "ml.data.cli",
    "ml.training.cli",
    "ml.training.cli_compare",
    "ml.evaluation.cli",
    "ml.evaluation.cli_studies",
    "ml.serving.cli",
    "ml.benchmark.cli",
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {message}. Add --help to see what this command takes.\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command."""
    parser = _Parser(prog="python -m ml", description="Data, training, evaluation and prediction of Smart Derma.")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in COMMAND_MODULES:
        importlib.import_module(module).register(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = build_parser().parse_args(argv)
    return arguments.run(arguments) or 0


if __name__ == "__main__":
    sys.exit(main())
