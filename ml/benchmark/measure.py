"""Everything that the benchmark measures. Contestants take turns, so that a busy machine is busy for all of them."""

from __future__ import annotations

import io
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from PIL import Image

from ml.benchmark.eager import EagerStack
from ml.benchmark.resident import measure_memory
from ml.releases.loader import load_release
from ml.serving.cpu import CpuEngine
from ml.serving.devices import choose_device, usable_cores
from ml.serving.engine import Engine
from ml.serving.torch_engine import TorchEngine

MATRIX = 2048  # side of the matrices whose product shows the peak; larger ones are no faster
PHOTO_SIZE = (1200, 900)


@dataclass(frozen=True)
class Settings:
    """``rounds`` turns per contestant; ``batches``: numbers of photos given at once; ``photo``: bytes of a photo;
    ``network``: rows of a run of `make load`, for the table of the paper that asks for both."""

    release: str
    device: str
    rounds: int
    batches: Sequence[int]
    photo: bytes
    network: Sequence[Mapping[str, Any]] = ()


def drawn_photo() -> bytes:
    """A JPEG of one megapixel in the colours of skin: shades and fine grain, so that it decodes like a photo."""
    width, height = PHOTO_SIZE
    across, down = np.meshgrid(np.linspace(0, 6, width), np.linspace(0, 6, height))
    shade = 20 * np.sin(across) * np.cos(down)
    grain = np.random.default_rng(0).normal(0, 6, (height, width))
    pixels = np.stack([base + shade + grain for base in (205, 155, 130)], axis=-1)
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def run_benchmark(settings: Settings) -> dict[str, Any]:
    """All measurements as plain values for JSON. Raises ``ReleaseError`` or ``EngineError``."""
    device = choose_device(settings.device)
    release = load_release(settings.release)
    torch.set_num_threads(usable_cores())
    engine: Engine = TorchEngine(release) if device == "cuda" else CpuEngine(release)
    engine.warm_up()
    ours, paper = EagerStack.of_release(release, device), EagerStack.of_paper(device)
    one = measure_one_photo(engine, ours, paper, settings)
    gflop = {"release": ours.gflop(), "paper": paper.gflop()}
    peak = 2 * MATRIX**3 / (one.pop("matrix product")["p50"] * 1e6)
    limits = {name: work / peak * 1000 for name, work in gflop.items()}
    return {
        "machine": describe_machine(device),
        "release": {"name": release.name, "members": {m.name: m.input_size for m in release.members}},
        "gflop": gflop,
        "peak_gflop_per_second": peak,
        "one_photo_ms": one,
        "limit_ms": limits,
        "ratios": _ratios(one, limits["release"]),
        "stages_ms": measure_stages(engine, settings),
        "photos_per_second": {size: measure_throughput(engine, ours, size, settings) for size in settings.batches},
        "resident_megabytes": measure_memory(settings.release, settings.photo) if device == "cpu" else {},
        "network": settings.network,
    }


def _ratios(one: Mapping[str, Mapping[str, float]], limit: float) -> dict[str, float]:
    half = {name: times["p50"] for name, times in one.items()}
    return {
        "engine to eager": half["engine, networks"] / half["eager, same networks"],
        "engine to limit": half["engine, networks"] / limit,
        "photo to paper's stack": half["engine, photo to result"] / half["paper's stack, photo to result"],
    }


def measure_one_photo(engine: Engine, ours: EagerStack, paper: EagerStack, settings: Settings) -> dict[str, Any]:
    """p50 and p95 of each contestant in milliseconds, for one photo; and of a large matrix product."""
    own, theirs = _noise(ours.sides, 1), _noise(paper.sides, 1)
    precision = torch.float16 if ours.device == "cuda" else torch.float32
    matrix = torch.ones(MATRIX, MATRIX, dtype=precision, device=ours.device)
    taken = take_turns(
        {
            "engine, networks": lambda: engine.run_networks(own),
            "eager, same networks": lambda: ours.run(own),
            "eager, paper's networks": lambda: paper.run(theirs),
            "engine, photo to result": lambda: engine.predict([settings.photo]),
            "paper's stack, photo to result": lambda: paper.predict(settings.photo),
            "matrix product": lambda: (matrix @ matrix)[0, 0].item(),
        },
        settings.rounds,
    )
    return {name: summarise(times) for name, times in taken.items()}


def measure_stages(engine: Engine, settings: Settings) -> dict[str, dict[str, float]]:
    """p50 and p95 of each stage of one photo in milliseconds, as the engine itself notes them."""
    noted = [engine.predict([settings.photo])[0].timings for _ in range(settings.rounds)]
    return {stage: summarise([timings[stage] for timings in noted]) for stage in noted[0]}


def measure_throughput(engine: Engine, ours: EagerStack, size: int, settings: Settings) -> dict[str, float]:
    """Photos per second through the same networks, ``size`` at once; and from files to results."""
    batches = _noise(ours.sides, size)
    taken = take_turns(
        {
            "engine, networks": lambda: run_in_parts(engine, batches),
            "eager, same networks": lambda: ours.run(batches),
            "engine, photo to result": lambda: engine.predict([settings.photo] * size),
        },
        max(1, settings.rounds // size),
    )
    return {name: size * 1000 / summarise(times)["p50"] for name, times in taken.items()}


def run_in_parts(engine: Engine, batches: Sequence[np.ndarray]) -> None:
    """All photos, never more at once than the engine takes."""
    for start in range(0, len(batches[0]), engine.batch_size):
        engine.run_networks([images[start : start + engine.batch_size] for images in batches])


def take_turns(contestants: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each contestant in each round. Before each timed call comes one that is not: the threads and
    caches of the one before are out of the way."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            work()
            start = time.perf_counter()
            work()
            taken[name].append((time.perf_counter() - start) * 1000)
    return taken


def summarise(times: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    return {"p50": float(np.percentile(times, 50)), "p95": float(np.percentile(times, 95))}


def describe_machine(device: str) -> dict[str, str]:
    """Processor, cores, versions, load and date: without them no figure means anything."""
    models = [line.partition(":")[2].strip() for line in _cpu_lines() if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": str(usable_cores()),
        "accelerator": torch.cuda.get_device_name() if device == "cuda" else "none",
        "versions": f"ONNX Runtime {onnxruntime.__version__}, PyTorch {torch.__version__}",
        "load": f"{os.getloadavg()[0]:.1f}",
        "date": datetime.now(UTC).date().isoformat(),
    }


def _cpu_lines() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def _noise(sides: Sequence[int], size: int) -> list[np.ndarray]:
    numbers = np.random.default_rng(0)
    return [numbers.standard_normal((size, 3, side, side), dtype=np.float32) for side in sides]
