"""Photos as they come in: inspected by decoding, then stored as clean pixels. Decoding itself is `ml.photo`."""

from __future__ import annotations

import hashlib
import io
import threading
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from PIL import Image

from ml.photo import MIN_SIDE, PhotoError, open_photo

# Long side of what is kept: enough for a dermatologist's zoom, small enough for a phone connection.
STORED_SIDE = 2560
# What is kept has at least so many pixels on the short side, if the photo had them. A 12-megapixel JPEG is decoded at
# half its size (2000 x 1500): a quarter of the time of decoding it whole and scaling it down (docs/decisions/0015).
STORED_SHORT_SIDE = 1440
# A process has many threads that wait for others, and a large photo takes 100 MB while it is open.
_OPENING = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class InspectedPhoto:
    """A photo that decoded: clean JPEG bytes, their hashes and the size in pixels."""

    jpeg: bytes
    sha256: str
    pixel_sha256: str
    width: int
    height: int
    shot: str = "close_up"
    face: str = "unknown"  # `diagnosis.models.FaceInPhoto`


def sentences() -> dict[str, str]:
    """One plain sentence per refusal, in the reader's language. The codes are those of `ml.photo.SENTENCES`."""
    return {
        "empty": _("This file is empty. Please choose another photo."),
        "too_heavy": _("This file is larger than 20 MB. Please send a smaller photo."),
        "not_a_photo": _("We cannot read this file as a photo. Please send a JPEG, PNG, WebP or HEIC photo."),
        "too_many_pixels": _("This photo has more than 50 million pixels. Please send a smaller one."),
        "too_complex": _("This photo is too heavy to open. Please save it as a normal JPEG and try again."),
        "too_small": _("This photo is too small. Please send one that is at least 128 pixels wide and high."),
        "animated": _("This file has moving pictures. Please send a still photo."),
        "damaged": _("This photo is damaged or cut off. Please send it again or take a new one."),
        "polyglot": _("This file has more in it than a photo. Please take a new photo or send the original one."),
    }


def refusal(error: PhotoError) -> str:
    """The sentence for a refused photo, in the reader's language."""
    return sentences()[error.code]


def inspect_upload(data: bytes, *, shot: str = "close_up") -> InspectedPhoto:
    """Decode a photo (the only honest type check) and return it clean; a process opens two at a time.

    Raises ValidationError with one plain sentence; nothing has been stored by then.
    """
    with _OPENING:
        try:
            picture = open_photo(data, max_side=STORED_SIDE, min_side=MIN_SIDE, short_side=STORED_SHORT_SIDE)
        except PhotoError as error:
            raise ValidationError(refusal(error), code=error.code) from error
        return normalise(picture, shot=shot)


def normalise(picture: Image.Image, *, shot: str = "close_up") -> InspectedPhoto:
    """Re-encode upright RGB pixels as JPEG. EXIF, GPS, thumbnails and trailing bytes cannot survive this."""
    picture.thumbnail((STORED_SIDE, STORED_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=92, optimize=False)
    jpeg = buffer.getvalue()
    return InspectedPhoto(
        jpeg=jpeg,
        sha256=hashlib.sha256(jpeg).hexdigest(),
        pixel_sha256=hashlib.sha256(picture.tobytes()).hexdigest(),
        width=picture.width,
        height=picture.height,
        shot=shot,
    )


def inspect_uploads(files: list, *, shots: list[str] | None = None) -> list[InspectedPhoto]:
    """Inspect 1 to MAX_PHOTOS uploaded files. Raises ValidationError naming the photo by its number."""
    if not files:
        raise ValidationError(_("Please add at least one photo."), code="no_photo")
    if len(files) > settings.MAX_PHOTOS:
        raise ValidationError(_("Please send at most five photos."), code="too_many_photos")
    photos, errors = [], []
    for number, file in enumerate(files, start=1):
        try:
            photos.append(inspect_upload(_read(file), shot=shots[number - 1] if shots else "close_up"))
        except ValidationError as error:
            text = _("Photo %(number)d: %(problem)s") % {"number": number, "problem": error.messages[0]}
            errors.append(ValidationError(text, code=error.code))
    if errors:
        raise ValidationError(errors)
    return photos


def _read(file) -> bytes:
    """The file's bytes, or just enough of them to know that it is too large."""
    return file.read(settings.MAX_PHOTO_BYTES + 1)
