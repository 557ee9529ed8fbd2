"""Values of a report: plain, honest, small."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from ml.photo import PhotoError
from reports.context import report_context
from reports.pictures import overlay, picture
from tests.reports import samples


def decoded(uri: str) -> Image.Image:
    head, _comma, body = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


def test_everything_is_a_plain_value():
    context = report_context(samples.signed(samples.cancer(), version=2))
    again = json.loads(json.dumps(context, default=lambda value: value.isoformat()))  # no model, no callable
    assert again.keys() == context.keys()
    assert again["opinion"]["name"] == "Dr Ada Example"


def test_photos_are_data_and_small():
    context = report_context(samples.assessed(photos=[samples.photo(read=lambda: samples.drawn_photo(2400, 1800))]))
    assert decoded(context["photos"][0]["photo"]).size == (900, 675)
    assert decoded(context["photos"][0]["overlay"]).size == (900, 675)


def test_many_photos_are_smaller():
    context = report_context(samples.assessed(photos=[samples.photo(number) for number in range(1, 6)]))
    assert {decoded(photo["photo"]).size for photo in context["photos"]} == {(600, 450)}


def test_a_photo_without_a_heat_map_has_no_overlay():
    context = report_context(samples.inconclusive())
    assert [bool(photo["overlay"]) for photo in context["photos"]] == [True, False]
    assert context["has_heatmap"]
    assert not report_context(samples.failed())["has_heatmap"]


def test_the_overlay_is_strong_where_the_map_is_and_clear_where_it_is_not():
    image = Image.new("RGB", (90, 60), (200, 150, 130))
    mixed = np.asarray(overlay(image, samples.drawn_heatmap())).astype(int)
    change = np.abs(mixed - (200, 150, 130)).sum(axis=2)
    assert change[30, 45] > 60
    assert change[0, 0] < 20


def test_a_blank_map_changes_nothing():
    buffer = io.BytesIO()
    Image.new("L", (8, 8), 0).save(buffer, format="PNG")
    image = Image.new("RGB", (40, 40), (90, 60, 50))
    assert np.array_equal(np.asarray(overlay(image, buffer.getvalue())), np.asarray(image))


def test_a_damaged_photo_is_an_error():
    with pytest.raises(PhotoError):
        picture(samples.photo(read=lambda: samples.drawn_photo()[:500]))


@pytest.mark.parametrize(("country", "paper"), [("US", "letter"), ("CA", "letter"), ("GB", "a4"), ("IN", "a4")])
def test_paper_follows_the_country(country, paper):
    assert report_context(samples.assessed(country=country))["paper"] == paper


def test_only_the_likeliest_condition_has_all_its_advice():
    advice = report_context(samples.cancer())["advice"]
    assert [len(item["blocks"]) for item in advice] == [5, 2, 2, 2]
    assert {block["key"] for block in advice[-1]["blocks"]} == {"what_it_is", "see_clinician"}


@pytest.mark.parametrize("facts", [samples.inconclusive(), samples.failed(), samples.waiting()], ids=lambda f: f.status)
def test_no_condition_where_nothing_can_be_judged(facts):
    context = report_context(facts)
    assert context["differential"] == context["advice"] == context["members"] == []
