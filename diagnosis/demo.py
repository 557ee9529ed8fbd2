"""Drawn photos for demo and tests: skin-like texture with a spot. No patient's photo is ever used for this."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# Six skin tones from light to dark, RGB; colours chosen by eye.
TONES = ((236, 201, 180), (222, 178, 150), (198, 150, 118), (160, 112, 82), (117, 76, 54), (82, 54, 42))


def draw_photo(
    *,
    tone: int = 1,
    spot: tuple[int, int, int] = (92, 56, 44),
    radius: float = 0.16,
    size: tuple[int, int] = (640, 480),
    seed: int = 0,
    blur: float = 0.0,
    darken: float = 1.0,
) -> Image.Image:
    """Skin of `tone` (0 to 5) with an irregular spot; radius as a share of the height, `blur` in pixels."""
    rng = np.random.default_rng(seed)
    width, height = size
    grain = rng.normal(0, 7, (height, width, 1)) + rng.normal(0, 2.5, (height, width, 3))
    light = np.linspace(1.06, 0.92, width)[None, :, None]
    pixels = np.clip(np.array(TONES[tone], dtype=float) * light + grain, 0, 255)
    picture = Image.fromarray(pixels.astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))
    if radius:
        _draw_spot(picture, rng, spot, radius * height)
    picture = picture.filter(ImageFilter.GaussianBlur(blur)) if blur else picture
    return picture.point(lambda value: int(value * darken)) if darken != 1.0 else picture


def _draw_spot(picture: Image.Image, rng: np.random.Generator, colour: tuple[int, int, int], radius: float) -> None:
    """An uneven, slightly mottled blob in the middle."""
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    wobble = 1 + 0.12 * np.sin(3 * angles + rng.uniform(0, 6)) + 0.07 * np.sin(7 * angles + rng.uniform(0, 6))
    centre = np.array(picture.size) / 2
    outline = centre + radius * wobble[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    mask = Image.new("L", picture.size, 0)
    ImageDraw.Draw(mask).polygon([tuple(point) for point in outline], fill=235)
    noise = rng.normal(0, 11, (picture.height, picture.width, 1)) + np.array(colour, dtype=float)
    blob = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
    picture.paste(blob, (0, 0), mask.filter(ImageFilter.GaussianBlur(radius / 14)))


def draw_jpeg(**options) -> bytes:
    """`draw_photo` as JPEG bytes."""
    buffer = io.BytesIO()
    draw_photo(**options).save(buffer, format="JPEG", quality=92)
    return buffer.getvalue()
