"""Blind first read: what the model says stays closed to a reader until a first opinion is stored.

Everything that shows or hints at the model's result to a dermatologist asks `model_is_open` (through access.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings

from accounts.models import Role, User
from diagnosis import triage
from diagnosis.facts import CaseFacts
from diagnosis.models import Case, FirstOpinion, ReviewState


def model_is_open(*, user: User, case: Case) -> bool:
    """May this person see now what the model says of the case? Once it is signed, everybody who may see it."""
    if not settings.BLIND_FIRST_READ or user.role != Role.DERMATOLOGIST or case.review_state == ReviewState.DONE:
        return True
    return first_opinion(user=user, case=case) is not None


def reads_are_open(*, user: User, case: Case) -> bool:
    """May this person see what other readers wrote? A second reader never; a third once an own opinion is possible."""
    if user.role != Role.DERMATOLOGIST or case.review_state not in ReviewState.OTHER_EYES:
        return True
    return case.review_state == ReviewState.THIRD and model_is_open(user=user, case=case)


def first_opinion(*, user: User, case: Case) -> FirstOpinion | None:
    """What this person stored before the panel opened, for the photos that the case has now.

    A page asks several times: the case of a page brings it along (`access.py`).
    """
    now = (user.pk, len(case.images.all()))
    known = [case.own_first] if hasattr(case, "own_first") else case.first_opinions.all()
    return next((one for one in known if one and (one.reader_id, one.photos) == now), None)


def without_model(facts: CaseFacts) -> CaseFacts:
    """The same case as if no model had looked: photos, answers, and the rules that the answers alone set off."""
    alone = triage.assess(answers=facts.answers, prediction=None)
    closed: Mapping[str, Any] = {
        "status": "none",
        "outcome": "",
        "fired": [{"code": rule.code, "tier": rule.tier, "detail": rule.detail} for rule in alone.fired],
        "review_reasons": alone.review_reasons,
        "reasons": (),
        "probabilities": {},
        "prediction_set": (),
        "members": (),
        "disagreement": None,
        "photos": [replace(photo, outcome="", focus="", finding_id=None, quality={}) for photo in facts.photos],
    }
    return replace(facts, **closed)
