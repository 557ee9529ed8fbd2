"""Facts into words: urgency first, no condition where it cannot be judged, the signed opinion above the rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from diagnosis.facts import CaseFacts, PhotoFacts, ReviewFacts
from diagnosis.presentation import focus_texts, limits, percent, photo_advice, photo_issues, present
from ml.explain import FOCUS_CODES
from ml.quality import ADVICE, ADVICE_FOR
from ml.releases.loader import release_info
from ml.taxonomy import SLUGS

pytestmark = pytest.mark.usefixtures("toy_release")

PROBABILITIES = {**dict.fromkeys(SLUGS, 0.02), "eczema": 0.7, "psoriasis": 0.1}
FACTS = CaseFacts(
    reference="C-1",
    created_at=datetime(2026, 11, 1, tzinfo=timezone.get_current_timezone()),
    country="GB",
    answers={"country": "GB", "site": "arm"},
    tier="self_care",
    status="done",
    outcome="assessed",
    probabilities=PROBABILITIES,
    members=[{"name": "densenet121", "weight": 1.0, "probabilities": PROBABILITIES}],
    release="toy",
    weights_sha256="ab" * 32,
)
SIGNED = ReviewFacts(
    version=1, name="Dr A", licence="GB 1", diagnosis="psoriasis", diagnosis_text="", tier="routine", note="n",
    signed_at=FACTS.created_at, amendment_reason="",
)  # fmt: skip


def labels(view) -> list[str]:
    return [item["slug"] for item in view["differential"]]


def test_three_likeliest_in_order():
    assert labels(present(FACTS))[:2] == ["eczema", "psoriasis"]
    assert len(labels(present(FACTS))) == 3


def test_a_cancer_class_over_its_threshold_is_named_even_as_fourth():
    chances = {**dict.fromkeys(SLUGS, 0.0), "eczema": 0.9, "psoriasis": 0.8, "acne": 0.7, "melanoma": 0.6}
    assert labels(present(replace(FACTS, probabilities=chances))) == ["eczema", "psoriasis", "acne", "melanoma"]


@pytest.mark.parametrize("change", [{"outcome": "inconclusive"}, {"status": "failed", "outcome": ""}], ids=str)
def test_no_condition_is_named_where_it_cannot_be_judged(change):
    view = present(replace(FACTS, reasons=["poor_image"], **change))
    assert not view["judged"]
    assert (view["differential"], view["members"], view["advice"]) == ([], [], [])
    assert not view["tier"]["known"]
    assert "at home" not in view["tier"]["label"] + view["tier"]["next_step"]
    assert present(replace(FACTS, tier="urgent", **change))["tier"]["known"]


def test_emergency_number_follows_the_country():
    for country, number in (("GB", "999"), ("US", "911"), ("IN", "112"), ("DE", "112")):
        view = present(replace(FACTS, tier="emergency", country=country))
        assert view["emergency"]["number"] == number
    assert present(FACTS)["emergency"] is None


def test_the_signed_opinion_stands_above_the_rules():
    view = present(replace(FACTS, tier="emergency", review=SIGNED))
    assert (view["tier"]["code"], view["emergency"]) == ("routine", None)
    assert view["computed_tier"]["code"] == "emergency"
    assert [item["slug"] for item in view["advice"]] == ["psoriasis"]
    assert view["standing"] == "final"
    assert present(replace(FACTS, review=replace(SIGNED, version=2)))["standing"] == "amended"


def test_nobody_waits_without_a_way_out():
    due = timezone.now() + timedelta(days=3)
    sent = present(replace(FACTS, review_requested_at=timezone.now(), review_due_at=due))["review"]
    assert "by" in sent["who_next_text"]
    assert "see a clinician" in sent["who_next_text"]
    assert "finder" in present(FACTS)["review"]["who_next_text"]
    late = present(replace(FACTS, review_requested_at=due, review_due_at=timezone.now() - timedelta(hours=1)))
    assert late["review"]["overdue"]


def test_photo_notes_say_what_to_do():
    issue = {"code": "blurred", "severity": "high", "advice_code": "hold_still"}
    photo = PhotoFacts(1, lambda: b"", lambda: b"", "inconclusive", {"band": "poor", "issues": [issue]}, "centre")
    view = present(replace(FACTS, photos=[photo], outcome="inconclusive"))
    assert view["photos"][0]["issues"] == [{"text": "The photo is blurred.", "advice": photo_advice()["hold_still"]}]
    assert view["retake"] == [photo_advice()["hold_still"]]
    assert "middle" in view["photos"][0]["focus_text"]


def test_every_code_of_the_model_has_words():
    assert photo_advice().keys() == ADVICE.keys()
    assert photo_issues().keys() == ADVICE_FOR.keys()
    assert focus_texts().keys() == set(FOCUS_CODES)


@pytest.mark.parametrize(("specificity", "says"), [(0.26, True), (0.5, False), (None, True)])
def test_a_release_that_cannot_screen_for_melanoma_says_so(specificity, says):
    point = {} if specificity is None else {"clinical": {"specificity": {"value": specificity}}}
    info = release_info("toy")
    sentences = limits(replace(info, document={**info.document, "operating_points": {"melanoma": point}}))
    assert any("cannot screen for melanoma" in sentence for sentence in sentences) is says


def test_never_certain():
    assert (percent(0.0), percent(0.004), percent(0.5), percent(1.0)) == (1, 1, 50, 99)


def test_an_option_that_no_longer_exists_is_shown_as_it_was_stored():
    assert ("Where on the body is it?", "tail") in present(replace(FACTS, answers={"site": "tail"}))["answers"]
