"""Likelihood wording: rounded, never certain, honest about few photos."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnosis.likelihood import FEW_PHOTOS, likelihood


def said(correct, n, probability=0.55):
    bins = [{"low": 0.5, "high": 0.6, "n": n, "correct": correct}]
    return likelihood(probability=probability, reliability=bins, condition="Acne")


def test_about_six_in_ten():
    result = said(62, 100)
    assert (result.in_ten, result.photos) == (6, 100)
    assert result.wording == "In our test photos, about 6 in 10 that looked like this were: Acne."


@pytest.mark.parametrize(
    ("correct", "words"),
    [
        (0, "fewer than 1 in 10"),
        (4, "fewer than 1 in 10"),
        (5, "about 1 in 10"),
        (65, "about 7 in 10"),
        (94, "about 9 in 10"),
        (95, "more than 9 in 10"),
        (100, "more than 9 in 10"),
    ],
)
def test_edges_are_never_certain(correct, words):
    assert words in said(correct, 100).wording


@pytest.mark.parametrize(
    ("n", "words"), [(1, "Only 1 of"), (FEW_PHOTOS - 1, "Only 29 of"), (0, "None of our test photos")]
)
def test_few_photos_give_no_number(n, words):
    result = said(n, n)
    assert result.in_ten is None
    assert result.photos == n
    assert result.wording.startswith(words)


def test_the_bin_is_half_open_and_the_last_one_closed():
    bins = [{"low": 0.5, "high": 0.9, "n": 50, "correct": 10}, {"low": 0.9, "high": 1.0, "n": 60, "correct": 55}]
    photos = [likelihood(probability=p, reliability=bins, condition="x").photos for p in (0.4, 0.5, 0.9, 1.0)]
    assert photos == [0, 50, 60, 60]


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(probability):
    with pytest.raises(ValueError, match="not a probability"):
        said(1, 1, probability)


@given(st.integers(FEW_PHOTOS, 5000), st.floats(0, 1))
def test_no_wording_ever_sounds_certain(n, share):
    result = said(round(share * n), n)
    assert 0 <= result.in_ten <= 10
    assert "about 0 in" not in result.wording
    assert "10 in 10" not in result.wording
    assert "%" not in result.wording
