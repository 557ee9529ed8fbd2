"""Photos for paper: small JPEGs inside the document, with the heat map laid over them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from diagnosis.facts import PhotoFacts
from ml import explain
from ml.photo import open_photo

# Pixels on the long side: 900 are 250 dpi at the widest place a photo gets (90 mm); five photos get less room each.
LONG_SIDE = 900
LONG_SIDE_OF_MANY = 600
MANY = 3
JPEG_QUALITY = 82


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
    """Lay a stored heat map (grey PNG, any size, frame of the whole photo) over an RGB photo."""
    grey = Image.open(io.BytesIO(heatmap), formats=["PNG"]).convert("L")
    return explain.overlay(image, np.asarray(grey))


def data_uri(image: Image.Image) -> str:
    """A JPEG without metadata as a data: URI."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def pictures(photos: list[PhotoFacts]) -> Mapping[int, Picture]:
    """The pictures of a case by photo number, smaller when there are many."""
    long_side = LONG_SIDE if len(photos) < MANY else LONG_SIDE_OF_MANY
    return {photo.number: picture(photo, long_side=long_side) for photo in photos}
