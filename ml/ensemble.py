"""The arithmetic between networks and result: calibrated soft vote, prediction set, disagreement, strangeness.

Pure NumPy: serving, calibration and evaluation call the same functions, so that a release is served as it was measured.
Shapes: M members, N photos, C classes, D embedding dimensions.
"""

from __future__ import annotations

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
    ``reference["k"]``. Raises ``ValueError`` for an unknown method.
    """
    if method == "max_probability":
        return 1.0 - probabilities.max(axis=-1)
    if method == "knn":
        similarity = embeddings @ np.asarray(reference["bank"], dtype=np.float32).T
        k = min(int(reference["k"]), similarity.shape[1])
        return 1.0 - np.partition(similarity, -k, axis=1)[:, -k]
    raise ValueError(f"Unknown out-of-distribution method {method!r}.")
