"""Rules 3 and 4 without answers: known cases, and the property that more suspicion never lowers the tier."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.taxonomy import CONDITIONS, SLUGS, TIERS
from ml.tiers import HIGH_RISK_SITES, highest_tier, tier_from_probabilities, tier_of

THRESHOLDS = {"melanoma": 0.1, "basal-cell-carcinoma": 0.2, "actinic-keratosis": 0.3}
BCC = "basal-cell-carcinoma"
probability_tables = st.fixed_dictionaries({slug: st.floats(0, 1) for slug in SLUGS})
sets = st.sets(st.sampled_from(SLUGS))
sites = st.sampled_from(["", "back", *sorted(HIGH_RISK_SITES)])


@pytest.mark.parametrize(
    ("probabilities", "chosen", "site", "tier"),
    [
        ({"acne": 0.9}, ["acne"], "", "self_care"),
        ({"acne": 0.6}, ["acne", "psoriasis"], "", "routine"),
        ({"moles": 0.85, "melanoma": 0.1}, ["moles"], "", "urgent"),
        ({"moles": 0.85, "melanoma": 0.0999}, ["moles"], "", "routine"),
        ({"eczema": 0.7, BCC: 0.2}, ["eczema"], "", "soon"),
        ({"eczema": 0.7, BCC: 0.2}, ["eczema"], "eyelid", "urgent"),
        ({"eczema": 0.7, BCC: 0.1}, ["eczema", BCC], "nose", "urgent"),
        ({"normal": 0.99}, [], "", "self_care"),
    ],
)
def test_known_cases(probabilities, chosen, site, tier):
    assert tier_from_probabilities(probabilities, chosen, THRESHOLDS, site=site) == tier


@given(probability_tables, sets, sites, st.sampled_from(SLUGS), st.floats(0, 1))
def test_more_suspicion_never_lowers(probabilities, chosen, site, slug, more):
    before = tier_from_probabilities(probabilities, chosen, THRESHOLDS)
    raised = {**probabilities, slug: max(probabilities[slug], more)}
    after = tier_from_probabilities(raised, chosen | {slug}, THRESHOLDS, site=site)
    assert TIERS.index(after) >= TIERS.index(before)


@given(probability_tables, sets)
def test_every_class_in_the_set_counts(probabilities, chosen):
    tier = tier_from_probabilities(probabilities, chosen, THRESHOLDS)
    assert all(TIERS.index(tier) >= TIERS.index(tier_of(slug)) for slug in chosen)


@given(probability_tables, sets, sites, st.sampled_from(sorted(THRESHOLDS)), st.floats(0, 1))
def test_a_lower_threshold_never_lowers(probabilities, chosen, site, slug, lower):
    stricter = THRESHOLDS | {slug: min(lower, THRESHOLDS[slug])}
    before = tier_from_probabilities(probabilities, chosen, THRESHOLDS, site=site)
    after = tier_from_probabilities(probabilities, chosen, stricter, site=site)
    assert TIERS.index(after) >= TIERS.index(before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_probability_that_is_no_number_is_an_error(value):
    with pytest.raises(ValueError, match="melanoma"):
        tier_from_probabilities({"melanoma": value}, ["moles"], THRESHOLDS)


def test_unknown_names_are_errors():
    with pytest.raises(KeyError):
        tier_from_probabilities({}, ["measles"], THRESHOLDS)
    with pytest.raises(ValueError):
        highest_tier(["soon", "later"])


def test_tiers_of_the_table():
    assert {condition.slug: tier_of(condition.slug) for condition in CONDITIONS}["melanoma"] == "urgent"
    assert highest_tier([]) == "self_care"
