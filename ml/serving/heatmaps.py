"""Class activation maps in the frame of the whole photo."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ml.serving.preprocess import Box

LONG_SIDE = 64  # cells along the longer side of a photo's map


def place(cam: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """Put one class activation map [h, w] where the network looked (``box``); float32 0..1 over the whole photo.

    Only what speaks for the class counts (negative values become 0); the strongest cell becomes 1 (Zhou et al. 2016).
    """
    cam = np.maximum(cam.astype(np.float32), 0)
    cam = cam / cam.max() if cam.max() > 0 else cam
    height, width = _grid(size)
    left, top, right, bottom = (round(share * cells) for share, cells in zip(box, (width, height) * 2, strict=True))
    canvas = np.zeros((height, width), dtype=np.float32)
    part = Image.fromarray(cam).resize((max(1, right - left), max(1, bottom - top)), Image.Resampling.BILINEAR)
    canvas[top:bottom, left:right] = np.asarray(part)[: bottom - top, : right - left]
    return canvas


def _grid(size: tuple[int, int]) -> tuple[int, int]:
    scale = LONG_SIDE / max(size)
    return max(1, round(size[1] * scale)), max(1, round(size[0] * scale))


def blend(maps: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """Weighted mean of maps of one shape, scaled to 0..1."""
    mean = np.tensordot(np.asarray(weights, dtype=np.float32) / sum(weights), np.stack(maps), axes=1)
    return mean / mean.max() if mean.max() > 0 else mean


def to_uint8(values: np.ndarray) -> np.ndarray:
    """0..1 to uint8 0..255."""
    return np.round(values * 255).astype(np.uint8)
