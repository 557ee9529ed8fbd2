"""From a decoded photo to the arrays that the networks take; each distinct size is made once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ml.releases.loader import Member

_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
Box = tuple[float, float, float, float]


def decode_side(members: Sequence[Member]) -> int:
    """Short side in pixels that a photo needs after decoding, so that no member gets an enlarged picture."""
    return max(member.resize or member.input_size for member in members)


def prepare(image: Image.Image, members: Sequence[Member]) -> dict[str, np.ndarray]:
    """Arrays float32 [3, S, S], normalised, by member name; members with the same wishes share one array."""
    pixels: dict[tuple, np.ndarray] = {}
    arrays: dict[tuple, np.ndarray] = {}
    for member in members:
        shape = _geometry(member)
        look = (*shape, member.mean, member.std)
        if look not in arrays:
            if shape not in pixels:
                pixels[shape] = _pixels(image, member)
            arrays[look] = _normalise(pixels[shape], member)
    return {member.name: arrays[(*_geometry(member), member.mean, member.std)] for member in members}


def _geometry(member: Member) -> tuple:
    return member.input_size, member.resize, member.crop, member.interpolation


def seen_box(size: tuple[int, int], member: Member) -> Box:
    """The part of an upright photo of ``size`` (width, height) that ``member`` looks at, as shares 0..1."""
    if member.crop == "squash":
        return 0.0, 0.0, 1.0, 1.0
    side = min(size) * min(1.0, member.input_size / (member.resize or member.input_size))
    left, top = (max(0, int((length - side) / 2)) for length in size)
    return left / size[0], top / size[1], min(1.0, (left + side) / size[0]), min(1.0, (top + side) / size[1])


def _pixels(image: Image.Image, member: Member) -> np.ndarray:
    """uint8 [S, S, 3]: the part that the member looks at, cut and scaled in one step with antialiasing."""
    width, height = image.size
    left, top, right, bottom = seen_box(image.size, member)
    box = (left * width, top * height, right * width, bottom * height)
    side = member.input_size
    return np.asarray(image.resize((side, side), _RESAMPLING[member.interpolation], box))


def _normalise(pixels: np.ndarray, member: Member) -> np.ndarray:
    mean, std = (np.asarray(values, dtype=np.float32)[:, None, None] for values in (member.mean, member.std))
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))  # first: arithmetic on three values at a time is slow
    return planes * (1 / (255 * std)) - mean / std
