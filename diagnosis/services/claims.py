"""Who works on a case now: taken, kept while the page is open, given back; and what happens when nobody does."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.language import language_of
from accounts.models import Role, User
from diagnosis.models import Case, CaseEvent, EventKind, ReviewState
from diagnosis.services.steps import WrongState

ESCALATED_AT_ONCE = 500


@transaction.atomic
def case_take(*, case: Case, reader: User) -> Case:
    """Take a case, or keep it; the row, locked and fresh.

    Raises WrongState with the reason when somebody else holds it, it needs other eyes or nobody asked for a review,
    PermissionError without a verified licence.
    """
    if not reader.is_verified_dermatologist:
        raise PermissionError("Only a verified dermatologist reads cases.")
    before = Case.objects.select_for_update().get(pk=case.pk)
    if not Case.objects.hold(case.pk, reader):
        raise WrongState(_refusal(before, reader))
    if not before.is_held_by(reader):
        CaseEvent.objects.create(case=case, kind=EventKind.REVIEW_TAKEN, actor=reader)
    return Case.objects.get(pk=case.pk)


def _refusal(case: Case, reader: User) -> str:
    if case.review_state == ReviewState.NONE:
        return _("Nobody asked for a review of this case.")
    if case.reads.filter(reader=reader).exists() and case.review_state in ReviewState.OTHER_EYES:
        return _("You have read this case already. It waits for another dermatologist.")
    return _("Another dermatologist works on this case now.")


def case_keep(*, case_id: uuid.UUID, reader: User) -> bool:
    """The page is still open: the lease starts anew. False once somebody else has the case or it was given back."""
    until = timezone.now() + timedelta(seconds=settings.REVIEW_LEASE_SECONDS)
    return bool(Case.objects.filter(pk=case_id, review_holder=reader).update(review_lease_until=until))


@transaction.atomic
def case_release(*, case: Case, reader: User) -> bool:
    """Give a case back to the queue. False when this person does not hold it."""
    changed = Case.objects.filter(pk=case.pk, review_holder=reader).update(review_holder=None, review_lease_until=None)
    if changed:
        CaseEvent.objects.create(case=case, kind=EventKind.REVIEW_RELEASED, actor=reader)
    return bool(changed)


@transaction.atomic
def reviews_escalate() -> int:
    """Mark cases whose deadline has passed and tell the operators and who is on call; each case once.

    The mail goes out inside the transaction: when the mail server refuses, nothing is marked and the next run tries.
    """
    marked = [
        pk for pk in _overdue() if Case.objects.overdue().filter(pk=pk).update(review_escalated_at=timezone.now())
    ]
    CaseEvent.objects.bulk_create(CaseEvent(case_id=pk, kind=EventKind.REVIEW_OVERDUE) for pk in marked)
    if marked:
        _mail_overdue(len(marked))
    return len(marked)


def _overdue() -> list[uuid.UUID]:
    return list(Case.objects.overdue().order_by("review_due_at").values_list("pk", flat=True)[:ESCALATED_AT_ONCE])


def _mail_overdue(count: int) -> None:
    """How many, and where to look: nothing about any person."""
    operators = User.objects.filter(role=Role.OPERATOR, is_active=True)
    languages = dict.fromkeys(settings.ON_CALL_EMAILS, settings.LANGUAGE_CODE)
    languages |= {operator.email: language_of(operator) for operator in operators}
    for address, language in sorted(languages.items()):
        with translation.override(language):
            _mail_overdue_to(address, count)


def _mail_overdue_to(address: str, count: int) -> None:
    title = ngettext("%(count)s review is late", "%(count)s reviews are late", count) % {"count": count}
    context = {"title": title, "queue": settings.SITE_URL + reverse("review_queue") + "?late=on"}
    body = render_to_string("diagnosis/review_overdue_mail.txt", context)
    send_mail(_("[Smart Derma] %(title)s") % {"title": title}, body, None, [address])
