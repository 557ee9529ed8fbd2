"""Runs of one recipe with one setting changed at a time, on the same budget: class balance, and a grid with Optuna."""

from __future__ import annotations

import csv
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ml.ensemble import balanced_log_loss, softmax
from ml.evaluation.metrics import per_class
from ml.training.networks import read_checkpoint
from ml.training.recipe import BALANCES
from ml.training.train import Photos, TrainConfig, Trainer

TUNED = ("batch", "lr", "weight_decay", "dropout")
RARE = 3  # the smallest classes, whose recall shows what balancing buys


@dataclass(frozen=True)
class Bench:
    """What every run of a comparison shares."""

    classes: list[str]
    train: Photos
    val: Photos


def compare_balance(config: TrainConfig, bench: Bench, folder: Path) -> list[dict[str, Any]]:
    """One run for each way to balance classes; rows for a table. A finished run is not trained again."""
    return [
        {"balance": balance} | run_once(replace(config, balance=balance), bench, folder / balance)
        for balance in BALANCES
    ]


def run_once(config: TrainConfig, bench: Bench, run: Path) -> dict[str, Any]:
    """Train (or resume) and return the figures of the best epoch on validation."""
    start = time.monotonic()
    if not (run / "done.json").is_file():
        Trainer(config, bench.classes, bench.train, bench.val).fit(run, resume=True)
        (run / "done.json").write_text(json.dumps({"seconds": round(time.monotonic() - start), **asdict(config)}))
    best = read_checkpoint(run / "best.pt")["metrics"]
    with np.load(run / "val.npz", allow_pickle=False) as saved:
        probabilities, labels = softmax(saved["logits"]), saved["labels"]
    return {
        "macro F1": round(best["macro_f1"], 4),
        "balanced accuracy": round(best["balanced_accuracy"], 4),
        "accuracy": round(best["accuracy"], 4),
        "recall of rare classes": _rare_recall(probabilities, labels, bench),
        "balanced log loss": round(balanced_log_loss(probabilities, labels), 4),
        "best epoch": best["epoch"],
        "seconds": json.loads((run / "done.json").read_text())["seconds"],
    }


def _rare_recall(probabilities: np.ndarray, labels: np.ndarray, bench: Bench) -> float:
    counts = np.bincount(bench.train.labels, minlength=len(bench.classes))
    rare = [bench.classes[index] for index in np.argsort(counts, kind="stable")[:RARE]]
    found = per_class(probabilities, labels, bench.classes)
    known = [found[slug]["recall"]["value"] for slug in rare if found[slug]["recall"]]
    return round(float(np.mean(known)), 4) if known else float("nan")


def tune_grid(
    config: TrainConfig, bench: Bench, grid: Mapping[str, Sequence[Any]], *, name: str, folder: Path
) -> list[dict[str, Any]]:
    """Every combination of ``grid`` (fields of TUNED) once, chosen by Optuna's GridSampler; rows, the best first.

    Trials are kept in ``folder``/study.db: a search that was killed goes on with what is missing. Raises ValueError
    where ``folder`` holds a search over another grid.
    """
    import optuna

    folder.mkdir(parents=True, exist_ok=True)
    space = {key: list(values) for key, values in grid.items()}
    study = optuna.create_study(
        study_name=name,
        storage=f"sqlite:///{folder / 'study.db'}",
        sampler=optuna.samplers.GridSampler(space, seed=config.seed),
        direction="maximize",
        load_if_exists=True,
    )
    if study.user_attrs.get("grid", space) != space:
        raise ValueError(f"{folder} holds a search over another grid: {study.user_attrs['grid']}.")
    study.set_user_attr("grid", space)

    def objective(trial: optuna.Trial) -> float:
        chosen = {key: trial.suggest_categorical(key, values) for key, values in space.items()}
        stem = "-".join(f"{key}={value}" for key, value in chosen.items())
        row = chosen | run_once(replace(config, **chosen), bench, folder / stem)
        trial.set_user_attr("row", row)
        return row["macro F1"]

    missing = _missing(study, space)
    if missing:
        study.optimize(objective, n_trials=len(missing))
    again = _missing(study, space)  # the sampler counts a combination that failed or was interrupted as visited
    if again:
        study.sampler = optuna.samplers.RandomSampler(seed=config.seed)
        for chosen in again:
            study.enqueue_trial(chosen)
        study.optimize(objective, n_trials=len(again))
    return sorted((trial.user_attrs["row"] for trial in _finished(study)), key=lambda row: -row["macro F1"])


def _missing(study, space: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Combinations without a complete trial."""
    done = [trial.params for trial in _finished(study)]
    every = (dict(zip(space, values, strict=True)) for values in itertools.product(*space.values()))
    return [chosen for chosen in every if chosen not in done]


def _finished(study) -> list:
    """Complete trials, each combination once."""
    import optuna

    trials = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    return list({tuple(sorted(trial.params.items())): trial for trial in trials}.values())


def write_rows(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Rows as CSV."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
