"""Drawn photos as bytes: skin with a spot, bad photos, every format, and a JPEG that says where it was taken."""

from __future__ import annotations

import io

import pillow_heif
from PIL import Image

from diagnosis.demo import draw_photo

LATITUDE, LONGITUDE = (51.0, 30.0, 26.58), (0.0, 7.0, 40.0)  # degrees, minutes, seconds


def encode(picture: Image.Image, kind: str = "JPEG", **options) -> bytes:
    """A picture as the bytes of a file of this kind (JPEG, PNG, WEBP or HEIF)."""
    if kind == "HEIF":
        pillow_heif.register_heif_opener()
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def skin(kind: str = "JPEG", **drawing) -> bytes:
    """A sharp photo of skin with a spot; `drawing` goes to `diagnosis.demo.draw_photo` (tone, seed, size, ...)."""
    return encode(draw_photo(**drawing), kind)


def blurred() -> bytes:
    return skin(blur=12)


def dark() -> bytes:
    return skin(darken=0.08)


def not_skin(size: tuple[int, int] = (640, 480)) -> bytes:
    """A green and blue pattern, as of a lawn under the sky."""
    grass = (
        Image.effect_noise(size, 60)
        .convert("RGB")
        .point([v // 4 for v in range(256)] * 1 + list(range(256)) + [60] * 256)
    )
    return encode(grass)


def with_gps(orientation: int = 6) -> bytes:
    """A JPEG with camera name, orientation and position, as a phone writes it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "PhoneMaker"
    position = exif.get_ifd(0x8825)
    position[1], position[2] = "N", LATITUDE
    position[3], position[4] = "W", LONGITUDE
    return encode(draw_photo(), exif=exif)


def of_every_kind() -> dict[str, bytes]:
    """One good photo in each format that is accepted."""
    return {kind: skin(kind) for kind in ("JPEG", "PNG", "WEBP", "HEIF")}
