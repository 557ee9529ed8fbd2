"""Choices made on validation photos: temperature, thresholds for cancer classes, prediction sets."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from ml.ensemble import softmax
from ml.evaluation.metrics import proportion

# Sensitivity asked for on clinical validation photos.
TARGETS = {"melanoma": 0.95}
OTHER_TARGET = 0.90  # of every other class that is malignant or a precursor


def target_of(slug: str) -> float:
    """Sensitivity that the threshold of a cancer class is chosen for."""
    return TARGETS.get(slug, OTHER_TARGET)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Temperature (0.2 to 5) with the lowest log loss (Guo et al. 2017); logits or log probabilities [N, C]."""

    def loss(log_temperature: float) -> float:
        chosen = softmax(logits, float(np.exp(log_temperature)))[np.arange(len(labels)), labels]
        return -float(np.log(np.maximum(chosen, 1e-12)).mean())

    return round(float(np.exp(minimize_scalar(loss, bounds=(np.log(0.2), np.log(5)), method="bounded").x)), 4)


def choose_threshold(scores: np.ndarray, positive: np.ndarray, target: float) -> float | None:
    """Highest threshold at which at least ``target`` of the positives have score >= threshold; None without positives.

    Rounded down to 4 digits, so that the written value keeps the sensitivity.
    """
    ranked = np.sort(scores[positive])[::-1]
    if not len(ranked):
        return None
    needed = int(np.ceil(target * len(ranked) - 1e-9))
    return float(np.floor(ranked[needed - 1] * 1e4) / 1e4)


def operating_point(scores: np.ndarray, positive: np.ndarray, threshold: float) -> dict[str, Any]:
    """Sensitivity and specificity with Wilson intervals at ``scores >= threshold``."""
    flagged = scores >= threshold
    return {
        "value": threshold,
        "sensitivity": proportion(int((flagged & positive).sum()), int(positive.sum())),
        "specificity": proportion(int((~flagged & ~positive).sum()), int((~positive).sum())),
        "n": int(positive.sum()),
    }


def conformal_quantile(probabilities: np.ndarray, labels: np.ndarray, alpha: float = 0.1) -> float:
    """LAC (Sadinle et al. 2019): the set {p >= 1 - quantile} holds the truth in at least 1 - alpha of new photos."""
    scores = np.sort(1 - probabilities[np.arange(len(labels)), labels])
    rank = min(len(scores), int(np.ceil((len(scores) + 1) * (1 - alpha))))
    return float(np.ceil(scores[rank - 1] * 1e6) / 1e6)


def prediction_sets(probabilities: np.ndarray, quantile: float) -> np.ndarray:
    """Boolean [N, C]: the classes in each photo's set; the top class always belongs."""
    inside = probabilities >= 1 - quantile
    inside[np.arange(len(inside)), probabilities.argmax(1)] = True
    return inside


def coverage(probabilities: np.ndarray, labels: np.ndarray, quantile: float) -> dict[str, Any]:
    """How often the set holds the truth, and its mean size."""
    inside = prediction_sets(probabilities, quantile)
    hits = int(inside[np.arange(len(labels)), labels].sum())
    return {"coverage": proportion(hits, len(labels)), "mean_size": round(float(inside.sum(1).mean()), 2)}
