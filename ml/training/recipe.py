"""The parts of a training recipe that a setting chooses: class balance, optimiser, learning rate, when to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from ml.training.train import TrainConfig

BALANCES = ("sqrt", "oversample", "undersample", "weights", "none")
OPTIMIZERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
SCHEDULES = ("cosine", "plateau", "constant")
PRECISIONS = ("auto", "bf16", "fp32")
STOPS = {"macro_f1": -1.0, "val_loss": 1.0}  # sign that makes lower better
PROBES = ("none", "logistic", "discriminant")
BOARDS = ("off", "scalars", "full")
PLATEAU_FACTOR, PLATEAU_PATIENCE, PLATEAU_THRESHOLD = 0.1, 2, 1e-4

_CHOICES = {
    "balance": BALANCES,
    "optimizer": tuple(OPTIMIZERS),
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
    "stop_on": tuple(STOPS),
    "board": BOARDS,
    "probe": PROBES,
}


def check_choices(values: Mapping[str, Any]) -> None:
    """Raise ValueError for a setting that is none of its choices."""
    for name, choices in _CHOICES.items():
        if name in values and values[name] not in choices:
            raise ValueError(f"{name} is {values[name]!r}; it can be {', '.join(choices)}.")


def draw_epoch(
    labels: np.ndarray, balance: str, rng: np.random.Generator, *, seed: int, factor: np.ndarray | None = None
) -> np.ndarray:
    """Indices of one epoch's photos, always as many as there are, so that recipes cost the same.

    ``sqrt``: classes by the square root of their size. ``oversample``: classes alike, photos of small ones repeat.
    ``undersample``: classes alike, from as many photos of each as the smallest has (the same ones in every epoch).
    ``weights``, ``none``: every photo once. ``factor`` [N] multiplies the chances (balance of sources).
    """
    total = len(labels)
    if balance in ("weights", "none") and factor is None:
        return rng.permutation(total)
    counts = np.bincount(labels)[labels].astype(float)
    weight = counts ** {"sqrt": -0.5, "oversample": -1.0, "undersample": -1.0}.get(balance, 0.0)
    if balance == "undersample":
        weight = _keep_smallest(labels, np.random.default_rng(seed)).astype(float)
    weight = weight if factor is None else weight * factor
    return rng.choice(total, total, p=weight / weight.sum())


def _keep_smallest(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Boolean [N]: as many photos of each class as the smallest one has."""
    smallest = np.bincount(labels)[np.unique(labels)].min()
    kept = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        kept[rng.choice(np.flatnonzero(labels == label), smallest, replace=False)] = True
    return kept


def class_weights(labels: np.ndarray, classes: int, balance: str) -> torch.Tensor | None:
    """Weights [C] for the cross-entropy, N / (C * n_c) as scikit-learn's "balanced"; None unless asked for."""
    if balance != "weights":
        return None
    counts = np.bincount(labels, minlength=classes)
    return torch.tensor(len(labels) / (classes * np.maximum(counts, 1)), dtype=torch.float32)


def build_optimizer(config: TrainConfig, groups: list[dict]) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019) over ``groups``."""
    return OPTIMIZERS[config.optimizer](groups, lr=config.lr, weight_decay=config.weight_decay)


def learning_rate(config: TrainConfig, progress: float, history: Sequence[Mapping[str, float]]) -> float:
    """Rate at ``progress`` (0..1 of all epochs): linear warm-up, then half a cosine, or cut by ten on each plateau of
    the validation loss. A pure function of progress and history, so that a resumed run agrees."""
    if config.warmup and progress < config.warmup:
        return config.lr * progress / config.warmup
    if config.schedule == "cosine":
        rest = min(1.0, (progress - config.warmup) / (1 - config.warmup))
        return config.lr * (0.5 * (1 + math.cos(math.pi * rest)) + 0.01)
    if config.schedule == "plateau":
        return config.lr * PLATEAU_FACTOR ** count_plateaus([record["val_loss"] for record in history])
    return config.lr


def count_plateaus(losses: Sequence[float]) -> int:
    """How often the loss went without improvement for more than PLATEAU_PATIENCE epochs (ReduceLROnPlateau's rule)."""
    best, bad, cuts = math.inf, 0, 0
    for loss in losses:
        best, bad = (loss, 0) if loss < best * (1 - PLATEAU_THRESHOLD) else (best, bad + 1)
        if bad > PLATEAU_PATIENCE:
            cuts, bad = cuts + 1, 0
    return cuts


def epochs_since_best(history: Sequence[Mapping[str, float]], stop_on: str) -> int:
    """Epochs since the one with the best ``stop_on``."""
    sign = STOPS[stop_on]
    best = min(range(len(history)), key=lambda index: sign * history[index][stop_on], default=0)
    return len(history) - 1 - best
