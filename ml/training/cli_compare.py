"""``python -m ml compare-balance | tune | ensemble | average``: choices between recipes, on validation photos only."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ml.training.cli import CACHE, PACK_SIDE, RUNS, parse_settings, read_config

TUNING = Path("var/tuning")
DEFAULT_GRID = {
    "batch": [16, 32],
    "lr": [3e-4, 1e-3],
    "weight_decay": [1e-5, 1e-3],
    "dropout": [0.3, 0.5],
}


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the commands; each sets ``run(args) -> exit code``."""
    _register_balance(subparsers)
    _register_tune(subparsers)
    _register_ensemble(subparsers)
    _register_average(subparsers)


def _register_balance(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "compare-balance",
        help="train with every way to balance classes and print a table",
        description="Train one recipe five times with the same number of steps: square root of class size, "
        "oversampling, undersampling, class weights in the loss, nothing. Costs five runs: choose epochs and size with "
        "--set. Finished runs are not repeated.",
    )
    _add_recipe(command)
    command.add_argument("--out", type=Path, help="folder of the runs (default: var/runs/balance-<config>)")
    _add_results(command)
    command.set_defaults(run=run_balance)


def _register_tune(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "tune",
        help="search batch size, learning rate, weight decay and dropout on a grid (Optuna)",
        description="Train every combination once (Optuna, GridSampler) and print a table, the best macro-F1 on "
        "validation first. Trials are kept in study.db: a search that was stopped goes on where it was. The default "
        "grid has 16 runs.",
    )
    _add_recipe(command)
    command.add_argument("--batch", nargs="+", type=int, default=DEFAULT_GRID["batch"])
    for name in ("lr", "weight_decay", "dropout"):
        option = "--" + name.replace("_", "-")
        command.add_argument(option, dest=name, nargs="+", type=float, default=DEFAULT_GRID[name])
    command.add_argument("--out", type=Path, help="folder of the search (default: var/tuning/<config>)")
    _add_results(command)
    command.set_defaults(run=run_tune)


def _register_ensemble(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "ensemble",
        help="equal and searched weights of finished runs, on validation photos",
        description="Read the validation logits of runs (val.npz, kept by train), calibrate each, and print members, "
        "equal weights and the weights on the simplex (steps of 0.05) with the lowest balanced log loss. The test part "
        "is not read.",
    )
    command.add_argument("runs", nargs="+", type=Path, help="run folders")
    command.add_argument("--manifest", type=Path, help="compute what a run without val.npz lacks")
    command.add_argument("--least", type=int, default=1, help="smallest weight of a member in steps of 0.05")
    _add_results(command)
    command.set_defaults(run=run_ensemble)


def _register_average(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "average",
        help="one network from the mean weights of several runs",
        description="Average the best checkpoints of runs of one network that started from the same weights and write "
        "them as best.pt of a new run, which ensemble and export take like any other. Helps when runs went different "
        "ways from there (other photos, another seed); judge it with ensemble on validation.",
    )
    command.add_argument("runs", nargs="+", type=Path, help="run folders")
    command.add_argument("--out", type=Path, required=True, help="folder of the new run")
    command.set_defaults(run=run_average)


def run_balance(args: argparse.Namespace) -> int:
    """Train, print and keep the comparison; 1 and one sentence when a setting is wrong."""
    from ml.training.compare import compare_balance

    def work() -> list[dict]:
        config, bench = _recipe(args)
        return compare_balance(config, bench, args.out or RUNS / f"balance-{args.config.stem}")

    return _report(args, "balance", work)


def run_tune(args: argparse.Namespace) -> int:
    """Search, print and keep the table; 1 and one sentence when a setting is wrong."""
    from ml.training.compare import TUNED, tune_grid

    def work() -> list[dict]:
        config, bench = _recipe(args)
        grid = {name: getattr(args, name) for name in TUNED}
        return tune_grid(config, bench, grid, name=args.config.stem, folder=args.out or TUNING / args.config.stem)

    return _report(args, "tuning", work)


def run_ensemble(args: argparse.Namespace) -> int:
    """Print members and votes; 1 and one sentence when runs do not fit together."""
    from ml.training.voting import SAVED, compare_votes, read_runs, save_logits

    def work() -> list[dict]:
        missing = [run for run in args.runs if not (run / SAVED).is_file()]
        if missing and args.manifest:
            manifest, _, served = _read(args.manifest)
            for run in missing:
                save_logits(run, manifest, served)
        return compare_votes(*read_runs(args.runs), least=args.least)

    return _report(args, "ensemble", work)


def run_average(args: argparse.Namespace) -> int:
    """Write the mean; 1 and one sentence when runs do not fit together or the new run exists."""
    import torch

    from ml.training.average import average_runs

    try:
        state = average_runs(args.runs)
        args.out.mkdir(parents=True)
        torch.save(state, args.out / "best.pt")
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{args.out}: the mean of {len(args.runs)} runs.\n")
    return 0


def _add_recipe(command: argparse.ArgumentParser) -> None:
    command.add_argument("config", type=Path, help="TOML file with the fields of ml.training.train.TrainConfig")
    command.add_argument("--manifest", type=Path, required=True, help="CSV of labelled photos with a part column")
    command.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="replace fields, e.g. epochs=3")


def _add_results(command: argparse.ArgumentParser) -> None:
    from ml.evaluation.studies import add_arguments

    add_arguments(command)
    command.add_argument("--csv", type=Path, help="also write the table as CSV")


def _report(args: argparse.Namespace, study: str, work) -> int:
    """Print the rows of ``work`` as Markdown and keep them."""
    from ml.data.manifest import ManifestError
    from ml.evaluation.markdown import table
    from ml.evaluation.studies import keep_study
    from ml.training.compare import write_rows

    try:
        rows = work()
        if args.csv:
            write_rows(rows, args.csv)
        keep_study(args, study, {"rows": rows})
    except (ManifestError, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(table(list(rows[0]), [list(row.values()) for row in rows]) + "\n")
    return 0


def _recipe(args: argparse.Namespace):
    """(TrainConfig, Bench) of the command line. Raises ManifestError or ValueError."""
    from ml.training.compare import Bench
    from ml.training.train import select_photos

    config = read_config(args.config, parse_settings(args.set))
    manifest, packed, served = _read(args.manifest)
    train, val = select_photos(manifest, packed, "train"), select_photos(manifest, served, "val")
    return config, Bench(list(manifest.classes), train, val)


def _read(file: Path):
    """(manifest, photos as trained on, photos as served), checked."""
    from ml.data.manifest import check_manifest, read_manifest
    from ml.data.pack import pack_manifest

    manifest = read_manifest(file)
    check_manifest(manifest, progress=_bar)
    packs = [
        pack_manifest(manifest, side=PACK_SIDE, cache=CACHE, erase=erase, progress=_bar) for erase in (True, False)
    ]
    return manifest, *packs


def _bar(rows):
    from tqdm import tqdm

    return tqdm(rows, desc="photos", unit="photo")
