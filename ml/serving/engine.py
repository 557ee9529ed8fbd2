"""The engine: photos in, one `PhotoResult` per photo out. What all engines share; `ml.serving.cpu` and
`ml.serving.torch_engine` run the networks."""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from ml import explain, quality
from ml.photo import PhotoError, open_photo
from ml.quality import Quality
from ml.releases.loader import Release, ReleaseError, active_name, load_release, release_info
from ml.serving import results
from ml.serving.devices import choose_device
from ml.serving.opinions import Opinions
from ml.serving.preprocess import decode_side, prepare
from ml.serving.results import Output, PhotoResult

# Data sets hold small photos; what a user may upload is checked where it is uploaded.
MIN_SIDE = 32


def get_engine(release: str | None = None, device: str | None = None) -> Engine:
    """The engine of this process for ``release`` (default: the active one), loaded, verified and warm.

    ``device``: auto, cpu or cuda; default ``INFERENCE_DEVICE``, else auto. Call it in the process that predicts: an
    engine does not survive a fork, a child gets its own. Raises ``ReleaseError`` or ``EngineError``, one sentence each.
    """
    chosen = choose_device(device)
    name = str(release or active_name())
    with _LOADING:
        return _load_engine(name, release_info(name).digest, chosen, os.getpid())


_LOADING = threading.Lock()


@lru_cache(maxsize=2)
def _load_engine(release: str, digest: str, device: str, _process: int) -> Engine:
    loaded = load_release(release)
    if loaded.digest != digest:
        raise ReleaseError(f"Release {loaded.name} was changed while it was loaded.")
    if device == "cuda":
        from ml.serving.torch_engine import TorchEngine  # torch: only where it serves

        engine: Engine = TorchEngine(loaded)
    else:
        from ml.serving.cpu import CpuEngine

        engine = CpuEngine(loaded)
    engine.warm_up()
    return engine


@dataclass(frozen=True)
class _Decoded:
    """An upright photo, and the milliseconds that each stage took."""

    image: Image.Image
    timings: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Examined:
    """A photo ready for the networks: upright size, quality and one normalised array [3, S, S] per member."""

    size: tuple[int, int]
    quality: Quality
    arrays: dict[str, np.ndarray]
    timings: dict[str, float]


class Engine(ABC):
    """Everything but the networks. ``decoders``: threads that open and examine photos, ``pool`` runs them."""

    batch_size: int

    def __init__(self, release: Release, *, decoders: int) -> None:
        self.release = release
        self.pool = ThreadPoolExecutor(max_workers=decoders, thread_name_prefix="engine")
        self._decode_side = max(decode_side(release.members), quality.SCALE)
        self._reference = _load_reference(release)

    @abstractmethod
    def run_networks(self, batches: Sequence[np.ndarray]) -> list[Output]:
        """One pass of every member over its batch float32 [N, 3, S, S], N up to ``batch_size``; one output each."""

    def warm_up(self) -> None:
        """One pass, so that the first patient does not wait for buffers; a graph that cannot run fails here."""
        grey = Image.new("RGB", (self._decode_side, self._decode_side), "grey")
        self._judge(self._examine([_Decoded(grey)]))

    def predict(self, photos: Sequence[bytes | bytearray | memoryview]) -> list[PhotoResult]:
        """One result per photo, in order; a bad photo is ``unusable`` and never stops the rest."""
        results: list[PhotoResult] = []
        while len(results) < len(photos):  # the size of a batch may shrink on the way, where memory is short
            results += self._predict_batch(list(photos[len(results) : len(results) + self.batch_size]))
        return results

    def _predict_batch(self, photos: list) -> list[PhotoResult]:
        decoded = list(self.pool.map(self._decode, photos))
        judged = self._judge(self._examine([photo for photo in decoded if isinstance(photo, _Decoded)]))
        return [self._unusable(photo) if isinstance(photo, PhotoError) else next(judged) for photo in decoded]

    def _decode(self, data: bytes | bytearray | memoryview) -> _Decoded | PhotoError:
        timings: dict[str, float] = {}
        try:
            image = _timed(
                timings, "decode", open_photo, data, max_side=None, min_side=MIN_SIDE, short_side=self._decode_side
            )
        except PhotoError as error:
            return error
        return _Decoded(image, timings)

    def _examine(self, photos: list[_Decoded]) -> list[_Examined]:
        """Quality and arrays side by side, because a patient's photo is usually alone here."""
        arrays = [self.pool.submit(_timed, p.timings, "resize", prepare, p.image, self.release.members) for p in photos]
        judged = [self.pool.submit(_timed, p.timings, "quality", quality.assess, p.image) for p in photos]
        return [
            _Examined(photo.image.size, found.result(), ready.result(), photo.timings)
            for photo, found, ready in zip(photos, judged, arrays, strict=True)
        ]

    def _unusable(self, error: PhotoError) -> PhotoResult:
        return PhotoResult(
            results.UNUSABLE, error=error.sentence, error_code=error.code,
            release=self.release.name, weights_sha256=self.release.weights_sha256, info=self.release,
        )  # fmt: skip

    def _judge(self, photos: list[_Examined]) -> Iterator[PhotoResult]:
        if not photos:
            return iter(())
        members = self.release.members
        outputs = self.run_networks([np.stack([photo.arrays[m.name] for photo in photos]) for m in members])
        stages = {member.name: output.milliseconds for member, output in zip(members, outputs, strict=True)}
        opinions = _timed(stages, "vote", Opinions.gather, self.release, outputs, self._reference)
        shared = {stage: total / len(photos) for stage, total in stages.items()}
        return iter([self._result(photo, opinions, row, shared) for row, photo in enumerate(photos)])

    def _result(self, photo: _Examined, opinions: Opinions, row: int, shared: dict[str, float]) -> PhotoResult:
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
            info=self.release,
        )


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
