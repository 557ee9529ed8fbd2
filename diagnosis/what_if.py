"""What would change the answer: which signs would raise the urgency, and what would make the result clearer.

The signs are not a list of warnings: each is put into the person's own answers and the rules are asked again, so only
what would really change this result is said. The rules about the photos are left out; they need no sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from diagnosis import triage
from diagnosis.facts import CaseFacts
from diagnosis.questions.schema import Text

CLOSE_CALL = 0.15  # below this distance another photo of the same spot often swaps the first two


@dataclass(frozen=True)
class Sign:
    """Answers that may still come, in words; `dark_only`: it says something of dark spots only."""

    text: Text
    answers: Mapping[str, tuple[str, ...]]
    dark_only: bool = False


SIGNS = (
    Sign(
        gettext_lazy("The skin gets hot and painful, and you have a fever or chills."),
        {"symptoms": ("hot", "pain"), "whole_body": ("fever",)},
    ),
    Sign(
        gettext_lazy("You get a fever together with blisters or a rash in many places."),
        {"texture": ("blisters",), "whole_body": ("fever",)},
    ),
    Sign(gettext_lazy("It grows fast, within weeks."), {"changes": ("fast_growth",)}),
    Sign(gettext_lazy("A sore has not healed after 4 weeks."), {"changes": ("not_healing",)}),
    Sign(
        gettext_lazy("The dark spot changes its size, shape or colour."),
        {"seven_point": ("change_size", "irregular_shape", "irregular_colour")},
        dark_only=True,
    ),
    Sign(gettext_lazy("You feel new lumps in the neck, armpit or groin."), {"whole_body": ("lumps",)}, dark_only=True),
)


def more_urgent_if(facts: CaseFacts, tier: str) -> list[dict[str, str]]:
    """Signs that would raise `tier`, the most urgent first, each with the tier that it would give."""
    dark = facts.answers.get("pigmented") == "yes"
    found = [(sign, _tier_with(facts.answers, sign)) for sign in SIGNS if dark or not sign.dark_only]
    higher = [(sign, new) for sign, new in found if triage.tier_rank(new) > triage.tier_rank(tier)]
    higher.sort(key=lambda pair: -triage.tier_rank(pair[1]))
    return [{"text": str(sign.text), "tier": str(triage.tier_label(new)), "code": new} for sign, new in higher]


def _tier_with(answers: Mapping[str, Any], sign: Sign) -> str:
    more = {key: [*_as_list(answers.get(key)), *codes] for key, codes in sign.answers.items()}
    return triage.assess(answers={**answers, **more}, prediction=None).tier


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value] if value else []


def clearer_with(facts: CaseFacts, advice: list[str]) -> list[str]:
    """What would make the result surer; `advice` is what would make these photos better."""
    sentences = list(advice)
    if len(facts.photos) == 1:
        sentences.append(_("More photos of the same spot: one at an angle, and one from a distance."))
    first, second = [*sorted(facts.probabilities.values(), reverse=True), 0.0, 0.0][:2]
    if facts.outcome == "assessed" and first - second < CLOSE_CALL:
        sentences.append(_("The first two on the list are close together: another photo may turn them round."))
    sentences.append(_("A clinician who sees and feels your skin. Their word counts more than this result."))
    return sentences
