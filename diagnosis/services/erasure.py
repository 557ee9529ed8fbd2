"""What goes for good: a case, a person's part of this app, what may no longer be kept, files that nobody owns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

import structlog
from django.apps import apps
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import FileField
from django.utils import timezone

from accounts.erasure import doomed_with
from accounts.models import Consent, ErasureCertificate, Purpose, User
from accounts.services_own_data import OnHold, certificate_create, hold_refuse
from diagnosis.models import Analysis, Case, Lesion, PendingDeletion, ReviewState, WebhookEvent
from diagnosis.services.answered_requests import requests_forget
from diagnosis.services.files import files_delete_pending
from diagnosis.services.intake import intake_erase
from diagnosis.services.lesions import reminders_stop
from diagnosis.services.photo_requests import photo_requests_withdraw
from diagnosis.services.uploads import uploads_erase
from diagnosis.services.webhook_deliveries import event_publish

log = structlog.get_logger(__name__)
BATCH = 500
ORPHAN_AGE = timedelta(hours=1)  # longer than anybody takes from writing a file to writing its row


@transaction.atomic
def case_erase(*, case: Case) -> ErasureCertificate | None:
    """Delete a case with every row and file made from it; the files go after commit. None when it is gone already.

    The keys are written down with the deletion: what a storage refuses now, the sweeper deletes later. Raises OnHold
    while a legal hold stands on the patient's data.
    """
    hold_refuse(user=case.patient)
    fresh = Case.objects.select_for_update().filter(pk=case.pk).first()  # no prefetched list may hide a new row
    if fresh is None:
        return None
    return _case_erase(fresh)


def _case_erase(case: Case) -> ErasureCertificate:
    gone = doomed_with(case)
    analyses = [analysis.pk for analysis in case.analyses.all()]
    event_publish(event=WebhookEvent.DATA_ERASED, case=case, analysis_ids=analyses)
    requests_forget(case=case)
    case.delete()
    files_forget(keys=gone.files)
    return certificate_create(scope=ErasureCertificate.Scope.CASE, gone=gone)


def files_forget(*, keys: Collection[str]) -> None:
    """Write down that these files must go, and delete them after commit; one that is named twice goes once."""
    PendingDeletion.objects.bulk_create((PendingDeletion(key=key) for key in set(keys)), ignore_conflicts=True)
    transaction.on_commit(files_delete_pending)


def cases_expire() -> int:
    """Erase what may no longer be kept (see `CaseQuerySet.expired`); returns how many cases went."""
    count = 0
    for case in Case.objects.expired().filter(patient__legal_holds=None)[:BATCH]:
        try:
            count += case_erase(case=case) is not None
        except OnHold:  # placed a moment ago
            continue
        except Exception:  # one case that cannot go now must not keep all others
            log.exception("case_not_expired", case=str(case.pk))
    lesions_expire()
    return count


def lesions_expire() -> int:
    """A spot without any check says where somebody had a problem: without consent to storage it goes as well."""
    keeping = Consent.objects.in_force().filter(purpose=Purpose.STORAGE).values("user")
    day_ago = timezone.now() - timedelta(days=1)
    empty = Lesion.objects.filter(cases=None, created_at__lt=day_ago, patient__legal_holds=None)
    return empty.exclude(patient__in=keeping).delete()[0]


def _cases_lock(user: User) -> None:
    """Cases before their analyses, as the workers lock them."""
    list(Case.objects.select_for_update().filter(patient=user).order_by("pk").values_list("pk"))


# --- for accounts.registry -----------------------------------------------------------------------------------------
def cases_leave(*, user: User) -> None:
    """A dermatologist who leaves gives back the cases that are held."""
    Case.objects.filter(review_holder=user).update(review_holder=None, review_lease_until=None)


def person_erase(*, user: User, keys: Sequence[str]) -> None:
    """The rows go by cascade with the account; here go the files."""
    _cases_lock(user)
    files_forget(keys=keys)


@transaction.atomic
def consents_withdraw(*, user: User, purposes: Collection[str]) -> None:
    """Without consent to care nothing more is done with the photos: no check, no review, no reminder, no upload.

    What was not sent yet goes, unless a legal hold stands; then it goes with its time, once the hold has ended.
    A case that one dermatologist has read and signed already is a record, and is read to its end.
    Storage: the retention time decides from now on (`CaseQuerySet.expired`). Research: the next export leaves them out.
    """
    if Purpose.CARE not in purposes:
        return
    _cases_lock(user)
    unfinished = [Analysis.Status.QUEUED, Analysis.Status.RUNNING]
    Analysis.objects.filter(case__patient=user, status__in=unfinished).update(
        status=Analysis.Status.FAILED, failure="consent", finished_at=timezone.now(), lease_until=None
    )
    unread = Case.objects.filter(patient=user, review_requested_at__isnull=False, reviews=None, reads=None)
    photo_requests_withdraw(cases=unread)
    unread.update(
        review_state=ReviewState.NONE,
        review_requested_at=None,
        review_due_at=None,
        review_holder=None,
        review_lease_until=None,
    )
    reminders_stop(patient=user)
    try:
        hold_refuse(user=user)
    except OnHold:
        return
    uploads_erase(owner=user)
    intake_erase(patient=user)


# --- files without a row -------------------------------------------------------------------------------------------
def orphans_forget() -> int:
    """Delete files that no row names; returns how many.

    They come from a process that died between writing a file and its row, or from a report that was written while its
    case was erased. Looks only into folders that file fields write to.
    """
    count = 0
    for keys in _batches_of_stored_files():
        orphans = [key for key in sorted(keys - _keys_with_a_row(keys)) if _is_old(key)]
        if orphans:
            files_forget(keys=orphans)
        count += len(orphans)
    return count


def _batches_of_stored_files() -> Iterator[set[str]]:
    for folder in sorted({_folder_of(field) for field in _file_fields()}):
        try:
            names = default_storage.listdir(folder)[1]
        except FileNotFoundError:
            continue
        for start in range(0, len(names), BATCH):
            yield {f"{folder}/{name}" for name in names[start : start + BATCH]}


def _file_fields() -> Iterator[FileField]:
    for model in apps.get_models():
        yield from (field for field in model._meta.concrete_fields if isinstance(field, FileField))


def _folder_of(field: FileField) -> str:
    """The folder that a field's keys begin with: `photos` of `photos/<random>.jpg`."""
    return field.generate_filename(field.model(), "x").split("/")[0]


def _keys_with_a_row(keys: set[str]) -> set[str]:
    found: set[str] = set()
    for field in _file_fields():
        rows = field.model._base_manager.filter(**{f"{field.name}__in": keys})
        found |= set(rows.values_list(field.name, flat=True))
    return found


def _is_old(key: str) -> bool:
    try:
        return default_storage.get_modified_time(key) < timezone.now() - ORPHAN_AGE
    except FileNotFoundError:
        return False
