"""Messages between a patient and the dermatologists of a case."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from diagnosis.images import InspectedPhoto
from diagnosis.models import Case, Message, MessageAttachment, Notice, NoticeKind
from diagnosis.services.files import files_vanish_on_failure
from diagnosis.services.notices import notice_key, notice_queue
from diagnosis.services.steps import WrongState


def message_send(
    *,
    case: Case,
    author: User,
    text: str,
    photos: Sequence[InspectedPhoto] = (),
    submission_key: uuid.UUID | None = None,
) -> Message:
    """Append a message with its photos; the other side is told by e-mail, once until somebody there has read it.

    The same `submission_key` gives the same message. Raises WrongState when no dermatologist was asked, when nothing
    was written, or when the author has written too much within an hour; ValidationError for an overlong text.
    """
    key = submission_key or uuid.uuid4()
    earlier = Message.objects.filter(case=case, submission_key=key).first()
    if earlier:
        return earlier
    try:
        with files_vanish_on_failure() as stored, transaction.atomic():
            locked = Case.objects.select_for_update().get(pk=case.pk)
            _refuse_wrong_state(locked, author, text, photos)
            message = _message_create(locked, author, text, key)
            for position, photo in enumerate(photos):
                _attachment_create(message, position, photo, stored)
            _tell_other_side(message)
    except IntegrityError:
        return Message.objects.get(case=case, submission_key=key)  # a parallel request was faster
    return message


def _refuse_wrong_state(case: Case, author: User, text: str, photos: Sequence[InspectedPhoto]) -> None:
    if case.review_requested_at is None:
        raise WrongState(_("Please ask a dermatologist first. Until then nobody would read your message."))
    if not text.strip() and not photos:
        raise WrongState(_("Please write something or add a photo."))
    since = timezone.now() - timedelta(hours=1)
    if Message.objects.filter(author=author, sent_at__gt=since).count() >= settings.MAX_MESSAGES_PER_HOUR:
        raise WrongState(_("You have written many messages. Please wait an hour."))


def _message_create(case: Case, author: User, text: str, key: uuid.UUID) -> Message:
    own = case.patient_id == author.pk
    if not own and not author.is_verified_dermatologist:
        raise PermissionError("Only the patient and verified dermatologists write in a case.")
    message = Message(
        case=case,
        author=author,
        author_name="" if own else author.dermatologist.full_name,
        from_patient=own,
        submission_key=key,
        text=text.strip(),
    )
    message.full_clean(validate_constraints=False)
    message.save()
    return message


def _attachment_create(message: Message, position: int, photo: InspectedPhoto, stored: list[str]) -> None:
    attachment = MessageAttachment(
        message=message, position=position, sha256=photo.sha256, width=photo.width, height=photo.height
    )
    attachment.file.save("photo.jpg", ContentFile(photo.jpeg), save=False)
    stored.append(str(attachment.file.name))
    attachment.full_clean()
    attachment.save()


def _tell_other_side(message: Message) -> None:
    """No second e-mail to somebody who was told of a message that still waits unread: this person knows of news."""
    case, kind = message.case, NoticeKind.NEW_MESSAGE
    waiting = Message.objects.filter(case=case, from_patient=message.from_patient).unread().exclude(pk=message.pk)
    told = Notice.objects.filter(kind=kind, key__in=[notice_key(kind, str(one.pk)) for one in waiting])
    for person in dermatologists_of(case=case) if message.from_patient else [case.patient]:
        if not told.filter(user=person).exists():
            notice_queue(user=person, kind=kind, event=str(message.pk), case=case)


def dermatologists_of(*, case: Case) -> list[User]:
    """Those who signed or wrote in this case and are still here."""
    people = set(case.reviews.values_list("reviewer", flat=True))
    people |= set(case.messages.filter(from_patient=False).values_list("author", flat=True))
    return [person for person in User.objects.filter(pk__in=people - {None}) if person.is_verified_dermatologist]


def messages_read(*, case: Case, reader: User) -> int:
    """The reader has seen the other side's messages; returns how many were new. A dermatologist who only looks into
    the case of a colleague reads nothing on the colleague's behalf."""
    return Message.objects.filter(case=case).waiting_for(reader).update(read_at=timezone.now())
