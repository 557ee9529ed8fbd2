"""The arithmetic between networks and result: calibrated soft vote, prediction set, disagreement, strangeness.

Pure NumPy: serving, calibration and evaluation call the same functions, so that a release is served as it was measured.
Shapes: M members, N photos, C classes, D embedding dimensions.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

_TINY = 1e-12


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Softmax over the last axis of ``logits / temperature`` (Guo et al. 2017, temperature scaling)."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def vote(member_probabilities: Sequence[np.ndarray], weights: Sequence[float], temperature: float = 1.0) -> np.ndarray:
    """Weighted soft vote of M arrays [N, C], then ``softmax(log(vote) / temperature)``; returns [N, C]."""
    shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    mean = np.tensordot(shares, np.stack(member_probabilities), axes=1)
    return softmax(np.log(np.maximum(mean, _TINY)), temperature)


def disagreement(member_probabilities: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """How far the members are apart, 0 (same opinion) to 1: generalised Jensen-Shannon divergence over log(M); [N].

    It is the mutual information between the class and the member that is asked (Lakshminarayanan et al. 2017).
    """
    shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    if len(shares) < 2:
        return np.zeros(len(member_probabilities[0]))
    stacked = np.stack(member_probabilities)
    own = np.tensordot(shares, _entropy(stacked), axes=1)
    joint = _entropy(np.tensordot(shares, stacked, axes=1))
    return np.clip((joint - own) / np.log(len(shares)), 0.0, 1.0)


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    return -(probabilities * np.log(np.maximum(probabilities, _TINY))).sum(axis=-1)


def prediction_set(probabilities: np.ndarray, quantile: float, method: str = "LAC") -> list[int]:
    """Class indices of one photo's conformal set, likeliest first; the likeliest class is always in it.

    ``LAC``: every class with p >= 1 - quantile (Sadinle et al. 2019). ``APS``: the likeliest classes until their sum
    reaches ``quantile`` (Romano et al. 2020, without its random step).
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    if method == "APS":
        size = int(np.searchsorted(np.cumsum(ranked), quantile - _TINY)) + 1
    else:
        size = int((ranked >= 1 - quantile).sum())
    return [int(index) for index in order[: max(1, size)]]


def ood_score(method: str, probabilities: np.ndarray, embeddings: np.ndarray, reference: Mapping) -> np.ndarray:
    """Distance from what the release was trained on, [N]; larger is stranger.

    ``max_probability``: 1 - largest p (Hendrycks and Gimpel 2017). ``knn``: cosine distance of the L2-normalised
    ``embeddings`` [N, D] to the k-th nearest of ``reference["bank"]`` [B, D] (Sun et al. 2022), ``k`` in
    ``reference["k"]``. ``mahalanobis``: see ``_mahalanobis``. Raises ``ValueError`` for an unknown method.
    """
    if method == "max_probability":
        return 1.0 - probabilities.max(axis=-1)
    if method == "knn":
        similarity = embeddings @ np.asarray(reference["bank"], dtype=np.float32).T
        k = min(int(reference["k"]), similarity.shape[1])
        return 1.0 - np.partition(similarity, -k, axis=1)[:, -k]
    if method == "mahalanobis":
        return _mahalanobis(embeddings, reference)
    raise ValueError(f"Unknown out-of-distribution method {method!r}.")


def _mahalanobis(embeddings: np.ndarray, reference: Mapping) -> np.ndarray:
    """Distance to the nearest class along principal axes (Lee et al. 2018) and what no axis explains (the residual of
    ViM, Wang et al. 2022), each 1 on average for training photos; arrays as `ml.evaluation.ood.fit_reference` says."""
    mean, axes, std, centers = (np.asarray(reference[key], np.float64) for key in ("mean", "axes", "std", "centers"))
    centred = np.asarray(embeddings, np.float64) - mean
    along = centred @ axes.T
    distances = (((along / std)[:, None] - centers) ** 2).mean(axis=2).min(axis=1)
    left_out = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0)
    return np.sqrt((distances + left_out / float(reference["residual"]) ** 2) / 2)


def balanced_log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Cross-entropy in nats in which every class that occurs has the same say; labels [N]."""
    loss = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], _TINY))
    return float(np.mean([loss[labels == label].mean() for label in np.unique(labels)]))


def search_weights(
    members: Sequence[np.ndarray], labels: np.ndarray, *, steps: int = 20, least: int | Sequence[int] = 0
) -> list[float]:
    """Weights on the simplex (grid of 1/``steps``) with the lowest balanced log loss; ``least``: steps of every member,
    or of each, that are not up for search. For validation photos only; M arrays [N, C], labels [N].

    Raises ValueError where ``least`` leaves nothing to share out.
    """
    stacked = np.stack(members)
    floor = np.broadcast_to(np.asarray(least), len(stacked))
    if floor.sum() > steps:
        raise ValueError(f"The least weights add up to {floor.sum() / steps:.2f}, which is more than 1.")
    grid = [(np.array(counts) + floor) / steps for counts in _compositions(steps - int(floor.sum()), len(stacked))]
    losses = [balanced_log_loss(np.tensordot(weights, stacked, axes=1), labels) for weights in grid]
    return [round(float(weight), 6) for weight in grid[int(np.argmin(losses))]]


def _compositions(total: int, parts: int):
    """All ways to write ``total`` as an ordered sum of ``parts`` numbers >= 0 (stars and bars)."""
    for bars in itertools.combinations(range(total + parts - 1), parts - 1):
        edges = (-1, *bars, total + parts - 1)
        yield [right - left - 1 for left, right in itertools.pairwise(edges)]
