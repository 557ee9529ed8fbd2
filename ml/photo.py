"""The one photo decoder: bytes from a stranger in, an upright sRGB picture out, or one clear sentence why not.

Nothing is decoded before size, format and pixel count were read from the header. What a caller stores is re-encoded
from these pixels, so metadata and anything behind the picture never survive.
"""

from __future__ import annotations

import io

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageFile

from ml import containers

pillow_heif.register_heif_opener()

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000
MIN_SIDE = 128
DEFAULT_MAX_SIDE = 2048
# A JPEG above this is never decoded at more than half its size, whatever the caller asks (300 MB resident at most).
LARGE_JPEG_PIXELS = 16_000_000
# A progressive JPEG is held in memory as coefficients: this bound keeps that below 150 MB.
MAX_COEFFICIENT_BYTES = 150_000_000

SENTENCES = {
    "empty": "This file is empty. Please choose another photo.",
    "too_heavy": "This file is larger than 20 MB. Please send a smaller photo.",
    "not_a_photo": "We cannot read this file as a photo. Please send a JPEG, PNG, WebP or HEIC photo.",
    "too_many_pixels": "This photo has more than 50 million pixels. Please send a smaller one.",
    "too_complex": "This photo is too heavy to open. Please save it as a normal JPEG and try again.",
    "too_small": "This photo is too small. Please send one that is at least {min_side} pixels wide and high.",
    "animated": "This file has moving pictures. Please send a still photo.",
    "damaged": "This photo is damaged or cut off. Please send it again or take a new one.",
    "polyglot": "This file has more in it than a photo. Please take a new photo or send the original one.",
}

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ORIENTATION = 0x0112
_SRGB = ImageCms.createProfile("sRGB")


class PhotoError(ValueError):
    """A file that is refused. ``code`` is a key of ``SENTENCES``, ``sentence`` its English text for the user."""

    def __init__(self, code: str, *, min_side: int = MIN_SIDE) -> None:
        self.code = code
        self.sentence = SENTENCES[code].format(min_side=min_side)
        super().__init__(self.sentence)


def open_photo(
    data: bytes | bytearray | memoryview,
    *,
    max_side: int | None = DEFAULT_MAX_SIDE,
    min_side: int = MIN_SIDE,
    short_side: int | None = None,
) -> Image.Image:
    """Decode one photo to an upright sRGB picture of mode ``RGB``.

    ``max_side``: the long side is scaled down to it (pixels; None keeps the size). ``short_side``: a caller that only
    needs about this many pixels on the short side gets the cheapest decode that has at least as many. ``min_side``:
    smaller photos are refused. The result's ``info`` holds nothing but ``full_size``: upright (width, height) of the
    original. Raises ``PhotoError``, and nothing else, for any bytes.
    """
    data = bytes(data)
    image = _open_checked(data, min_side=min_side)
    full_size = image.size
    try:
        wanted = _wanted_size(image.size, max_side=max_side, short_side=short_side)
        image = _decode(image, wanted)
        if max_side and max(image.size) > max_side:
            image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
        return _upright_rgb(image, full_size)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise dozens of types on hostile bytes
        raise PhotoError("damaged") from error


def refuse_truncated() -> None:
    """Make Pillow refuse cut-off files again: importing WeasyPrint switches that off for the whole process."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False


def _open_checked(data: bytes, *, min_side: int) -> Image.Image:
    refuse_truncated()
    kind = _check_file(data)
    try:
        image = Image.open(io.BytesIO(data), formats=[kind])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError("too_many_pixels") from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise dozens of types on hostile bytes
        raise PhotoError("damaged") from error
    _check_picture(image, kind, min_side=min_side)
    return image


def _check_file(data: bytes) -> str:
    if not data:
        raise PhotoError("empty")
    if len(data) > MAX_BYTES:
        raise PhotoError("too_heavy")
    kind = containers.sniff(data)
    if containers.is_heif_sequence(data) or data.startswith(b"GIF8"):
        raise PhotoError("animated")
    if not kind:
        raise PhotoError("not_a_photo")
    end = containers.picture_end(data, kind)
    if end < 0:
        raise PhotoError("damaged")
    if containers.hides_another_file(data, end):
        raise PhotoError("polyglot")
    if kind == "JPEG":
        _check_jpeg(data)
    return kind


def _check_jpeg(data: bytes) -> None:
    frame = containers.jpeg_frame(data)
    if frame and frame.width * frame.height > MAX_PIXELS:
        raise PhotoError("too_many_pixels")
    if frame and frame.coefficient_bytes > MAX_COEFFICIENT_BYTES:
        raise PhotoError("too_complex")


def _check_picture(image: Image.Image, kind: str, *, min_side: int) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise PhotoError("too_many_pixels")
    # Multi-picture JPEG and HEIC files hold the camera's extra versions: their main picture counts.
    if kind in ("PNG", "WEBP") and getattr(image, "is_animated", False):
        raise PhotoError("animated")
    if min(image.size) < min_side:
        raise PhotoError("too_small", min_side=min_side)


def _wanted_size(size: tuple[int, int], *, max_side: int | None, short_side: int | None) -> tuple[int, int]:
    scale = min(1.0, max_side / max(size)) if max_side else 1.0
    if short_side:
        scale = min(scale, short_side / min(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _decode(image: Image.Image, wanted: tuple[int, int]) -> Image.Image:
    if image.format in ("JPEG", "MPO"):
        image.draft(None, _capped(image, wanted))
    image.load()
    factor = min(image.width // wanted[0], image.height // wanted[1])
    if factor < 2 or image.mode not in ("L", "RGB", "RGBA", "CMYK"):
        return image
    smaller = image.reduce(factor)
    smaller.info = dict(image.info)
    return smaller


def _capped(image: Image.Image, wanted: tuple[int, int]) -> tuple[int, int]:
    half = (image.width // 2, image.height // 2)
    return min(wanted, half) if image.width * image.height > LARGE_JPEG_PIXELS else wanted


def _upright_rgb(image: Image.Image, full_size: tuple[int, int]) -> Image.Image:
    orientation = _orientation(image)
    image = _to_srgb(_flatten(image), image.info.get("icc_profile"))
    if orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
    image.info = {"full_size": full_size[::-1] if orientation >= 5 else full_size}
    return image


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # damaged metadata must not cost the user the photo
        return 1


def _flatten(image: Image.Image) -> Image.Image:
    """Bring 16-bit, palette and transparent pictures to ``L``, ``RGB`` or ``CMYK``; transparent parts turn white."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.uint32) // 257).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert from the embedded colour profile; a profile that does not fit is ignored, as browsers do."""
    if not icc:
        return image.convert("RGB")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if "srgb" in (profile.profile.profile_description or "").lower():
            return image.convert("RGB")
        return ImageCms.profileToProfile(image, profile, _SRGB, outputMode="RGB") or image.convert("RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image.convert("RGB")
