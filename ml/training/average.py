"""Several fine-tuned runs from the same weights, averaged into one network (Wortsman et al. 2022, model soups)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ml.training.networks import read_checkpoint


def average_runs(runs: Sequence[Path]) -> dict[str, Any]:
    """The best checkpoints of ``runs`` as one: mean weights, epochs of all, settings and curve of the last run, and the
    names of all under ``averaged``.

    Raises ValueError for fewer than two runs, or where network, size or classes differ, and what `read_checkpoint`
    raises.
    """
    if len(runs) < 2:
        raise ValueError("An average needs two runs or more.")
    states = [read_checkpoint(run / "best.pt") for run in runs]
    for run, state in zip(runs, states, strict=True):
        if _shape(state) != _shape(states[0]):
            raise ValueError(f"{run} has another network, size or classes than {runs[0]}.")
    averaged = {"averaged": [run.name for run in runs], "epochs": sum(state["epoch"] for state in states)}
    return {
        "model": {name: _mean([state["model"][name] for state in states]) for name in states[0]["model"]},
        "config": states[-1]["config"] | averaged,
        "classes": states[0]["classes"],
        "epoch": averaged["epochs"],
        "history": states[-1]["history"],
    }


def _shape(state: dict[str, Any]) -> tuple:
    config = state["config"]
    return config["architecture"], config.get("activation", ""), config["size"], state["classes"]


def _mean(values: Sequence[Tensor]) -> Tensor:
    """Counters of batches (integers) stay those of the last run."""
    return torch.stack(list(values)).mean(0) if values[0].is_floating_point() else values[-1]
