"""Where a case stands, as its patient sees it; one definition for the list's words and for its filter."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Count, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from diagnosis.models import Analysis, Case, CaseQuerySet, Message, ReviewState


class Stage(models.TextChoices):
    CHECKING = "checking", _("Being checked")
    CHECKED = "checked", _("Checked by the computer")
    UNFINISHED = "unfinished", _("Check not finished")
    ASKED = "asked", _("With a dermatologist")
    PHOTOS = "photos", _("New photos asked for")
    ANSWERED = "answered", _("Answered by a dermatologist")
    AMENDED = "amended", _("Answer changed")


TONES = {
    Stage.UNFINISHED: "tone-warn",
    Stage.ASKED: "tone-info",
    Stage.PHOTOS: "tone-warn",
    Stage.ANSWERED: "tone-good",
    Stage.AMENDED: "tone-good",
}
RUNNING = (Analysis.Status.QUEUED, Analysis.Status.RUNNING)
NOT_SENT = Q(review_requested_at=None)
UNANSWERED = Q(signed=0, review_requested_at__isnull=False)
FILTERS: dict[str, Q] = {
    Stage.CHECKING: NOT_SENT & Q(last_status__in=RUNNING),
    Stage.CHECKED: NOT_SENT & Q(last_status=Analysis.Status.DONE),
    Stage.UNFINISHED: NOT_SENT & Q(last_status=Analysis.Status.FAILED),
    Stage.ASKED: UNANSWERED & ~Q(review_state=ReviewState.PHOTOS),
    Stage.PHOTOS: Q(review_state=ReviewState.PHOTOS),
    Stage.ANSWERED: Q(signed=1) & ~Q(review_state=ReviewState.PHOTOS),
    Stage.AMENDED: Q(signed__gt=1) & ~Q(review_state=ReviewState.PHOTOS),
}


def with_history(cases: CaseQuerySet) -> CaseQuerySet:
    """Cases with `last_status`, `signed` (versions) and `new_messages` (of dermatologists, unread)."""
    analyses = Analysis.objects.filter(case=OuterRef("pk")).order_by("-queued_at", "-pk")
    versions = Case.objects.filter(pk=OuterRef("pk")).annotate(n=Count("reviews")).values("n")
    unread = Message.objects.filter(case=OuterRef("pk"), from_patient=False).unread().order_by()
    counted = unread.values("case").annotate(n=Count("pk")).values("n")
    return cases.annotate(
        last_status=Subquery(analyses.values("status")[:1]),
        signed=Subquery(versions),
        new_messages=Coalesce(Subquery(counted), Value(0)),
    )


def in_stage(cases: CaseQuerySet, stage: str) -> CaseQuerySet:
    """Those of `with_history` that stand at `stage`; all of them for an unknown one."""
    return cases.filter(FILTERS[stage]) if stage in FILTERS else cases


def stage_of(case: Any) -> Stage:
    """Where a case of `with_history` stands."""
    if case.review_state == ReviewState.PHOTOS:
        return Stage.PHOTOS
    if case.signed:
        return Stage.ANSWERED if case.signed == 1 else Stage.AMENDED
    if case.review_requested_at is not None:
        return Stage.ASKED
    if case.last_status in RUNNING:
        return Stage.CHECKING
    return Stage.CHECKED if case.last_status == Analysis.Status.DONE else Stage.UNFINISHED
