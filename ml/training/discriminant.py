"""Linear discriminant analysis that also counts what differs between the sources of one class as noise.

A linear model on frozen features names the source of a photo with 90 % accuracy (data README): what a class looks like
in one archive must not decide. Directions in which the sources of a class lie apart weigh as little as those in which
its photos do. Measured on held-out families of sources: docs/decisions/0021.
"""

from __future__ import annotations

import numpy as np

SHRINKAGE = 0.5  # towards a multiple of the identity (Friedman 1989), chosen on held-out sources like the next one
SOURCE_NOISE = 0.5  # spread between sources, as a share of the spread within classes
LEAST_OF_SOURCE = 10  # photos of a class that a source needs for its mean to say something


def fit_discriminant(
    vectors: np.ndarray, labels: np.ndarray, sources: np.ndarray | None, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights [C, D] and biases [C] of the head for features [N, D], labels [N] in 0..C-1 and sources [N].

    Classes count alike (equal priors): weight = inverse(noise) mean, bias = -mean . weight / 2 (Hastie et al. 2009,
    4.3). Raises ValueError for a class without photos.
    """
    x = vectors.astype(np.float64)
    counts = np.bincount(labels, minlength=classes)
    if counts.min() == 0:
        raise ValueError(f"Class {int(counts.argmin())} has no photo to fit a discriminant on.")
    means = np.stack([x[labels == label].mean(0) for label in range(classes)])
    apart = x - means[labels]
    noise = apart.T @ apart / len(x)
    between = np.zeros_like(noise) if sources is None else _source_spread(x, labels, sources)
    if between.any():
        noise += SOURCE_NOISE * np.trace(noise) / np.trace(between) * between
    noise *= 1 - SHRINKAGE
    noise.flat[:: len(noise) + 1] += SHRINKAGE / (1 - SHRINKAGE) * np.trace(noise) / len(noise)
    weights = np.linalg.solve(noise, means.T).T
    return weights, -0.5 * (means * weights).sum(1)


def _source_spread(x: np.ndarray, labels: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Scatter [D, D] of the means of a class's sources around their mean, over classes with two such sources."""
    spread = np.zeros((x.shape[1], x.shape[1]))
    for label in np.unique(labels):
        own, named = x[labels == label], sources[labels == label]
        names, counts = np.unique(named, return_counts=True)
        means = [own[named == name].mean(0) for name in names[counts >= LEAST_OF_SOURCE]]
        if len(means) > 1:
            apart = np.stack(means) - np.mean(means, axis=0)
            spread += apart.T @ apart
    return spread
