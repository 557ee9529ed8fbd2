"""The reference with which serving tells how strange a photo is (`ml.ensemble.ood_score`, method mahalanobis)."""

from __future__ import annotations

import numpy as np

METHOD = "mahalanobis"


def fit_reference(embeddings: np.ndarray, labels: np.ndarray, *, components: int = 24) -> dict[str, np.ndarray]:
    """From L2-normalised embeddings [N, D] of training photos and their classes [N]:

    ``mean`` [D], ``axes`` [K, D] (principal, fp16), ``std`` [K] (within classes), ``centers`` [C, K] (class means in
    units of ``std``), ``residual``: root mean square length that the axes leave out.
    """
    mean = embeddings.mean(axis=0, dtype=np.float64)
    centred = embeddings - mean
    axes = np.linalg.svd(centred, full_matrices=False)[2][:components].astype(np.float16)
    along = centred @ axes.astype(np.float64).T
    present, member = np.unique(labels, return_inverse=True)
    means = np.stack([along[member == index].mean(axis=0) for index in range(len(present))])
    std = (along - means[member]).std(axis=0) + 1e-9
    left_out = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 1e-12)
    arrays = {"mean": mean, "std": std, "centers": means / std, "residual": np.sqrt(left_out.mean())}
    return {"axes": axes} | {name: np.asarray(value, np.float32) for name, value in arrays.items()}
