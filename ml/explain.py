"""Show and name where the networks looked. NumPy and Pillow only; maps come from `PhotoResult.heatmaps`."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

# Dark violet over red to pale yellow in steps of equal lightness (CIE L* 15 to 95): more heat is always lighter, so
# the order survives grey printing and red-green blindness.
_STOPS = np.array([[48, 16, 84], [112, 22, 110], [178, 42, 91], [229, 92, 48], [250, 158, 34], [250, 240, 150]])
FOCUS_CODES = (
    *("upper_left", "top", "upper_right"),
    *("left", "centre", "right"),
    *("lower_left", "bottom", "lower_right"),
    "spread",
)
# More than this share of the photo above half of the peak is no single place.
_SPREAD_SHARE = 0.45


def colour_map(values: np.ndarray) -> np.ndarray:
    """uint8 [h, w] -> RGB uint8 [h, w, 3]."""
    steps = np.linspace(0, 255, len(_STOPS))
    table = np.stack([np.interp(np.arange(256), steps, _STOPS[:, channel]) for channel in range(3)], axis=1)
    return np.round(table).astype(np.uint8)[values]


def overlay(photo: Image.Image, heat: np.ndarray, opacity: float = 0.55) -> Image.Image:
    """The photo with the map uint8 [h, w] laid over it; cold places stay as they are. ``opacity`` 0..1 at the peak."""
    if not 0 <= opacity <= 1:
        raise ValueError("The opacity lies between 0 and 1.")
    smooth = Image.fromarray(heat).resize(photo.size, Image.Resampling.BICUBIC)
    cover = smooth.point(lambda value: round(value * opacity))
    return Image.composite(Image.fromarray(colour_map(np.asarray(smooth))), photo.convert("RGB"), cover)


def overlay_png(photo: Image.Image, heat: np.ndarray, opacity: float = 0.55) -> bytes:
    """``overlay`` as the bytes of a PNG without metadata."""
    buffer = io.BytesIO()
    overlay(photo, heat, opacity).save(buffer, "PNG")
    return buffer.getvalue()


def where(heat: np.ndarray) -> str:
    """Where the map's weight lies: one of ``FOCUS_CODES``, or ``""`` for an empty map.

    The places are the cells of a 3 x 3 grid; the cell with the centre of the hot half wins.
    """
    hot = np.where(heat >= heat.max() / 2, heat, 0).astype(np.float64)
    if not heat.max():
        return ""
    if (hot > 0).mean() > _SPREAD_SHARE:
        return "spread"
    row, column = (_third(hot.sum(axis=axis)) for axis in (1, 0))
    return FOCUS_CODES[3 * row + column]


def _third(weights: np.ndarray) -> int:
    """0, 1 or 2: the third of an axis in which the mean position lies."""
    position = ((np.arange(len(weights)) + 0.5) * weights).sum() / weights.sum() / len(weights)
    return min(2, int(position * 3))
