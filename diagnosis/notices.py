"""What an e-mail says: that there is news and where to read it. Never what the news is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core import signing
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.language import speaking_to
from accounts.models import Role, User
from diagnosis.models import Notice, NoticeKind

SALT = "smartderma.stop-e-mails"

# Subject and the one sentence of the body. A reader over the shoulder learns nothing about anybody's health.
TEXTS: dict[str, tuple[Promise, Promise]] = {
    NoticeKind.RESULT_READY: (_("There is news for you"), _("Something that you asked us for is ready to read.")),
    NoticeKind.REVIEW_SIGNED: (_("You have an answer"), _("There is an answer to your question.")),
    NoticeKind.REVIEW_AMENDED: (_("An answer was changed"), _("An answer that you have read was changed.")),
    NoticeKind.PHOTOS_ASKED: (_("We need something from you"), _("Somebody needs a little more from you to answer.")),
    NoticeKind.NEW_MESSAGE: (_("You have a new message"), _("Somebody has written to you.")),
    NoticeKind.REMINDER: (_("Your reminder"), _("You asked us to remind you. Please log in to see of what.")),
}
KINDS_OF_ROLE = {
    Role.PATIENT: tuple(TEXTS),
    Role.DERMATOLOGIST: (NoticeKind.NEW_MESSAGE,),
}


@dataclass(frozen=True)
class Mail:
    """Subject, plain text, and the address that stops this kind of e-mail."""

    subject: str
    body: str
    stop_url: str


def notice_mail(notice: Notice) -> Mail:
    """The e-mail of a notice in its reader's language."""
    with speaking_to(notice.user):
        subject, sentence = TEXTS[notice.kind]
        stop_url = settings.SITE_URL + reverse("mail_stop", args=[stop_token(notice)])
        context = {"sentence": sentence, "link": settings.SITE_URL + _path(notice), "stop_url": stop_url}
        return Mail(f"[Smart Derma] {subject}", render_to_string("diagnosis/notice_mail.txt", context), stop_url)


def _path(notice: Notice) -> str:
    """The page where the news stand, behind the log-in."""
    if notice.reminder is not None:
        return reverse("lesion_detail", args=[notice.reminder.lesion_id])
    if notice.kind == NoticeKind.NEW_MESSAGE:
        return reverse("message_list", args=[notice.case_id])
    return reverse("case_detail", args=[notice.case_id])


def stop_token(notice: Notice) -> str:
    """Signed, so that nobody can make one: it stops one reminder, or one kind of e-mail to one person."""
    if notice.reminder_id is not None:
        return signing.dumps(["reminder", str(notice.reminder_id)], salt=SALT)
    return signing.dumps([notice.kind, notice.user_id], salt=SALT)


def read_stop_token(token: str) -> tuple[str, Any] | None:
    """("reminder", its id) or (kind, id of the person); None for a token that we did not make."""
    try:
        kind, subject = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return kind, subject


def kinds_offered(user: User) -> tuple[str, ...]:
    """The kinds of e-mail that a person of this role can get."""
    return KINDS_OF_ROLE.get(Role(user.role), ())
