"""Decode every photo once into one array of bytes, so that training reads memory instead of JPEG files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ml.data.manifest import Manifest, ManifestError, Row

VERSION = 2
# Share of width and height that the DermNet NZ watermark covers (data README): left, right, top, bottom.
WATERMARK = (0.05, 0.44, 0.64, 0.94)


@dataclass(frozen=True)
class Packed:
    """Photos as uint8 [h, w, 3], short side ``side``; ``packed[i]`` belongs to row i of the manifest."""

    data: np.ndarray
    shapes: tuple[tuple[int, int], ...]
    offsets: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int) -> np.ndarray:
        height, width = self.shapes[index]
        start = self.offsets[index]
        return self.data[start : start + height * width * 3].reshape(height, width, 3)


def pack_manifest(
    manifest: Manifest, *, side: int, cache: Path, erase: bool = True, progress=lambda rows: rows
) -> Packed:
    """Photos of all rows at short side ``side``, cached in the folder ``cache``.

    With ``erase`` (training) the watermark box is filled in every photo; without (measuring) photos are as served.

    Raises ManifestError for a photo that is missing or does not decode.
    """
    stem = cache / _key(manifest, side, erase)
    if not stem.with_suffix(".json").is_file():
        cache.mkdir(parents=True, exist_ok=True)
        _write(stem, [_load(manifest, row, side, erase) for row in progress(manifest.rows)])
    shapes = tuple((h, w) for h, w in json.loads(stem.with_suffix(".json").read_text()))
    sizes = [h * w * 3 for h, w in shapes]
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
    return Packed(np.fromfile(stem.with_suffix(".bin"), np.uint8), shapes, tuple(int(o) for o in offsets))


def resize_short_side(image: Image.Image, side: int, *, longest: float = 2.0) -> Image.Image:
    """RGB image with short side ``side`` px; a photo longer than ``longest`` times its short side is cropped."""
    width, height = image.size
    limit = round(min(width, height) * longest)
    if max(width, height) > limit:
        left, top = max(0, (width - limit) // 2), max(0, (height - limit) // 2)
        image = image.crop((left, top, min(width, left + limit), min(height, top + limit)))
    scale = side / min(image.size)
    size = (max(side, round(image.size[0] * scale)), max(side, round(image.size[1] * scale)))
    return image.convert("RGB").resize(size, Image.Resampling.BILINEAR)


def erase_watermark(photo: np.ndarray) -> np.ndarray:
    """Copy of ``photo`` (uint8 [h, w, 3]) with the watermark box filled from its edges and their grain.

    Done to every photo of every source, so that neither the mark nor its removal names a source.
    """
    photo = photo.copy()
    height, width = photo.shape[:2]
    left, right = int(WATERMARK[0] * width), int(WATERMARK[1] * width)
    top, bottom = int(WATERMARK[2] * height), int(WATERMARK[3] * height)
    x = np.linspace(0, 1, right - left)[None, :, None]
    y = np.linspace(0, 1, bottom - top)[:, None, None]
    edges = photo.astype(np.float32)
    before, after = edges[top:bottom, max(0, left - 5) : left], edges[top:bottom, right : right + 5]
    above, below = edges[top - 5 : top, left:right], edges[bottom : bottom + 5, left:right]
    across = before.mean(1)[:, None] * (1 - x) + after.mean(1)[:, None] * x
    down = above.mean(0)[None] * (1 - y) + below.mean(0)[None] * y
    grain = (above - above.mean(0)).std()
    noise = np.random.default_rng(height * width).normal(0, grain, across.shape)
    photo[top:bottom, left:right] = np.clip((across + down) / 2 + noise, 0, 255)
    return photo


def _load(manifest: Manifest, row: Row, side: int, erase: bool) -> np.ndarray:
    try:
        with Image.open(manifest.root / row.path) as image:
            photo = np.asarray(resize_short_side(image, side))
    except OSError as error:
        raise ManifestError(f"Row {row.number}: the photo {row.path} is missing or does not decode.") from error
    return erase_watermark(photo) if erase else photo


def _write(stem: Path, photos: Sequence[np.ndarray]) -> None:
    with stem.with_suffix(".bin").open("wb") as handle:
        for photo in photos:
            handle.write(photo.tobytes())
    stem.with_suffix(".json").write_text(json.dumps([photo.shape[:2] for photo in photos]))


def _key(manifest: Manifest, side: int, erase: bool) -> str:
    names = "\n".join(f"{row.path} {row.sha256}" for row in manifest.rows)
    return hashlib.sha256(f"{VERSION} {side} {erase} {manifest.root.resolve()} {names}".encode()).hexdigest()[:16]
