"""Intake: the table is sound, cleaning is strict, answers read well; emergency numbers follow the country."""

import json

import phonenumbers
import pytest
from django.http import QueryDict
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnosis.emergency import NUMBERS, emergency_call
from diagnosis.questions import (
    BY_KEY,
    QUESTIONS,
    SCREENS,
    AnswersError,
    answers_summary,
    clean_answers,
    form_definition,
    option_label,
)

ENOUGH = {"country": "IN", "red_flags": ["none"], "age_band": "30_39", "site": "arm"}


def refused(raw, **kwargs):
    with pytest.raises(AnswersError) as caught:
        clean_answers(raw, **kwargs)
    return caught.value.errors


def test_table_is_sound():
    assert len(BY_KEY) == len(QUESTIONS)
    assert {question.screen for question in QUESTIONS} == set(SCREENS)
    for question in QUESTIONS:
        assert len(set(question.codes)) == len(question.codes)
        assert bool(question.options) == (question.kind in ("single", "multi"))
        assert not question.exclusive or question.exclusive in question.codes
        if question.shown_when:
            assert question.shown_when.codes <= set(BY_KEY[question.shown_when.key].codes)


def test_red_flags_come_before_everything_but_the_country():
    assert [question.key for question in QUESTIONS[:2]] == ["country", "red_flags"]
    assert len(BY_KEY["red_flags"].codes) == 12


def test_every_country_is_there():
    codes = BY_KEY["country"].codes
    assert len(codes) == 250
    assert {"IN", "GB", "US", "NA", "XK", "TW", "SS"} <= set(codes)
    assert not {"EU", "UN", "ZZ", "XA"} & set(codes)


def test_clean_keeps_table_order_and_is_json():
    raw = {
        **ENOUGH, "size_mm": "7", "diabetes": "no", "symptoms": ["pain", "itch", "pain"], "sex": "", "changes": [],
    }  # fmt: skip
    cleaned = clean_answers(raw)
    assert cleaned == {**ENOUGH, "diabetes": False, "size_mm": 7, "symptoms": ["itch", "pain"]}
    assert list(cleaned) == [key for key in BY_KEY if key in cleaned]
    assert json.loads(json.dumps(cleaned)) == cleaned
    assert clean_answers(cleaned) == cleaned


def test_a_query_dict_keeps_every_choice():
    raw = QueryDict("country=IN&red_flags=swelling&red_flags=confusion&age_band=30_39&site=arm&diabetes=on&size_mm=")
    assert clean_answers(raw)["red_flags"] == ["swelling", "confusion"]
    assert clean_answers(raw)["diabetes"] is True
    assert "site" in refused(QueryDict("site=arm&site=leg"), partial=True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("country", "XX"),
        ("country", "in"),
        ("country", ["IN"]),
        ("age_band", 30),
        ("red_flags", "none"),
        ("red_flags", ["none", "swelling"]),
        ("red_flags", [["swelling"]]),
        ("symptoms", ["ache"]),
        ("diabetes", "maybe"),
        ("diabetes", 1),
        ("size_mm", 0),
        ("size_mm", 501),
        ("size_mm", 7.5),
        ("size_mm", True),
        ("size_mm", "٧"),
        ("size_mm", "9" * 5000),
        ("name", "Ana"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(key, value):
    errors = refused({**ENOUGH, key: value})
    assert set(errors) == {key}
    assert errors[key].endswith(".")


def test_missing_answers():
    assert set(refused({})) == set(ENOUGH)
    assert clean_answers({}, partial=True) == {}
    assert set(refused([], partial=True)) == {"answers"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(BY_KEY)) | st.text(max_size=5), json_values, max_size=6))
@settings(deadline=None, max_examples=200)
def test_anything_is_either_clean_or_refused_in_words(raw):
    cleaned, errors = {}, None
    try:
        cleaned = clean_answers(raw, partial=True)
    except AnswersError as error:
        errors = error.errors
    assert clean_answers(cleaned, partial=True) == cleaned
    assert errors is None or (errors and all(isinstance(text, str) and text for text in errors.values()))


def test_summary_reads_well():
    answers = clean_answers({**ENOUGH, "diabetes": True, "size_mm": 7, "symptoms": ["itch", "pain"]})
    texts = [answer for _, answer in answers_summary(answers)]
    assert texts == [
        "India",
        "None of these",
        "30 to 39 years",
        "Yes",
        "Arm or shoulder",
        "7 mm",
        "Itching; Pain or soreness",
    ]
    assert option_label("site", "sole") == "Sole of the foot"


def test_form_definition_is_json_and_sorts_countries_as_read():
    screens = form_definition()
    assert json.loads(json.dumps(screens))
    assert [screen["screen"] for screen in screens] == list(SCREENS)
    labels = [label for _, label in screens[0]["questions"][0]["options"]]
    assert labels == sorted(labels, key=str.casefold)
    assert sum(len(screen["questions"]) for screen in screens) == len(QUESTIONS)


@pytest.mark.parametrize(("language", "name"), [("en", "India"), ("hi", "भारत"), ("es", "India"), ("ar", "الهند")])
def test_countries_are_named_in_the_language_of_the_reader(language, name):
    with translation.override(language):
        assert option_label("country", "IN") == name


@pytest.mark.parametrize(
    ("country", "number", "certain"),
    [("IN", "112", True), ("GB", "999", True), ("US", "911", True), ("DE", "112", True), ("jp", "119", True),
     ("AQ", "112", False), ("", "112", False)],
)  # fmt: skip
def test_emergency_number_follows_the_country(country, number, certain):
    call = emergency_call(country)
    assert (call.number, call.certain) == (number, certain)
    assert f"Call {number} " in call.sentence
    assert ("your local emergency number" in call.sentence) is not certain


def test_emergency_number_does_not_follow_the_language():
    with translation.override("hi"):
        assert emergency_call("GB").number == "999"


# National numbers that the library does not list: Nigeria's 112, SAMU of Ivory Coast, Suwa Seriya of Sri Lanka.
CHECKED_BY_HAND = {"NG": "112", "CI": "185", "LK": "1990"}


def test_emergency_numbers_agree_with_the_maintained_list():
    assert set(NUMBERS) <= set(BY_KEY["country"].codes)
    doubtful = {c: n for c, n in NUMBERS.items() if not phonenumbers.is_emergency_number(n, c)}
    assert doubtful == CHECKED_BY_HAND


def test_all_of_the_european_union_has_a_number():
    union = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
    others = {country: NUMBERS[country] for country in union.split(" ") if NUMBERS[country] != "112"}
    assert others == {"IE": "999"}  # both numbers work there
