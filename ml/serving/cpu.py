"""The engine for CPUs: every member of a release in ONNX Runtime, no torch in the process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml.releases.loader import Release
from ml.serving.devices import usable_cores
from ml.serving.engine import Engine
from ml.serving.network import Network, Output


class CpuEngine(Engine):
    """All members of ``release`` on ``threads`` cores (default: those that the process may use)."""

    # More photos at once need more memory (8: 760 MB, 4: 480 MB) and are not faster on a CPU.
    batch_size = 4

    def __init__(self, release: Release, *, threads: int | None = None) -> None:
        cores = threads or usable_cores()
        super().__init__(release, decoders=cores)
        # Two cores: one member after the other on both takes 80 ms a photo, side by side 130 ms. Beyond about two
        # cores a small network gains little, so that members run side by side as soon as each can have two.
        self._side_by_side = cores >= 2 * len(release.members)
        share = cores // len(release.members) if self._side_by_side else cores
        self._networks = [Network(release, member, threads=share) for member in release.members]

    def run_networks(self, batches: Sequence[np.ndarray]) -> list[Output]:
        """One pass of every member."""
        mapped = self.pool.map if self._side_by_side else map
        return list(mapped(Network.run, self._networks, batches))
