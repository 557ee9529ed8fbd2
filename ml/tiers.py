"""Urgency from probabilities alone: rules 3 and 4 of the triage, shared by the command line and `diagnosis.triage`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ml.taxonomy import BY_SLUG, TIERS, Condition

# Body sites where a basal cell carcinoma endangers eye, nose, ear or lip (NICE NG12, 1.7.4 and its risk list).
HIGH_RISK_SITES = frozenset({"eyelid", "nose", "ear", "lip"})


def highest_tier(tiers: Iterable[str]) -> str:
    """The most urgent of ``tiers``; ``self_care`` when there is none. Raises ``ValueError`` for an unknown name."""
    return max(tiers, key=TIERS.index, default=TIERS[0])


def tier_from_probabilities(
    probabilities: Mapping[str, float],
    prediction_set: Iterable[str],
    thresholds: Mapping[str, float],
    *,
    site: str = "",
) -> str:
    """Maximum over the classes in the prediction set and the cancer classes at or above their threshold.

    ``site`` is the body-site slug, empty where unknown. A cancer class without a threshold is one that the release
    does not cover. Raises ``ValueError`` for a probability that is not a number: silence would lower the tier.
    """
    for slug, probability in probabilities.items():
        if not math.isfinite(probability):
            raise ValueError(f"The probability of {slug} is not a number.")
    known = BY_SLUG.values()
    suspected = {condition.slug for condition in known if _reaches_threshold(condition, probabilities, thresholds)}
    return highest_tier(tier_of(slug, site=site) for slug in suspected | set(prediction_set))


def _reaches_threshold(
    condition: Condition, probabilities: Mapping[str, float], thresholds: Mapping[str, float]
) -> bool:
    threshold = thresholds.get(condition.slug)
    return condition.is_cancer_class and threshold is not None and probabilities.get(condition.slug, 0.0) >= threshold


def tier_of(slug: str, *, site: str = "") -> str:
    """Tier of one condition at one body site. Raises ``KeyError`` for an unknown slug."""
    if slug == "basal-cell-carcinoma" and site in HIGH_RISK_SITES:
        return "urgent"
    return BY_SLUG[slug].tier
