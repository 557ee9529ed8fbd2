"""When a person must look at the case, and by when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from diagnosis.triage.facts import IMAGE_REASONS, Answers, PredictionFacts, has

REVIEW_REASONS = (*IMAGE_REASONS, "under_18", "pregnancy", "immunosuppression", "skin_type_untested")
MIN_TEST_PHOTOS = 100
MAX_RECALL_GAP = 0.10
RECALL_KEYS = ("recall", "macro_recall", "balanced_accuracy", "accuracy")


def review_reasons(answers: Answers, facts: PredictionFacts | None) -> tuple[str, ...]:
    """Codes of ``REVIEW_REASONS`` that hold, in that order. "Not sure" counts as a yes; no answer does not."""
    found = set(facts.reasons) if facts else set()
    if facts and facts.outcome == "unusable":
        found.add("poor_image")
    if has(answers, "age_band", "under_2", "2_11", "12_17"):
        found.add("under_18")
    found |= {key for key in ("pregnancy", "immunosuppression") if has(answers, key, "yes", "not_sure")}
    if facts and has(answers, "skin_type", "V", "VI") and not tested_on_dark_skin(facts.fitzpatrick_evidence):
        found.add("skin_type_untested")
    return tuple(reason for reason in REVIEW_REASONS if reason in found)


def tested_on_dark_skin(evidence: Mapping[str, Mapping[str, Any]]) -> bool:
    """True if the release was tested on 100 photos of skin types V-VI or more, with a recall gap of 10 points at most.

    ``evidence`` maps "I-II" and "V-VI" to their counts and rates (0 to 1). What the card does not show, it has not
    shown to be good.
    """
    light, dark = evidence.get("I-II", {}), evidence.get("V-VI", {})
    if (dark.get("n") or 0) < MIN_TEST_PHOTOS:
        return False
    rates = [(_rate(light, key), _rate(dark, key)) for key in RECALL_KEYS]
    gaps = [first - second for first, second in rates if first is not None and second is not None]
    return bool(gaps) and gaps[0] <= MAX_RECALL_GAP + 1e-9


def _rate(group: Mapping[str, Any], key: str) -> float | None:
    """A rate stands alone or with its interval, as ``{"value", "low", "high", "n"}``."""
    rate = group.get(key)
    return rate.get("value") if isinstance(rate, Mapping) else rate


def review_deadline(tier: str, *, start: datetime, flagged: bool, hours: Mapping[str, float]) -> datetime:
    """The time by which a dermatologist should have looked at a case that was sent at ``start``.

    ``hours`` by tier and for ``flagged``: the most for a case with ``Triage.needs_review``. Raises KeyError for an
    unknown tier.
    """
    wait = min(hours[tier], hours["flagged"]) if flagged else hours[tier]
    return start + timedelta(hours=wait)
