"""How far a photo lies from the training photos, from one member's pooled embedding. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

METHOD = "mahalanobis-residual"


@dataclass(frozen=True)
class OodScorer:
    """Principal axes of the training embeddings, class means in them, and the size of what they leave out.

    ``mean`` [D], ``axes`` [K, D] orthonormal, ``std`` [K], ``centers`` [C, K] in units of ``std``, ``residual``: root
    mean square length left out by the axes on training photos.
    """

    mean: np.ndarray
    axes: np.ndarray
    std: np.ndarray
    centers: np.ndarray
    residual: float

    @classmethod
    def fit(cls, embeddings: np.ndarray, labels: np.ndarray, *, components: int = 24) -> OodScorer:
        """Fit to raw pooled embeddings [N, D] of training photos; ``std`` is measured within classes."""
        mean = embeddings.mean(axis=0)
        centred = embeddings - mean
        axes = np.linalg.svd(centred, full_matrices=False)[2][:components].astype(np.float16).astype(np.float64)
        along = centred @ axes.T
        means = np.stack([along[labels == label].mean(axis=0) for label in np.unique(labels)])
        std = (along - means[np.searchsorted(np.unique(labels), labels)]).std(axis=0) + 1e-9
        left_out = (centred**2).sum(axis=1) - (along**2).sum(axis=1)
        return cls(mean, axes, std, means / std, float(np.sqrt(np.maximum(left_out, 0).mean())))

    @classmethod
    def load(cls, file: Path) -> OodScorer:
        """Read an ``ood.npz``."""
        with np.load(file, allow_pickle=False) as arrays:
            values = {name: arrays[name].astype(np.float64) for name in ("mean", "axes", "std", "centers", "residual")}
        return cls(**(values | {"residual": float(values["residual"])}))

    def save(self, file: Path) -> None:
        """Write axes in fp16, the rest in fp32."""
        rest = {name: np.asarray(getattr(self, name), np.float32) for name in ("mean", "std", "centers", "residual")}
        np.savez(file, axes=self.axes.astype(np.float16), **rest)

    def score(self, embeddings: np.ndarray) -> np.ndarray:
        """Distance [N] of raw embeddings [N, D]: nearest class (Mahalanobis, Lee et al. 2018) and what no axis
        explains (residual, as in ViM, Wang et al. 2022), each 1 on average for training photos. Larger is stranger."""
        centred = np.asarray(embeddings, np.float64) - self.mean
        along = centred @ self.axes.T
        distances = ((along / self.std)[:, None] - self.centers) ** 2
        left_out = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        return np.sqrt((distances.mean(axis=2).min(axis=1) + left_out / self.residual**2) / 2)
