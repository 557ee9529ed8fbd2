"""Triage: no answer and no number can lower a tier; deadlines, reasons and texts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnosis.questions import QUESTIONS
from diagnosis.triage import (
    REVIEW_REASONS,
    RULES,
    PredictionFacts,
    assess,
    next_step,
    review_deadline,
    review_reason_text,
    rule_text,
    safety_net,
    tier_label,
    tier_rank,
    unrecognised,
)
from diagnosis.triage.class_rules import CLASS_FLAGS
from diagnosis.triage.facts import IMAGE_REASONS
from diagnosis.triage.review import tested_on_dark_skin as is_tested
from diagnosis.triage.rules import seven_point_score
from ml.taxonomy import CONDITIONS, SLUGS, TIERS

CANCERS = [condition.slug for condition in CONDITIONS if condition.is_cancer_class]
THRESHOLDS = {"melanoma": 0.1, "basal-cell-carcinoma": 0.15, "actinic-keratosis": 0.2}
MULTI = {q.key: [code for code in q.codes if code != "none"] for q in QUESTIONS if q.kind == "multi"}
SINGLE = {q.key: list(q.codes) for q in QUESTIONS if q.kind == "single"}
BOOLS = [q.key for q in QUESTIONS if q.kind == "bool"]

multis = st.fixed_dictionaries({}, optional={k: st.lists(st.sampled_from(v), unique=True) for k, v in MULTI.items()})
singles = st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in SINGLE.items()})
bools = st.fixed_dictionaries({}, optional={k: st.booleans() for k in BOOLS})
sizes = st.fixed_dictionaries({}, optional={"size_mm": st.integers(1, 500)})
fixed_answers = st.builds(lambda one, two, three: one | two | three, singles, bools, sizes)
probabilities = st.dictionaries(st.sampled_from(SLUGS), st.floats(0, 1))
sets = st.lists(st.sampled_from(SLUGS), unique=True, min_size=1).map(tuple)


def facts(probabilities=None, prediction_set=("eczema",), **changes):
    values = {
        "outcome": "assessed",
        "probabilities": probabilities or {},
        "prediction_set": prediction_set,
        "reasons": (),
        "thresholds": THRESHOLDS,
        "trained_classes": SLUGS,
    }
    return PredictionFacts(**(values | changes))


predictions = st.one_of(st.none(), st.builds(facts, probabilities, sets))


def rank(answers, prediction):
    return tier_rank(assess(answers=answers, prediction=prediction).tier)


def merged_answers(fixed, first, second):
    keys = first.keys() | second.keys()
    return fixed | {key: sorted({*first.get(key, ()), *second.get(key, ())}) for key in keys}


def merged_facts(first, second):
    if first is None or second is None:
        return first or second
    top = {slug: max(first.probabilities.get(slug, 0), second.probabilities.get(slug, 0)) for slug in SLUGS}
    return facts(top, tuple({*first.prediction_set, *second.prediction_set}))


@given(fixed_answers, multis, multis, predictions, predictions)
@settings(deadline=None, max_examples=150)
def test_two_sets_of_evidence_together_are_never_less_urgent(fixed, first, second, one, two):
    both = rank(merged_answers(fixed, first, second), merged_facts(one, two))
    assert both >= max(rank(fixed | first, one), rank(fixed | second, two))


@given(fixed_answers, multis, predictions, st.data())
@settings(deadline=None, max_examples=150)
def test_one_more_sign_never_lowers(fixed, given_signs, prediction, data):
    key = data.draw(st.sampled_from(sorted(MULTI)))
    sign = data.draw(st.sampled_from(MULTI[key]))
    more = merged_answers(fixed, given_signs, {key: [sign]})
    assert rank(more, prediction) >= rank(fixed | given_signs, prediction)


@given(fixed_answers, multis, probabilities, sets, st.sampled_from(CANCERS), st.floats(0, 1))
@settings(deadline=None, max_examples=150)
def test_a_higher_cancer_probability_never_lowers(fixed, signs, numbers, chosen, cancer, value):
    higher = numbers | {cancer: max(value, numbers.get(cancer, 0))}
    assert rank(fixed | signs, facts(higher, chosen)) >= rank(fixed | signs, facts(numbers, chosen))


@given(fixed_answers, multis, probabilities, sets, st.sampled_from(SLUGS))
@settings(deadline=None, max_examples=150)
def test_one_more_class_in_the_set_never_lowers(fixed, signs, numbers, chosen, slug):
    more = tuple({*chosen, slug})
    assert rank(fixed | signs, facts(numbers, more)) >= rank(fixed | signs, facts(numbers, chosen))


@given(fixed_answers, multis, probabilities, sets, st.sampled_from(IMAGE_REASONS))
@settings(deadline=None, max_examples=100)
def test_a_worse_photo_never_lowers_and_always_flags(fixed, signs, numbers, chosen, reason):
    clear = facts(numbers, chosen)
    poor = replace(clear, outcome="inconclusive", reasons=(reason,))
    triage = assess(answers=fixed | signs, prediction=poor)
    assert tier_rank(triage.tier) >= max(rank(fixed | signs, clear), tier_rank("routine"))
    assert triage.needs_review
    assert not triage.names_disease


@given(fixed_answers, multis, predictions)
@settings(deadline=None, max_examples=100)
def test_tier_is_the_maximum_and_every_reason_has_words(fixed, signs, prediction):
    triage = assess(answers=fixed | signs, prediction=prediction)
    assert triage.tier == max((fired.tier for fired in triage.fired), key=tier_rank, default="self_care")
    assert all(str(rule_text(fired.code, fired.detail)) for fired in triage.fired)
    assert triage.safety_net == (triage.tier in TIERS[:3])


def test_the_most_urgent_reason_comes_first():
    triage = assess(answers={"red_flags": ["confusion"], "changes": ["not_healing"]}, prediction=facts())
    assert [fired.code for fired in triage.fired] == ["red_flag", "not_healing"]
    assert "Confusion" in str(rule_text("red_flag", "confusion"))


@pytest.mark.parametrize(
    ("answers", "score"),
    [
        ({}, 0),
        ({"seven_point": ["change_size"]}, 2),
        ({"seven_point": ["change_size", "wide"]}, 3),
        ({"seven_point": ["wide", "inflamed", "oozing", "sensation"]}, 4),
        ({"seven_point": MULTI["seven_point"]}, 10),
        ({"pigmented": "yes", "size_mm": 6}, 0),
        ({"pigmented": "yes", "size_mm": 7}, 1),
        ({"pigmented": "yes", "size_mm": 7, "seven_point": ["wide"]}, 1),
        ({"pigmented": "yes", "changes": ["size"], "symptoms": ["itch"]}, 3),
        ({"pigmented": "not_sure", "changes": ["size"], "symptoms": ["itch"]}, 0),
    ],
)
def test_seven_point_score(answers, score):
    assert seven_point_score(answers) == score


def test_members_that_disagree_name_no_disease():
    triage = assess(answers={}, prediction=facts(reasons=("members_disagree",)))
    assert triage.outcome == "assessed"
    assert not triage.names_disease
    assert assess(answers={}, prediction=facts()).names_disease


def test_reasons_never_name_a_class():
    """They also stand where the photo could not be judged."""
    names = {word for condition in CONDITIONS for word in (condition.slug, condition.label.split(" (")[0].lower())}
    texts = [str(rule_text(code)).lower() for code in rule_codes() if not code.startswith("mole_")]
    assert not [(text, name) for text in texts for name in names - {"moles"} if name in text]


def rule_codes():
    generic = {rule.__name__ for rule in RULES} - {flag.code for flag in CLASS_FLAGS} - {"red_flags"}
    return generic | {flag.code for flag in CLASS_FLAGS} | {"red_flag"}


def test_every_code_has_words():
    assert all(str(rule_text(code)).endswith(".") for code in rule_codes())
    assert all(str(review_reason_text(code)) for code in REVIEW_REASONS)
    assert all(str(next_step(tier)) and str(tier_label(tier)) for tier in TIERS)
    assert len({str(next_step(tier)) for tier in TIERS}) == 5


def test_safety_texts():
    assert "misses some skin cancers" in str(safety_net()[0])
    assert str(unrecognised()[0]).startswith("Squamous cell carcinoma")


@pytest.mark.parametrize(
    ("tier", "flagged", "wait"),
    [
        ("emergency", False, timedelta(hours=24)),
        ("urgent", False, timedelta(hours=24)),
        ("urgent", True, timedelta(hours=24)),
        ("soon", False, timedelta(days=3)),
        ("routine", False, timedelta(days=7)),
        ("routine", True, timedelta(days=3)),
        ("self_care", False, timedelta(days=7)),
        ("self_care", True, timedelta(days=3)),
    ],
)
def test_review_deadline(tier, flagged, wait, settings):
    start = datetime(2026, 11, 23, tzinfo=UTC)
    hours = settings.REVIEW_DEADLINE_HOURS
    assert review_deadline(tier, start=start, flagged=flagged, hours=hours) == start + wait


def test_review_deadline_follows_the_installation():
    start = datetime(2026, 11, 23, tzinfo=UTC)
    due = review_deadline("urgent", start=start, flagged=True, hours={"urgent": 4, "flagged": 72})
    assert due == start + timedelta(hours=4)


@pytest.mark.parametrize(
    ("light", "dark", "tested"),
    [
        ({"n": 400, "recall": 0.8}, {"n": 100, "recall": 0.7}, True),
        ({"n": 400, "recall": 0.8}, {"n": 99, "recall": 0.8}, False),
        ({"n": 400, "recall": 0.8}, {"n": 100, "recall": 0.69}, False),
        ({"n": 400}, {"n": 100}, False),
        ({}, {"n": None}, False),
        ({"n": 9, "recall": {"value": 0.8}}, {"n": 100, "recall": {"value": 0.6}}, False),
        ({"n": 9, "accuracy": {"value": 0.8}}, {"n": 100, "accuracy": {"value": 0.8}}, True),
    ],
)
def test_evidence_for_dark_skin(light, dark, tested):
    assert is_tested({"I-II": light, "V-VI": dark}) is tested


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcome": "fine"},
        {"probabilities": {"melanoma": float("nan")}},
        {"probabilities": {"melanoma": 1.2}},
        {"prediction_set": ("lupus",)},
        {"prediction_set": ()},
        {"outcome": "inconclusive"},
        {"reasons": ("bad_luck",)},
        {"thresholds": {"melanoma": 0.1}},
    ],
    ids=str,
)
def test_facts_that_would_silence_a_rule_are_refused(wrong):
    with pytest.raises(ValueError):
        facts(**wrong)


def test_a_class_that_was_not_trained_needs_no_threshold():
    trained = tuple(slug for slug in SLUGS if slug != "actinic-keratosis")
    assert facts(trained_classes=trained, thresholds={"melanoma": 0.1, "basal-cell-carcinoma": 0.15})
