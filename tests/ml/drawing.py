"""Drawn pictures: skin-like textures in six tones and what people send instead of skin."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# Typical sRGB of Fitzpatrick types I to VI in fair light.
TONES = ((244, 208, 177), (231, 180, 143), (210, 158, 124), (186, 119, 80), (133, 84, 57), (82, 52, 40))


def skin(tone: int = 1, size: tuple[int, int] = (640, 480), seed: int = 0) -> Image.Image:
    """Skin with pores, creases and an irregular darker lesion."""
    rng = np.random.default_rng(seed)
    width, height = size
    base = np.array(TONES[tone], dtype=np.float32)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    shade = 0.9 + 0.2 * np.asarray(coarse, dtype=np.float32)[..., None] / 255
    pores = rng.normal(1, 0.06, (height, width, 1))
    picture = Image.fromarray(np.clip(base * shade * pores, 0, 255).astype(np.uint8))
    draw, centre = ImageDraw.Draw(picture), np.array([width / 2, height / 2])
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radii = rng.uniform(0.12, 0.2, 40) * height
    outline = centre + np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
    draw.polygon([tuple(point) for point in outline], fill=tuple(int(value * 0.55) for value in TONES[tone]))
    return picture.filter(ImageFilter.GaussianBlur(0.7))


def document(size: tuple[int, int] = (640, 480)) -> Image.Image:
    """White paper with lines of text."""
    page = Image.new("RGB", size, (250, 249, 246))
    draw = ImageDraw.Draw(page)
    for line in range(20, size[1], 18):
        draw.text(
            (20, line), "Invoice 2291: twelve boxes of plain bandages, paid in full on delivery " * 2, fill="black"
        )
    return page


def noise(size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Every pixel on its own."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def landscape(size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Sky over a meadow."""
    rng, (width, height) = np.random.default_rng(0), size
    pixels = np.empty((height, width, 3), dtype=np.float32)
    pixels[: height // 2], pixels[height // 2 :] = (120, 170, 235), (70, 130, 50)
    return Image.fromarray(np.clip(pixels + rng.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8))


def encode(picture: Image.Image, kind: str = "JPEG", **options) -> bytes:
    """The picture as the bytes of a file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
