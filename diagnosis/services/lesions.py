"""A spot is named, cases are filed under it, notes are written, reminders set and sent."""

from __future__ import annotations

import calendar
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services_own_data import hold_refuse
from diagnosis.models import Case, Lesion, LesionNote, NoticeKind, Reminder
from diagnosis.services.notices import notice_queue
from diagnosis.services.steps import WrongState

MAX_LESIONS = 200  # of one person; nobody follows more, and a list without end is no list
MAX_NOTES = 200  # of one spot


@transaction.atomic
def lesion_create(*, patient: User, body_site: str, name: str = "") -> Lesion:
    """A new spot. Raises WrongState when the person has very many already, ValidationError for a bad name."""
    User.objects.select_for_update().get(pk=patient.pk)
    if patient.lesions.count() >= MAX_LESIONS:
        raise WrongState(_("You follow very many spots already. Please delete one first."))
    lesion = Lesion(patient=patient, body_site=body_site, name=name)
    lesion.full_clean()
    lesion.save()
    return lesion


@transaction.atomic
def case_file(*, case: Case, lesion: Lesion | None) -> Case:
    """Put a case into the timeline of a spot of the same person, or take it out."""
    if lesion is not None and lesion.patient_id != case.patient_id:
        raise PermissionError("A case is filed under a spot of the same person only.")
    Case.objects.filter(pk=case.pk).update(lesion=lesion)
    case.lesion = lesion
    return case


@transaction.atomic
def case_file_as(*, case: Case, patient: User, lesion: Lesion | None, name: str = "") -> Case:
    """File under `lesion`, or under a new spot of that name where the case's photos were taken."""
    spot = lesion or lesion_create(patient=patient, body_site=case.body_site, name=name)
    return case_file(case=case, lesion=spot)


def lesion_rename(*, lesion: Lesion, name: str) -> Lesion:
    """Raises ValidationError for a bad name."""
    lesion.name = name
    lesion.full_clean()
    lesion.save(update_fields=["name"])
    return lesion


@transaction.atomic
def lesion_delete(*, lesion: Lesion) -> None:
    """The spot goes with its notes and reminder; its cases stay, filed under nothing. Raises OnHold."""
    hold_refuse(user=lesion.patient)
    Lesion.objects.filter(pk=lesion.pk).delete()


@transaction.atomic
def note_create(*, lesion: Lesion, text: str) -> LesionNote:
    """Raises WrongState when the spot has very many notes already, ValidationError for an empty or overlong text."""
    Lesion.objects.select_for_update().get(pk=lesion.pk)
    if lesion.notes.count() >= MAX_NOTES:
        raise WrongState(_("This spot has very many notes already. Please delete one first."))
    note = LesionNote(lesion=lesion, text=text)
    note.full_clean()
    note.save()
    return note


@transaction.atomic
def note_delete(*, lesion: Lesion, note_id: int) -> None:
    """A note that is gone already changes nothing. Raises OnHold."""
    hold_refuse(user=lesion.patient)
    lesion.notes.filter(pk=note_id).delete()


@transaction.atomic
def reminder_set(*, lesion: Lesion, months: int) -> Reminder:
    """ "Look again every `months` months", from today on; replaces an earlier reminder of this spot."""
    reminder = Reminder.objects.filter(lesion=lesion).first() or Reminder(lesion=lesion)
    reminder.months = months
    reminder.due_at = months_later(timezone.now(), months)
    reminder.stopped_at = None
    reminder.full_clean()
    reminder.save()
    return reminder


def reminder_stop(*, reminder_id) -> bool:
    """Stop for good; False when it was stopped already or is gone."""
    active = Reminder.objects.filter(pk=reminder_id, stopped_at=None)
    return bool(active.update(stopped_at=timezone.now()))


def reminders_stop(*, patient: User) -> int:
    """All reminders of a person, when the consent to care is taken back."""
    return Reminder.objects.filter(lesion__patient=patient, stopped_at=None).update(stopped_at=timezone.now())


def reminders_send(*, limit: int = 500) -> int:
    """Queue an e-mail for each reminder that is due; safe to run twice, or in two places at once."""
    due = Reminder.objects.filter(stopped_at=None, due_at__lte=timezone.now()).select_related("lesion__patient")
    return sum(_reminder_send(reminder) for reminder in due.order_by("due_at")[:limit])


@transaction.atomic
def _reminder_send(reminder: Reminder) -> bool:
    """The conditional UPDATE moves the date: of any number of workers one changes the row and queues the e-mail."""
    following = months_later(timezone.now(), reminder.months)
    due = Reminder.objects.filter(pk=reminder.pk, due_at=reminder.due_at, stopped_at=None)
    if not due.update(due_at=following):
        return False
    notice_queue(
        user=reminder.lesion.patient,
        kind=NoticeKind.REMINDER,
        event=f"{reminder.pk}:{reminder.due_at:%Y-%m-%d}",
        reminder=reminder,
    )
    return True


def months_later(start: datetime, months: int) -> datetime:
    """The same day `months` later, or the last day of a month that has no such day."""
    year, month = divmod(start.month - 1 + months, 12)
    year, month = start.year + year, month + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return start.replace(year=year, month=month, day=day)
