"""Photos beside the manifest: where it has few of a class and family of sources, a further set may have many more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ml.data.lookalikes import find_neighbours
from ml.data.manifest import Manifest, check_photo, family_of, read_manifest


def read_further(file: Path, manifest: Manifest, *, source: str = "", progress=lambda rows: rows) -> Manifest:
    """Rows of ``file`` whose photos look like none of validation or test in ``manifest``, with its classes.

    ``source`` names the source of rows that state none. Raises ManifestError for a photo that is missing or broken.
    """
    further = read_manifest(file, classes=manifest.classes)
    judged = [row for row in manifest.rows if row.part in ("val", "test")]
    prints = [check_photo(manifest.root, row) for row in judged]
    prints += [check_photo(further.root, row) for row in progress(further.rows)]
    pairs = find_neighbours(prints, ["judged"] * len(judged) + ["further"] * len(further.rows))
    copies = {second - len(judged) for _, second in pairs}
    rows = (row for number, row in enumerate(further.rows) if number not in copies)
    return replace(further, rows=tuple(replace(row, source=row.source or source) for row in rows))


class Kin:
    """Further photos that may stand in for a training photo: those of its class and family of sources.

    Any of both is as likely as another, so that shares of classes and families stay as the manifest has them.
    """

    def __init__(
        self, labels: np.ndarray, sources: Sequence[str], further_labels: np.ndarray, further_sources: Sequence[str]
    ):
        own, others = _kinds(labels, sources), _kinds(further_labels, further_sources)
        self.found = {kind: np.flatnonzero(others == kind) for kind in np.unique(own)}
        self.kinds = own
        self.share = np.array([len(self.found[kind]) / (len(self.found[kind]) + (own == kind).sum()) for kind in own])

    def widen(self, order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Indices ``order`` of training photos [N], some replaced by further photos as -1 - index."""
        order = order.copy()
        for place in np.flatnonzero(rng.random(len(order)) < self.share[order]):
            order[place] = -1 - rng.choice(self.found[self.kinds[order[place]]])
        return order


def _kinds(labels: np.ndarray, sources: Sequence[str]) -> np.ndarray:
    return np.array([f"{label} {family_of(source)}" for label, source in zip(labels, sources, strict=True)])
