"""What a sceptical reader wants to know about predicted probabilities, each with a 95 % interval.

Shapes: probabilities [N, C], labels [N] (class indices), groups [N] (patient or lesion; resampled together).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

SMALL_CLASS = 10  # balanced accuracy is also given over classes with at least so many photos (BASELINE.md)
RESAMPLES = 1000
BINS = 10
COVERAGES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.4, 0.3, 0.2, 0.1)

Figure = dict[str, float]


def measure(
    probabilities: np.ndarray, labels: np.ndarray, groups: Sequence[str], classes: Sequence[str]
) -> dict[str, Any]:
    """All overall figures, each {"value", "low", "high", "n"}, and "per_class"; macro_auc is None of one class."""
    counts = np.bincount(labels, minlength=len(classes))
    ranked = [_Ranked(probabilities[:, index], labels == index) for index in np.flatnonzero(counts)]
    present = np.flatnonzero(counts)
    scores: dict[str, Callable[[np.ndarray], float]] = {
        "accuracy": lambda w: _share(probabilities.argmax(1) == labels, w),
        "balanced_accuracy": balanced_accuracy(probabilities, labels),
        "balanced_accuracy_all": lambda w: np.nanmean(_recalls(probabilities, labels, w)[present]),
        "macro_precision": lambda w: _precisions(probabilities, labels, w)[present].mean(),
        "macro_recall": lambda w: np.nanmean(_recalls(probabilities, labels, w)[present]),
        "macro_f1": lambda w: _f1(probabilities, labels, w)[present].mean(),
        "top3": lambda w: _share(_in_top(probabilities, labels, 3), w),
        "ece": lambda w: calibration_error(probabilities, labels, w),
    }
    if len(present) > 1:
        scores["macro_auc"] = lambda w: _mean_known([one.area(w) for one in ranked])
    figures: dict[str, Any] = {"macro_auc": None} | bootstrap(scores, groups)
    return figures | {"per_class": per_class(probabilities, labels, classes)}


def balanced_accuracy(scores: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], float]:
    """Mean recall over classes of SMALL_CLASS photos or more, as a score of weights [N]; 0 without such a class."""
    large = np.flatnonzero(np.bincount(labels, minlength=scores.shape[1]) >= SMALL_CLASS)
    return lambda weights: float(_recalls(scores, labels, weights)[large].mean()) if len(large) else 0.0


def bootstrap(scores: dict[str, Callable[[np.ndarray], float]], groups: Sequence[str], *, seed: int = 0) -> dict:
    """Value and percentile interval of each score under resampling of whole groups; scores take weights [N]."""
    members = np.unique(np.asarray(groups), return_inverse=True)[1]
    total = int(members.max()) + 1
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(total, np.full(total, 1 / total), size=RESAMPLES)[:, members].astype(float)
    everyone = np.ones(len(members))
    figures = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, score in scores.items():
            low, high = np.nanpercentile([score(weights) for weights in draws], [2.5, 97.5])
            figures[name] = _rounded(float(score(everyone)), float(low), float(high), len(members))
    return figures


def per_class(probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, dict]:
    """Recall and precision by class with Wilson intervals, area under the curve against the rest, F1, photo counts."""
    guess = probabilities.argmax(1)
    table = {}
    for index, slug in enumerate(classes):
        of_class, called = labels == index, guess == index
        hits = int((of_class & called).sum())
        table[slug] = {
            "n": int(of_class.sum()),
            "recall": proportion(hits, int(of_class.sum())),
            "precision": proportion(hits, int(called.sum())),
            "f1": round(2 * hits / max(1, int(of_class.sum() + called.sum())), 4),
            "auc": auc(probabilities[:, index], of_class),
        }
    return table


class _Ranked:
    """Scores of one class, ranked once: `area` is asked a thousand times with other weights."""

    def __init__(self, scores: np.ndarray, positive: np.ndarray) -> None:
        self.rank = np.unique(scores, return_inverse=True)[1]
        self.positive = positive.astype(float)

    def area(self, weights: np.ndarray) -> float:
        """Area under the ROC curve: how often a photo of the class scores higher than another, ties counting half."""
        of_class = np.bincount(self.rank, weights * self.positive)
        rest = np.bincount(self.rank, weights * (1 - self.positive))
        below = np.cumsum(rest) - rest / 2
        pairs = of_class.sum() * rest.sum()
        return float(of_class @ below / pairs) if pairs else float("nan")


def auc(scores: np.ndarray, positive: np.ndarray) -> Figure | None:
    """One-vs-rest area under the ROC curve with the interval of Hanley and McNeil (1982); None without both kinds."""
    hits, others = int(positive.sum()), int((~positive).sum())
    if not hits or not others:
        return None
    area = _Ranked(scores, positive).area(np.ones(len(scores)))
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (hits - 1) * (q1 - area**2) + (others - 1) * (q2 - area**2)
    half = 1.959964 * np.sqrt(max(0.0, variance) / (hits * others))
    return _rounded(area, max(0.0, area - half), min(1.0, area + half), hits)


def confusion(probabilities: np.ndarray, labels: np.ndarray) -> list[list[int]]:
    """Photos by true class (rows) and likeliest class (columns)."""
    classes = probabilities.shape[1]
    flat = np.bincount(labels * classes + probabilities.argmax(1), minlength=classes**2)
    return flat.reshape(classes, classes).tolist()


def risk_curve(probabilities: np.ndarray, labels: np.ndarray) -> list[dict[str, float]]:
    """Error among the photos that are answered when the least certain ones (top probability) are not (Geifman and
    El-Yaniv 2017): ``coverage``, ``n``, ``error`` and the ``threshold`` on the top probability."""
    top = probabilities.max(1)
    order = np.argsort(-top, kind="stable")
    wrong = (probabilities.argmax(1) != labels)[order]
    curve = []
    for share in COVERAGES:
        n = max(1, round(share * len(labels)))
        curve.append(
            {
                "coverage": share,
                "n": n,
                "error": round(float(wrong[:n].mean()), 4),
                "threshold": float(np.floor(top[order[n - 1]] * 1e4) / 1e4),
            }
        )
    return curve


def proportion(hits: int, total: int) -> Figure | None:
    """A share with its Wilson score interval (Wilson 1927); None of nothing."""
    if not total:
        return None
    z, share = 1.959964, hits / total
    center = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2)) / (1 + z**2 / total)
    return _rounded(share, float(max(0.0, center - half)), float(min(1.0, center + half)), total)


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Expected calibration error of the top class over ten equal bins (Guo et al. 2017)."""
    weights = np.ones(len(labels)) if weights is None else weights
    top = probabilities.max(1)
    gap = weights * (top - (probabilities.argmax(1) == labels))
    bins = np.minimum((top * BINS).astype(int), BINS - 1)
    return float(np.abs(np.bincount(bins, gap, BINS)).sum() / weights.sum())


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> list[dict[str, float]]:
    """For each bin of probability, over all pairs of a photo and a class: how many, and in how many it was the class.

    All pairs, not only the likeliest class: the page words second and third places by the same table.
    """
    right = (np.arange(probabilities.shape[1]) == labels[:, None]).ravel()
    bins = np.minimum((probabilities.ravel() * BINS).astype(int), BINS - 1)
    return [
        {"low": b / BINS, "high": (b + 1) / BINS, "n": int((bins == b).sum()), "correct": int(right[bins == b].sum())}
        for b in range(BINS)
    ]


def _share(right: np.ndarray, weights: np.ndarray) -> float:
    return float((right * weights).sum() / weights.sum())


def _mean_known(values: Sequence[float]) -> float:
    """Mean of those that are numbers: a resample may leave out a class."""
    known = [value for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else float("nan")


def _in_top(probabilities: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    return (np.argsort(-probabilities, axis=1)[:, :count] == labels[:, None]).any(axis=1)


def _tallies(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    classes, guess = probabilities.shape[1], probabilities.argmax(1)
    hits = np.bincount(labels, weights * (guess == labels), classes)
    return hits, np.bincount(labels, weights, classes), np.bincount(guess, weights, classes)


def _recalls(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    hits, truths, _ = _tallies(probabilities, labels, weights)
    return hits / truths


def _precisions(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    hits, _, calls = _tallies(probabilities, labels, weights)
    return np.where(calls > 0, hits / np.maximum(calls, 1e-12), 0.0)


def _f1(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    hits, truths, calls = _tallies(probabilities, labels, weights)
    return 2 * hits / np.maximum(truths + calls, 1e-12)


def _rounded(value: float, low: float, high: float, n: int) -> Figure:
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4), "n": n}
