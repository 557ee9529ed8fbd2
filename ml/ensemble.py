"""Weighted soft voting. NumPy only: training, evaluation and serving share it.

Shapes: member probabilities [M, N, C] (members, photos, classes), weights [M], voted probabilities [N, C].
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

TINY = 1e-9


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities along the last axis; a higher temperature makes them more even."""
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def vote(members: np.ndarray, weights: Sequence[float], temperature: float = 1.0) -> np.ndarray:
    """softmax(log(weighted mean of the members) / temperature). Weights need not sum to one."""
    weights = np.asarray(weights, np.float64)
    mean = np.tensordot(weights / weights.sum(), np.asarray(members, np.float64), axes=1)
    return softmax(np.log(mean + TINY), temperature)


def disagreement(members: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Mean total variation distance [N] between each member and their weighted mean: 0 agree, towards 1 dispute."""
    members = np.asarray(members, np.float64)
    return 0.5 * np.abs(members - vote(members, weights)).sum(axis=2).mean(axis=0)


def balanced_log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Cross-entropy in nats in which every class that occurs has the same say."""
    loss = -np.log(probabilities[np.arange(len(labels)), labels] + TINY)
    return float(np.mean([loss[labels == label].mean() for label in np.unique(labels)]))


def search_weights(members: np.ndarray, labels: np.ndarray, *, steps: int = 20) -> list[float]:
    """Weights on the simplex (grid of 1/``steps``) with the lowest balanced log loss, for validation photos only."""
    grid = [np.array(counts) / steps for counts in _compositions(steps, len(members))]
    losses = [balanced_log_loss(np.tensordot(weights, members, axes=1), labels) for weights in grid]
    return [float(weight) for weight in grid[int(np.argmin(losses))]]


def _compositions(total: int, parts: int):
    """All ways to write ``total`` as an ordered sum of ``parts`` numbers >= 0 (stars and bars)."""
    for bars in itertools.combinations(range(total + parts - 1), parts - 1):
        edges = (-1, *bars, total + parts - 1)
        yield [right - left - 1 for left, right in itertools.pairwise(edges)]
