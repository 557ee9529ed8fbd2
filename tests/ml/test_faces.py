"""Faces are found in a photo that a package ships, whole, turned, dark and in part; not in drawn skin of any tone."""

from __future__ import annotations

import pytest
from PIL import Image, ImageEnhance
from skimage import data

from diagnosis.demo import TONES, draw_photo
from ml.faces import find_faces


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    """Eileen Collins, a public photo of NASA's: 512 x 512."""
    return Image.fromarray(data.astronaut())


def test_the_face_is_found_where_it_is(portrait):
    (face,) = find_faces(portrait)
    assert face.left == pytest.approx(0.35, abs=0.03)
    assert face.top == pytest.approx(0.11, abs=0.03)
    assert face.width == pytest.approx(0.18, abs=0.04)
    (one, other) = face.eyes
    assert face.left < one[0] < other[0] < face.left + face.width
    assert one[1] == pytest.approx(other[1], abs=0.03)


@pytest.mark.parametrize(
    "change",
    [
        lambda photo: photo.rotate(90),
        lambda photo: ImageEnhance.Brightness(photo).enhance(0.2),
        lambda photo: photo.crop((150, 50, 290, 210)).resize((700, 800)),
        lambda photo: photo.resize((2560, 2560)),
        lambda photo: photo.crop((100, 0, 500, 260)),
    ],
    ids=["turned", "dark", "close", "large", "cropped"],
)
def test_a_difficult_face_is_found_too(portrait, change):
    assert find_faces(change(portrait))


@pytest.mark.parametrize("tone", range(len(TONES)))
def test_skin_is_no_face(tone):
    assert find_faces(draw_photo(tone=tone)) == []


def test_a_photo_without_its_face_has_none(portrait):
    assert find_faces(portrait.crop((0, 300, 512, 512))) == []
    assert find_faces(Image.new("RGB", (128, 3000))) == []
