"""Mixture discriminant analysis: one linear score for each centre of a class, log-sum-exp over a class's centres.

A class looks different in a dermoscope's archive and on a website: each family of sources that shows it has its own
centre (Hastie and Tibshirani 1996, the subclasses given instead of searched). What differs between the centres of a
class still counts as noise, so that a direction which only names the archive decides little. Measured on held-out
families of sources: docs/decisions/0023.
"""

from __future__ import annotations

import numpy as np

from ml.data.manifest import family_of

CENTRES = 4  # of a class at most: its largest families of sources
SHRINKAGE = 0.5  # towards a multiple of the identity (Friedman 1989), chosen on held-out sources like the next one
WIDTH = 4.0  # scores are divided by it: features of one map are no independent witnesses
LEAST_OF_SOURCE = 10  # photos of a class that a family of sources needs for a centre of its own
ABSENT = -1e4  # score of a centre that a class does not have; fits into fp16


def fit_discriminant(
    vectors: np.ndarray, labels: np.ndarray, sources: np.ndarray | None, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights [C * CENTRES, D] and biases [C * CENTRES] of centre scores for features [N, D], labels [N] in 0..C-1 and
    sources [N]; rows of one class lie together, missing centres have weight 0 and bias ABSENT.

    Classes count alike (equal priors), centres of a class by their photos: score = (mean . inverse(noise) x - mean .
    inverse(noise) mean / 2) / WIDTH + log share (Hastie et al. 2009, 4.3 and 12.7). Raises ValueError for a class
    without photos.
    """
    x = vectors.astype(np.float64)
    counts = np.bincount(labels, minlength=classes)
    if counts.min() == 0:
        raise ValueError(f"Class {int(counts.argmin())} has no photo to fit a discriminant on.")
    noise = _spread_within(x, labels, classes)
    weights, biases = np.zeros((classes, CENTRES, x.shape[1])), np.full((classes, CENTRES), ABSENT)
    for label in range(classes):
        own = labels == label
        means, shares = _centres(x[own], None if sources is None else sources[own])
        solved = np.linalg.solve(noise, means.T).T
        weights[label, : len(means)] = solved / WIDTH
        biases[label, : len(means)] = -0.5 * (means * solved).sum(1) / WIDTH + np.log(shares)
    return weights.reshape(classes * CENTRES, -1), biases.reshape(-1)


def class_scores(centre_scores: np.ndarray) -> np.ndarray:
    """Logits [N, C] of classes from scores [N, C * CENTRES] of their centres."""
    return np.logaddexp.reduce(centre_scores.reshape(len(centre_scores), -1, CENTRES), axis=2)


def _spread_within(x: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Shrunk covariance [D, D] of photos around the mean of their class."""
    apart = x - np.stack([x[labels == label].mean(0) for label in range(classes)])[labels]
    noise = apart.T @ apart / len(x)
    level = SHRINKAGE * np.trace(noise) / len(noise)
    noise *= 1 - SHRINKAGE
    noise.flat[:: len(noise) + 1] += level
    return noise


def _centres(x: np.ndarray, sources: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Means [K, D] and shares [K] of one class's families of sources, the largest first; all photos where none has
    LEAST_OF_SOURCE."""
    families = np.array([""] * len(x) if sources is None else [family_of(source) for source in sources])
    names, counts = np.unique(families, return_counts=True)
    kept = [i for i in np.argsort(-counts, kind="stable")[:CENTRES] if counts[i] >= LEAST_OF_SOURCE]
    if not kept:
        return x.mean(0, keepdims=True), np.ones(1)
    return np.stack([x[families == names[i]].mean(0) for i in kept]), counts[kept] / counts[kept].sum()
