"""Memory of a CPU worker, measured in a process of its own: torch, which the benchmark needs, is not in there."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from ml.serving import get_engine


def measure_memory(release: str, photo: bytes) -> dict[str, float]:
    """Megabytes resident of a fresh process: with the model warm, after photos, and at the highest point."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(serve_and_look, release, photo).result()


def serve_and_look(release: str, photo: bytes) -> dict[str, float]:
    """Load ``release``, predict the photo alone and as a case of five, and look at the memory of this process.

    Raises RuntimeError where torch came in.
    """
    engine = get_engine(release, "cpu")
    warm = status_megabytes("VmRSS")
    for _ in range(3):
        engine.predict([photo])
        engine.predict([photo] * 5)
    if "torch" in sys.modules:
        raise RuntimeError("torch was imported into the process of the CPU engine")
    return {"warm": warm, "after photos": status_megabytes("VmRSS"), "highest": status_megabytes("VmHWM")}


def status_megabytes(field: str) -> float:
    """A field of /proc/self/status, such as VmRSS (resident now) or VmHWM (highest so far), in 10^6 bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024 / 1e6
