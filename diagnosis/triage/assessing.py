"""The assessment: every rule speaks, the highest tier stands."""

from __future__ import annotations

from dataclasses import dataclass

from diagnosis.triage.facts import LOWEST, Answers, FiredRule, PredictionFacts, tier_rank
from diagnosis.triage.review import review_reasons
from diagnosis.triage.rules import RULES


@dataclass(frozen=True)
class Triage:
    """How urgent a case is and why.

    ``fired`` is sorted by urgency, the highest first. ``outcome`` is that of the model, ``not_run`` without one.
    ``safety_net`` says that the page must show which change should bring the person back; ``names_disease`` is False
    where the photo or the uncertainty forbids a disease name, and the page says "we cannot judge this" instead.
    """

    tier: str
    fired: tuple[FiredRule, ...]
    needs_review: bool
    review_reasons: tuple[str, ...]
    outcome: str
    safety_net: bool
    names_disease: bool


def assess(*, answers: Answers, prediction: PredictionFacts | None) -> Triage:
    """Apply every rule of ``RULES`` to cleaned answers and to a prediction (None: the model gave no result)."""
    fired = [fired for rule in RULES for fired in rule(answers, prediction)]
    fired.sort(key=lambda one: tier_rank(one.tier), reverse=True)
    tier = fired[0].tier if fired else LOWEST
    reasons = review_reasons(answers, prediction)
    return Triage(
        tier=tier,
        fired=tuple(fired),
        needs_review=bool(reasons),
        review_reasons=reasons,
        outcome=prediction.outcome if prediction else "not_run",
        safety_net=tier_rank(tier) < tier_rank("urgent"),
        names_disease=prediction is not None and prediction.judged,
    )
