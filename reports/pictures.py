"""Photos for paper: small JPEGs inside the document, with the heat map laid over them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from diagnosis.facts import PhotoFacts
from ml.photo import open_photo

# Pixels on the long side: 900 are 250 dpi at the widest place a photo gets (90 mm); five photos get less room each.
LONG_SIDE = 900
LONG_SIDE_OF_MANY = 600
MANY = 3
JPEG_QUALITY = 82
# From deep violet to yellow: hues that no skin has, rising in lightness, so it also reads in grey print and for
# people who see few colours (the ends of matplotlib's "plasma", CC0).
RAMP = np.array([[13, 8, 135], [126, 3, 168], [204, 71, 120], [248, 149, 64], [240, 249, 33]], dtype=np.float32)
MAX_OPACITY = 0.65


@dataclass(frozen=True)
class Picture:
    """A photo and its overlay as data: URIs; `overlay` is "" where there is no heat map."""

    photo: str
    overlay: str


def picture(photo: PhotoFacts, *, long_side: int = LONG_SIDE) -> Picture:
    """Read, shrink and overlay one photo. Raises `ml.photo.PhotoError` when the stored bytes are damaged."""
    image = open_photo(photo.read(), max_side=long_side, min_side=1)
    heatmap = photo.read_heatmap()
    return Picture(photo=data_uri(image), overlay=data_uri(overlay(image, heatmap)) if heatmap else "")


def overlay(image: Image.Image, heatmap: bytes) -> Image.Image:
    """Blend a grey PNG (0..255, any size, frame of the whole photo) over an RGB photo; weak places stay clear."""
    grey = Image.open(io.BytesIO(heatmap), formats=["PNG"]).convert("L")
    strength = np.asarray(grey.resize(image.size, Image.Resampling.BILINEAR), dtype=np.float32) / 255
    stops = np.linspace(0, 1, len(RAMP))
    levels = np.round(strength * 255).astype(np.uint8)
    table = np.stack([np.interp(np.arange(256) / 255, stops, RAMP[:, channel]) for channel in range(3)], axis=1)
    opacity = (MAX_OPACITY * strength)[..., None]
    mixed = np.asarray(image, dtype=np.float32) * (1 - opacity) + table[levels].astype(np.float32) * opacity
    return Image.fromarray(mixed.round().astype(np.uint8))


def data_uri(image: Image.Image) -> str:
    """A JPEG without metadata as a data: URI."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def pictures(photos: list[PhotoFacts]) -> Mapping[int, Picture]:
    """The pictures of a case by photo number, smaller when there are many."""
    long_side = LONG_SIDE if len(photos) < MANY else LONG_SIDE_OF_MANY
    return {photo.number: picture(photo, long_side=long_side) for photo in photos}
