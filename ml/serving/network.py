"""One member of a release as an ONNX Runtime session."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import onnxruntime

from ml.releases.loader import Member, Release, ReleaseError
from ml.serving.results import Output


class Network:
    """Loads ``member``'s graph; raises ``ReleaseError`` when ONNX Runtime cannot read it or an output is missing."""

    def __init__(self, release: Release, member: Member, *, threads: int) -> None:
        self.member = member
        _share_memory()
        try:
            self._session = onnxruntime.InferenceSession(
                release.path / member.file, _options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has no public base class for its errors
            raise ReleaseError(f"Release {release.name}: ONNX Runtime cannot load {member.file}.") from error
        self._outputs = ["logits", "embedding", *(["cam"] if member.cam else [])]
        missing = set(self._outputs) - {output.name for output in self._session.get_outputs()}
        if missing:
            raise ReleaseError(f"Release {release.name}: {member.file} has no output {sorted(missing)[0]}.")

    def run(self, images: np.ndarray) -> Output:
        """One pass over normalised ``images`` float32 [N, 3, S, S]."""
        start = time.perf_counter()
        logits, embedding, *cam = self._session.run(self._outputs, {"images": images})
        return Output(logits, embedding, cam[0] if cam else None, (time.perf_counter() - start) * 1000)


@cache
def _share_memory() -> None:
    """One arena for all networks of this process: few of them run at the same time, and an arena of its own would keep
    for each network what it once needed (r3, batches of four: 413 instead of 550 MB)."""
    arena = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    place = onnxruntime.OrtMemoryInfo("Cpu", arena, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(place, None)


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads starve each other as soon as two processes share the cores: 80 ms became 480 ms.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = 3
    return options
