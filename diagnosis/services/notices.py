"""E-mails without health data: queued with the event, sent once by a worker, stopped by a click."""

from __future__ import annotations

from datetime import timedelta
from smtplib import SMTPException
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from diagnosis.models import Case, MutedNotice, Notice, NoticeKind, Reminder
from diagnosis.notices import notice_mail
from smartderma.leases import send_again

log = structlog.get_logger(__name__)
KEPT_DAYS = 30


@transaction.atomic
def notice_queue(
    *, user: User | None, kind: str, event: str, case: Case | None = None, reminder: Reminder | None = None
) -> Notice | None:
    """An e-mail about a case or a reminder, sent after commit; None when the person does not want it.

    `event` names what happened: told twice of the same event, the person gets one e-mail. Cases of partners have no
    `user`: their news go out as webhooks.
    """
    if user is None or not user.is_active or user.muted_notices.filter(kind=kind).exists():
        return None
    notice, created = Notice.objects.get_or_create(
        user=user, key=notice_key(kind, event), defaults={"kind": kind, "case": case, "reminder": reminder}
    )
    if created:
        _send(notice)
    return notice


def notice_key(kind: str, event: str) -> str:
    """What an e-mail is told apart by, for each person."""
    return f"{kind}:{event}"


def _send(notice: Notice) -> None:
    from diagnosis.tasks import send_notice_task  # tasks import services

    send_notice_task.delay_on_commit(str(notice.pk))


def notice_deliver(*, notice: Notice) -> None:
    """Hand a claimed e-mail to the mail server. A server that refuses now is asked again by the sweeper."""
    if not _still_wanted(notice):
        notice.delete()
        return
    try:
        _message(notice).send()
    except (SMTPException, OSError) as error:
        _deliver_later(notice)
        log.warning("notice_not_sent", reason=type(error).__name__)
        return
    Notice.objects.filter(pk=notice.pk, status=Notice.Status.SENDING).update(
        status=Notice.Status.SENT, sent_at=timezone.now(), lease_until=None
    )


def _still_wanted(notice: Notice) -> bool:
    stopped = notice.reminder is not None and not notice.reminder.is_active
    return notice.user.is_active and not stopped and not notice.user.muted_notices.filter(kind=notice.kind).exists()


def _message(notice: Notice) -> EmailMessage:
    mail = notice_mail(notice)
    headers = {
        "List-Unsubscribe": f"<{mail.stop_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
    }
    return EmailMessage(mail.subject, mail.body, to=[notice.user.email], headers=headers)


def _deliver_later(notice: Notice) -> None:
    """SENDING -> QUEUED, or FAILED after the last attempt."""
    over = notice.attempts >= settings.NOTICE_MAX_ATTEMPTS
    Notice.objects.filter(pk=notice.pk, status=Notice.Status.SENDING).update(
        status=Notice.Status.FAILED if over else Notice.Status.QUEUED, queued_at=timezone.now(), lease_until=None
    )


def notices_sweep() -> dict[str, int]:
    """Bring back what a dead worker or a lost message left behind, and forget what is long done."""
    counts = {"requeued": 0, "resent": 0}
    for notice in Notice.objects.abandoned():
        _deliver_later(notice)
        counts["requeued"] += 1
    counts["resent"] = send_again(rows=Notice.objects.forgotten()[:1000], send=_send)
    old = timezone.now() - timedelta(days=KEPT_DAYS)
    over = [Notice.Status.SENT, Notice.Status.FAILED]
    Notice.objects.filter(status__in=over, queued_at__lt=old).delete()
    return counts


def notices_mute(*, user: User, kind: str) -> None:
    """No more e-mails of this kind; a second call changes nothing."""
    MutedNotice.objects.get_or_create(user=user, kind=kind)


@transaction.atomic
def notices_choose(*, user: User, wanted: set[str], offered: set[str]) -> None:
    """Of the kinds on the page exactly `wanted` are sent from now on."""
    user.muted_notices.filter(kind__in=wanted).delete()
    for kind in sorted(offered - wanted):
        notices_mute(user=user, kind=kind)


def case_notice(*, case: Case, kind: str, event: object) -> None:
    """Tell the patient of a case; `event` is the row that stands for what happened."""
    if case.patient_id is not None:
        notice_queue(user=case.patient, kind=kind, event=str(getattr(event, "pk", event)), case=case)


def mail_stop(*, kind: str, subject: Any) -> None:
    """Do what a signed stop link says: end one reminder, or mute one kind of e-mail to one person."""
    if kind == NoticeKind.REMINDER:
        Reminder.objects.filter(pk=subject, stopped_at=None).update(stopped_at=timezone.now())
        return
    user = User.objects.filter(pk=subject).first()
    if user is not None:
        notices_mute(user=user, kind=kind)
