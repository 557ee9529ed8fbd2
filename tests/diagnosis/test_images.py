"""What comes in is decoded, what is stored is clean."""

from __future__ import annotations

import io
import threading

import pytest
from django.core.exceptions import ValidationError
from PIL import Image

from diagnosis import images
from diagnosis.demo import draw_jpeg, draw_photo
from diagnosis.images import inspect_upload, inspect_uploads, sentences
from ml.photo import SENTENCES


def jpeg_with_gps() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "SecretPhone"
    exif[0x0112] = 6  # turned: width and height change places
    exif.get_ifd(0x8825).update({1: "N", 2: (18.0, 31.0, 12.0)})
    buffer = io.BytesIO()
    draw_photo(size=(400, 300)).save(buffer, format="JPEG", exif=exif)
    return buffer.getvalue() + b"\x00" * 64


def test_stored_photo_has_no_metadata_and_stands_upright():
    photo = inspect_upload(jpeg_with_gps())
    stored = Image.open(io.BytesIO(photo.jpeg))
    assert (photo.width, photo.height) == stored.size == (300, 400)
    assert not stored.getexif()
    assert b"SecretPhone" not in photo.jpeg
    assert b"Exif" not in photo.jpeg


def test_same_pixels_same_hash_other_pixels_other_hash():
    first, again, other = (inspect_upload(draw_jpeg(seed=seed)) for seed in (1, 1, 2))
    assert first.pixel_sha256 == again.pixel_sha256 != other.pixel_sha256


@pytest.mark.parametrize(
    ("size", "stored"),
    [
        ((4000, 3000), (2000, 1500)),  # decoded at half its size
        ((3200, 2400), (2560, 1920)),
        ((4000, 2250), (2560, 1440)),
        ((1600, 1200), (1600, 1200)),
    ],
)
def test_large_photo_is_stored_smaller_but_never_below_what_a_reader_needs(size, stored):
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 150, 120)).save(buffer, format="JPEG")
    photo = inspect_upload(buffer.getvalue())
    assert (photo.width, photo.height) == stored


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"hello, I am text", "not_a_photo"),
        (draw_jpeg()[:3000], "damaged"),
        (draw_jpeg(size=(127, 300)), "too_small"),
        (b"\xff" * (20 * 1024 * 1024 + 1), "too_heavy"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals_name_the_photo_and_the_reason(data, code):
    with pytest.raises(ValidationError) as caught:
        inspect_uploads([io.BytesIO(draw_jpeg()), io.BytesIO(data)])
    assert caught.value.messages == [f"Photo 2: {sentences()[code]}"]


def test_no_photo_and_too_many():
    with pytest.raises(ValidationError, match="at least one"):
        inspect_uploads([])
    with pytest.raises(ValidationError, match="at most five"):
        inspect_uploads([io.BytesIO(draw_jpeg())] * 6)


def test_every_refusal_of_the_decoder_has_a_sentence():
    assert sentences().keys() == SENTENCES.keys()


def test_a_process_opens_two_photos_at_a_time():
    third = threading.Thread(target=inspect_upload, args=(draw_jpeg(),))
    with images._OPENING, images._OPENING:
        third.start()
        third.join(0.5)
        assert third.is_alive(), "it waits for one of the others"
    third.join(20)
    assert not third.is_alive()
