"""Facts into words: urgency first, no condition where it cannot be judged, the signed opinion above the rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from diagnosis.facts import CaseFacts, PhotoFacts, ReviewFacts
from diagnosis.presentation import focus_texts, limits, member_name, percent, photo_advice, photo_issues, present
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


POOR = replace(FACTS, outcome="inconclusive", reasons=["poor_image"], tier="urgent")
CANCER_RULE = {"code": "cancer_threshold", "tier": "urgent", "detail": "melanoma"}
NOT_JUDGED_RULE = {"code": "not_judged", "tier": "routine", "detail": ""}


def test_an_urgency_without_a_name_says_where_it_comes_from():
    """A poor or strange photo keeps its warning: the page must not leave anybody guessing why."""
    photo = present(replace(POOR, fired=[CANCER_RULE, NOT_JUDGED_RULE]))
    assert "could not rule out something" in photo["tier_note"]
    assert "A better photo may give a calmer answer" in photo["tier_note"]
    assert "cancer" not in " ".join(photo["why"])
    answers = present(replace(POOR, fired=[{"code": "not_healing", "tier": "urgent", "detail": ""}, NOT_JUDGED_RULE]))
    assert answers["tier_note"].startswith("This comes from your answers, not from the photo")
    least = present(replace(POOR, tier="routine", fired=[NOT_JUDGED_RULE]))
    assert "the least that is safe" in least["tier_note"]
    earlier = present(replace(POOR, fired=[NOT_JUDGED_RULE]))
    assert "an earlier check" in earlier["tier_note"]


@pytest.mark.parametrize(
    "facts",
    [FACTS, replace(POOR, review=SIGNED), replace(POOR, tier="self_care"), replace(POOR, status="failed", outcome="")],
    ids=["judged", "signed", "unknown", "failed"],
)
def test_a_result_that_explains_itself_has_no_such_note(facts):
    assert present(facts)["tier_note"] == ""


def test_rules_about_the_photo_keep_their_words_where_it_was_judged():
    assert "skin cancer" in present(replace(FACTS, tier="urgent", fired=[CANCER_RULE]))["why"][0]


@pytest.mark.parametrize(
    ("facts", "key"),
    [
        (POOR, "inconclusive"),
        (replace(POOR, reasons=["not_skin", "out_of_distribution"]), "inconclusive"),
        (replace(POOR, reasons=["out_of_distribution"]), "not_covered"),
        (replace(FACTS, probabilities={**PROBABILITIES, "normal": 0.9}), "normal"),
        (FACTS, None),
        (replace(POOR, status="failed", outcome=""), None),
    ],
)
def test_a_text_stands_where_no_condition_does(facts, key):
    message = present(facts)["message"]
    assert (message and message["key"]) == key
    assert message is None or len(message["text"]) > 100


def test_the_signs_that_would_raise_this_result_and_no_others():
    def signs(**changes) -> dict[str, str]:
        return {one["text"]: one["code"] for one in present(replace(FACTS, **changes))["changes"]["urgent"]}

    fast, dark = "It grows fast, within weeks.", "The dark spot changes its size, shape or colour."
    assert signs()[fast] == "urgent"
    assert next(iter(signs().values())) == "emergency"
    assert dark not in signs()
    assert signs(answers={**FACTS.answers, "pigmented": "yes"})[dark] == "urgent"
    assert set(signs(tier="urgent").values()) == {"emergency"}


def test_what_would_make_it_clearer():
    issue = {"code": "blurred", "severity": "high", "advice_code": "hold_still"}
    photo = PhotoFacts(1, lambda: b"", lambda: b"", "inconclusive", {"band": "poor", "issues": [issue]})
    clearer = present(replace(POOR, photos=[photo]))["changes"]["clearer"]
    assert clearer[0] == photo_advice()["hold_still"]
    assert any("at an angle" in text for text in clearer)
    close = {**PROBABILITIES, "psoriasis": 0.6}
    assert any("close together" in t for t in present(replace(FACTS, probabilities=close))["changes"]["clearer"])
    assert not any("close together" in text for text in present(FACTS)["changes"]["clearer"])


@pytest.mark.parametrize("facts", [replace(FACTS, review=SIGNED), replace(FACTS, tier="emergency")], ids=["s", "e"])
def test_nothing_is_weighed_after_a_signature_or_in_an_emergency(facts):
    assert present(facts)["changes"] is None


def test_dots_say_the_same_as_the_sentence():
    first = present(FACTS)["differential"][0]
    assert f"about {sum(first['dots'])} in 10" in first["likelihood_text"]
    assert len(first["dots"]) == 10


def test_two_networks_of_one_architecture_can_be_told_apart() -> None:
    assert member_name("efficientnet_lite2") == "EfficientNet-Lite2"
    assert member_name("efficientnet_lite2_stages-lite2_128") == "EfficientNet-Lite2, frozen (lite2 128)"
    assert member_name("a_new_network") == "a_new_network"
