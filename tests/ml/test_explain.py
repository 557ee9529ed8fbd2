"""Heat maps for people: one scale of lightness, cold places untouched, and the right name for the place."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ml.explain import FOCUS_CODES, colour_map, overlay, overlay_png, where
from tests.ml import drawing


def spot(row: float, column: float, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    return (255 * np.exp(-((y - row * size[0]) ** 2 + (x - column * size[1]) ** 2) / 40)).astype(np.uint8)


def test_more_heat_is_always_lighter():
    colours = colour_map(np.arange(256, dtype=np.uint8)[None])[0]
    lightness = colours @ np.array([0.2126, 0.7152, 0.0722])
    assert np.all(np.diff(lightness) > -0.5)
    assert lightness[-1] - lightness[0] > 150


@pytest.mark.parametrize("place", range(9))
def test_the_place_has_its_name(place: int):
    row, column = divmod(place, 3)
    assert where(spot((row + 0.5) / 3, (column + 0.5) / 3)) == FOCUS_CODES[place]


def test_everywhere_and_nowhere():
    assert where(np.full((48, 64), 200, dtype=np.uint8)) == "spread"
    assert where(np.zeros((48, 64), dtype=np.uint8)) == ""


def test_cold_places_stay_as_they_are():
    photo = drawing.skin(size=(320, 240))
    changed = np.abs(np.asarray(overlay(photo, spot(0.5, 0.5)), dtype=int) - np.asarray(photo, dtype=int)).max(axis=2)
    assert changed[:30, :30].max() == 0
    assert changed[115:125, 155:165].min() > 20
    assert np.array_equal(np.asarray(overlay(photo, spot(0.5, 0.5), opacity=0)), np.asarray(photo))


def test_png_of_the_photos_size():
    photo = drawing.skin(size=(320, 240))
    opened = Image.open(io.BytesIO(overlay_png(photo, spot(0.2, 0.2))))
    assert (opened.format, opened.size, opened.info) == ("PNG", (320, 240), {})
    with pytest.raises(ValueError, match="opacity"):
        overlay(photo, spot(0.2, 0.2), opacity=1.5)
