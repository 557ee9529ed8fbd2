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
        # Members side by side on one thread each wait for nobody: 32 ms a photo on two cores, where one after the other
        # on both takes 49 ms, because threads meet after every layer (r3; the longest begins first).
        share = max(1, cores // len(release.members))
        self._networks = [Network(release, member, threads=share) for member in release.members]
        self._order = list(range(len(self._networks)))

    def run_networks(self, batches: Sequence[np.ndarray]) -> list[Output]:
        """One pass of every member; the order of the next pass is that of the time which each took in this one."""
        passes = {number: self.pool.submit(self._networks[number].run, batches[number]) for number in self._order}
        outputs = [passes[number].result() for number in range(len(self._networks))]
        self._order = sorted(self._order, key=lambda number: -outputs[number].milliseconds)
        return outputs
