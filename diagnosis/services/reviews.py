"""A review is asked for and signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from diagnosis.models import (
    Case,
    CaseEvent,
    EventKind,
    Review,
    WebhookEvent,
)
from diagnosis.services.steps import WrongState, report_send, review_time
from diagnosis.services.webhook_deliveries import event_publish

if TYPE_CHECKING:
    pass


@transaction.atomic
def review_request(*, case: Case, actor: User | None) -> Case:
    """Send a case to the dermatologists. A second request changes nothing."""
    case = Case.objects.select_for_update().get(pk=case.pk)
    if case.review_requested_at is None:
        case.review_requested_at = timezone.now()
        case.review_due_at = case.review_requested_at + review_time(case=case)
        case.save(update_fields=["review_requested_at", "review_due_at"])
        CaseEvent.objects.create(case=case, kind=EventKind.REVIEW_REQUESTED, actor=actor)
    return case


@transaction.atomic
def review_sign(*, case: Case, reviewer: User, seen_version: int = 0, **opinion: str) -> Review:
    """Append a signed opinion; `opinion` holds the fields of Review that the reader fills in.

    `seen_version` is the last version that the reader had on the screen. Raises WrongState when somebody else signed
    meanwhile or no review was asked for, ValidationError for bad fields, PermissionError without a verified licence.
    """
    if not reviewer.is_verified_dermatologist:
        raise PermissionError("Only a verified dermatologist signs.")
    case = Case.objects.select_for_update().get(pk=case.pk)
    licence = reviewer.dermatologist
    review = Review(
        case=case,
        version=_next_version(case, seen_version),
        reviewer=reviewer,
        reviewer_name=licence.full_name,
        reviewer_licence=f"{licence.licence_country} {licence.licence_number}",
        **opinion,
    )
    review.full_clean()
    review.save()
    kind = EventKind.REVIEW_SIGNED if review.version == 1 else EventKind.REVIEW_AMENDED
    CaseEvent.objects.create(case=case, kind=kind, actor=reviewer)
    news = WebhookEvent.REVIEW_COMPLETED if review.version == 1 else WebhookEvent.REVIEW_AMENDED
    event_publish(event=news, case=case, review_id=review.pk)
    report_send(case=case)
    return review


def _next_version(case: Case, seen_version: int) -> int:
    version = (case.reviews.aggregate(last=Max("version"))["last"] or 0) + 1
    if case.review_requested_at is None:
        raise WrongState(_("Nobody asked for a review of this case."))
    if version != seen_version + 1:
        raise WrongState(_("Another dermatologist signed this case while you were reading it. Please read it again."))
    return version
