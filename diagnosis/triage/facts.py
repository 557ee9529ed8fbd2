"""What the rules look at, and what they give back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ml.taxonomy import BY_SLUG, TIERS
from ml.tiers import tier_from_probabilities

Answers = Mapping[str, Any]
LOWEST = TIERS[0]
OUTCOMES = ("assessed", "inconclusive", "unusable")
IMAGE_REASONS = ("poor_image", "not_skin", "out_of_distribution", "wide_prediction_set", "members_disagree")


def tier_rank(tier: str) -> int:
    """0 (self-care) to 4 (emergency). Raises ValueError for an unknown tier."""
    return TIERS.index(tier)


@dataclass(frozen=True)
class FiredRule:
    """One rule that spoke: its code, the tier it asks for and what it saw (an option, a class or a score)."""

    code: str
    tier: str
    detail: str = ""


@dataclass(frozen=True)
class PredictionFacts:
    """The numbers of one prediction that the rules look at.

    ``probabilities`` (0 to 1, by class), ``prediction_set``, ``outcome`` and ``reasons`` come from
    ``ml.serving.combine``; ``thresholds`` (for every trained cancer class), ``trained_classes`` and
    ``fitzpatrick_evidence`` (``metrics.test.fitzpatrick``) from the release. Raises ValueError on values that
    would make a rule silent by mistake.
    """

    outcome: str
    probabilities: Mapping[str, float]
    prediction_set: tuple[str, ...]
    reasons: tuple[str, ...]
    thresholds: Mapping[str, float]
    trained_classes: tuple[str, ...]
    fitzpatrick_evidence: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_names()
        self._check_numbers()
        if self.outcome == "assessed" and not self.prediction_set:
            raise ValueError("an assessed photo needs at least one class in its prediction set")
        if self.outcome == "inconclusive" and not self.reasons:
            raise ValueError("an inconclusive photo needs a reason")

    def _check_names(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"unknown outcome {self.outcome!r}")
        slugs = {*self.probabilities, *self.prediction_set, *self.thresholds, *self.trained_classes}
        if unknown := slugs - BY_SLUG.keys():
            raise ValueError(f"unknown classes {sorted(unknown)}")
        if unknown := set(self.reasons) - set(IMAGE_REASONS):
            raise ValueError(f"unknown reasons {sorted(unknown)}")

    def _check_numbers(self) -> None:
        for slug, value in self.probabilities.items():
            if not (math.isfinite(value) and 0 <= value <= 1):
                raise ValueError(f"probability of {slug} is {value}")
        cancers = {slug for slug in self.trained_classes if BY_SLUG[slug].is_cancer_class}
        if missing := cancers - self.thresholds.keys():
            raise ValueError(f"the release has no threshold for {sorted(missing)}")

    @property
    def judged(self) -> bool:
        """True if a disease may be named: neither the photo nor the uncertainty stands against it."""
        return self.outcome == "assessed" and not self.reasons

    @cached_property
    def over_threshold(self) -> tuple[str, ...]:
        """Cancer classes at or above the probability that the release chose for sensitivity."""
        return tuple(
            slug
            for slug, probability in self.probabilities.items()
            if tier_from_probabilities({slug: probability}, (), self.thresholds) != LOWEST
        )

    @cached_property
    def possible(self) -> frozenset[str]:
        """Every class that the photo may show: the prediction set and the cancer classes over their threshold."""
        return frozenset(self.prediction_set) | frozenset(self.over_threshold)


Rule = Callable[[Answers, PredictionFacts | None], tuple[FiredRule, ...]]


def has(answers: Answers, key: str, *codes: str) -> bool:
    """True if the answer to ``key`` is, or contains, one of ``codes``. No answer is never a yes."""
    value = answers.get(key)
    chosen = value if isinstance(value, list | tuple) else [value]
    return any(code in chosen for code in codes)
