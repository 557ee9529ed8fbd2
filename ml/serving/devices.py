"""Which machine serves: the cores that this process may use, and whether there is a CUDA device. Imports no torch
unless there could be one."""

from __future__ import annotations

import importlib.util
import math
import os
from functools import cache
from pathlib import Path

DEVICES = ("auto", "cpu", "cuda")


class EngineError(Exception):
    """An engine that cannot start; the message is one sentence for whoever runs the worker."""


def choose_device(wanted: str | None = None) -> str:
    """``cpu`` or ``cuda``. ``wanted``: auto, cpu or cuda; default ``INFERENCE_DEVICE``, else auto.

    auto is cuda where PyTorch is installed and sees one. Raises ``EngineError`` for another word, and for cuda that is
    not there.
    """
    wanted = wanted or os.environ.get("INFERENCE_DEVICE") or "auto"
    if wanted not in DEVICES:
        raise EngineError(f"INFERENCE_DEVICE is {wanted!r}; it can be {', '.join(DEVICES)}.")
    if wanted == "cpu":
        return "cpu"
    problem = _cuda_problem()
    if problem and wanted == "cuda":
        raise EngineError(f"INFERENCE_DEVICE=cuda was asked for, but {problem}: use cpu or auto.")
    return "cpu" if problem else "cuda"


def _cuda_problem() -> str:
    """Why CUDA cannot be used here, cheapest question first; empty where it can."""
    if not has_torch():
        return "PyTorch is not installed (requirements/ml.txt)"
    if not Path("/dev/nvidiactl").exists() and not Path("/dev/dxg").exists():  # dxg: Windows Subsystem for Linux
        return "this machine has no CUDA device"
    # The plain question would start CUDA in this process, and a worker that forks later could not use it any more.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    import torch

    return "" if torch.cuda.is_available() else "PyTorch sees no CUDA device"


@cache
def has_torch() -> bool:
    """True where PyTorch and timm are installed; imports neither."""
    return all(importlib.util.find_spec(name) for name in ("torch", "timm"))


def usable_cores(groups: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Cores for threads: those that the process may run on, or fewer where a control group grants less time."""
    allowed = len(os.sched_getaffinity(0))
    quotas = [quota for folder in _own_groups(groups, membership) if (quota := _quota(folder))]
    return max(1, min([allowed, *(math.ceil(quota) for quota in quotas)]))


def _own_groups(groups: Path, membership: Path) -> list[Path]:
    """Folders of this process's control group and those around it (version 2), or the one of version 1."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    path = groups / own
    return [groups / "cpu", *(place for place in (path, *path.parents) if place.is_relative_to(groups))]


def _quota(folder: Path) -> float:
    """Cores' worth of time granted by ``cpu.max`` or ``cpu.cfs_quota_us``; 0 where nothing is said."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            limit, period = " ".join((folder / name).read_text().strip() for name in names).split()
        except (OSError, ValueError):
            continue
        return int(limit) / int(period) if limit not in ("max", "-1") else 0.0
    return 0.0
