"""The engine: photos in, one `PhotoResult` per photo out. ONNX Runtime on the CPU, no torch in the process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from PIL import Image

from ml import explain, quality
from ml.photo import PhotoError, open_photo
from ml.quality import Quality
from ml.releases.loader import Member, Release, ReleaseError, active_name, load_release
from ml.serving import results
from ml.serving.network import Network, Output
from ml.serving.opinions import Opinions
from ml.serving.preprocess import decode_side, prepare
from ml.serving.results import PhotoResult

# Data sets hold small photos; what a user may upload is checked where it is uploaded.
MIN_SIDE = 32
# More photos at once need more memory (8: 760 MB, 4: 480 MB) and are not faster on a CPU.
BATCH_SIZE = 4
DEVICES = ("auto", "cpu", "cuda")


class EngineError(Exception):
    """An engine that cannot start; the message is one sentence for whoever runs the worker."""


class Engine(Protocol):
    """What every engine offers, whatever it runs on."""

    release: Release

    def predict(self, photos: Sequence[bytes | bytearray | memoryview]) -> list[PhotoResult]:
        """One result per photo, in order; a bad photo is ``unusable`` and never stops the rest."""
        ...


def get_engine(release: str | None = None, device: str | None = None) -> Engine:
    """The engine of this process for ``release`` (default: the active one), loaded, verified and warm.

    ``device``: auto, cpu or cuda; default ``INFERENCE_DEVICE``, else auto. Call it in the process that predicts: an
    engine does not survive a fork, a child gets its own. Raises ``ReleaseError`` or ``EngineError``, one sentence each.
    """
    device = device or os.environ.get("INFERENCE_DEVICE") or "auto"
    if device not in DEVICES:
        raise EngineError(f"INFERENCE_DEVICE is {device!r}; it can be {', '.join(DEVICES)}.")
    if device == "cuda":
        raise EngineError("INFERENCE_DEVICE=cuda was asked for, but this version has no CUDA engine: use cpu or auto.")
    with _LOADING:
        return _load_engine(str(release or active_name()), os.getpid())


_LOADING = threading.Lock()


@lru_cache(maxsize=2)
def _load_engine(release: str, _process: int) -> CpuEngine:
    engine = CpuEngine(load_release(release))
    engine.warm_up()
    return engine


@dataclass(frozen=True)
class _Opened:
    """A photo that decoded: upright size, quality and one normalised array [3, S, S] per member."""

    size: tuple[int, int]
    quality: Quality
    arrays: dict[str, np.ndarray]
    timings: dict[str, float]


class CpuEngine:
    """All members of ``release`` on ``threads`` cores (default: those that the process may use)."""

    def __init__(self, release: Release, *, threads: int | None = None) -> None:
        self.release = release
        cores = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(max_workers=cores, thread_name_prefix="engine")
        # Two cores: one member after the other on both takes 80 ms a photo, side by side 130 ms. Beyond about two
        # cores a small network gains little, so that members run side by side as soon as each can have two.
        self._side_by_side = cores >= 2 * len(release.members)
        share = cores // len(release.members) if self._side_by_side else cores
        self._networks = [Network(release, member, threads=share) for member in release.members]
        self._decode_side = max(decode_side(release.members), quality.SCALE)
        self._reference = _load_reference(release)

    def warm_up(self) -> None:
        """One pass, so that the first patient does not wait for buffers; a graph that cannot run fails here."""
        grey = Image.new("RGB", (self._decode_side, self._decode_side), "grey")
        self._judge([_examine(grey, self.release.members, {})])

    def predict(self, photos: Sequence[bytes | bytearray | memoryview]) -> list[PhotoResult]:
        """One result per photo, in order; a bad photo is ``unusable`` and never stops the rest."""
        photos = list(photos)
        batches = (photos[start : start + BATCH_SIZE] for start in range(0, len(photos), BATCH_SIZE))
        return [result for batch in batches for result in self._predict_batch(batch)]

    def _predict_batch(self, photos: list) -> list[PhotoResult]:
        opened = list(self._pool.map(self._open, photos))
        judged = self._judge([photo for photo in opened if isinstance(photo, _Opened)])
        return [next(judged) if isinstance(photo, _Opened) else self._unusable(photo) for photo in opened]

    def _open(self, data: bytes | bytearray | memoryview) -> _Opened | PhotoError:
        timings: dict[str, float] = {}
        try:
            image = _timed(
                timings, "decode", open_photo, data, max_side=None, min_side=MIN_SIDE, short_side=self._decode_side
            )
        except PhotoError as error:
            return error
        return _examine(image, self.release.members, timings)

    def _unusable(self, error: PhotoError) -> PhotoResult:
        return PhotoResult(
            results.UNUSABLE, error=error.sentence, error_code=error.code,
            release=self.release.name, weights_sha256=self.release.weights_sha256,
        )  # fmt: skip

    def _judge(self, photos: list[_Opened]) -> Iterator[PhotoResult]:
        if not photos:
            return iter(())
        outputs = self._run_networks(photos)
        stages = {n.member.name: output.milliseconds for n, output in zip(self._networks, outputs, strict=True)}
        opinions = _timed(stages, "vote", Opinions.gather, self.release, outputs, self._reference)
        shared = {stage: total / len(photos) for stage, total in stages.items()}
        return iter([self._result(photo, opinions, row, shared) for row, photo in enumerate(photos)])

    def _run_networks(self, photos: list[_Opened]) -> list[Output]:
        batches = [np.stack([photo.arrays[n.member.name] for photo in photos]) for n in self._networks]
        mapped = self._pool.map if self._side_by_side else map
        return list(mapped(Network.run, self._networks, batches))

    def _result(self, photo: _Opened, opinions: Opinions, row: int, shared: dict[str, float]) -> PhotoResult:
        timings = {**photo.timings, **shared}
        reasons = opinions.reasons(row, photo.quality)
        maps = _timed(timings, "cam", opinions.heatmaps, row, photo.size)
        return PhotoResult(
            outcome=results.INCONCLUSIVE if results.INCONCLUSIVE_REASONS & set(reasons) else results.ASSESSED,
            probabilities=opinions.table(opinions.voted[row]),
            members=opinions.votes(row),
            quality=photo.quality,
            prediction_set=opinions.prediction_set(row),
            disagreement=float(opinions.disagreement[row]),
            ood_score=float(opinions.strangeness[row]),
            reasons=reasons,
            heatmaps=maps,
            focus=explain.where(maps["ensemble"]) if maps else "",
            embedding=opinions.embeddings[row],
            timings=timings,
            release=self.release.name,
            weights_sha256=self.release.weights_sha256,
        )


def _examine(image: Image.Image, members: Sequence[Member], timings: dict[str, float]) -> _Opened:
    judged = _timed(timings, "quality", quality.assess, image)
    arrays = _timed(timings, "resize", prepare, image, members)
    return _Opened(image.size, judged, arrays, timings)


def _timed(timings: dict[str, float], stage: str, work: Callable, *arguments: Any, **options: Any) -> Any:
    """Call ``work`` and note its milliseconds under ``stage``."""
    start = time.perf_counter()
    outcome = work(*arguments, **options)
    timings[stage] = (time.perf_counter() - start) * 1000
    return outcome


def _load_reference(release: Release) -> dict[str, Any]:
    """What the out-of-distribution score compares with: the release's settings and the arrays of its file."""
    if "file" not in release.ood:
        return dict(release.ood)
    try:
        with np.load(release.path / release.ood["file"], allow_pickle=False) as arrays:
            return dict(release.ood) | {name: arrays[name].astype(np.float32) for name in arrays.files}
    except (OSError, ValueError, EOFError) as error:
        raise ReleaseError(f"Release {release.name}: {release.ood['file']} cannot be read.") from error
