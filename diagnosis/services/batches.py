"""A batch is taken in, read item by item in turns, and its file goes. Safe to run twice, at any point."""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from rest_framework import exceptions

from accounts.models import PartnerKey
from accounts.services_partners import QuotaExceeded
from diagnosis import images
from diagnosis.batches import BatchUnreadable, Item, ItemRefused, read_items
from diagnosis.models import Batch, BatchItem, Case, Upload
from diagnosis.partner_request import Asked, BatchItemFields
from diagnosis.services.partner_cases import TooManyAtOnce, case_tighten, duplicate_find, partner_case_submit
from diagnosis.services.steps import WrongState
from diagnosis.services.uploads import UploadError, upload_erase, upload_spool
from smartderma.api import error_list

# One turn of a worker; after it the batch waits its turn again, so that no batch holds up those of others.
TURN_SECONDS = 120
LEASE = timedelta(seconds=TURN_SECONDS + 60)
KEEP_UPLOAD = timedelta(days=7)
MAX_ATTEMPTS = 3  # turns in a row in which the worker died


@transaction.atomic
def batch_create(*, key: PartnerKey, upload: Upload, kind: str, language: str) -> Batch:
    """Queue a batch from a whole upload. Raises UploadError `incomplete`, WrongState when the upload is in use."""
    if not upload.is_whole:
        raise UploadError("incomplete", _("The file has not arrived completely. Please send the rest of it."))
    now = timezone.now()
    batch = Batch(
        partner_id=key.partner_id,
        key=key,
        sandbox=key.sandbox,
        kind=kind,
        language=language,
        upload=upload,
        lease_until=now + LEASE,
    )
    Upload.objects.filter(pk=upload.pk).update(expires_at=now + KEEP_UPLOAD)
    try:
        with transaction.atomic():
            batch.save(force_insert=True)
    except IntegrityError as error:
        raise WrongState(_("This upload belongs to another batch.")) from error
    batch_tell(batch=batch)
    return batch


def batch_tell(*, batch: Batch) -> None:
    """Tell the workers, after commit. Losing the message is harmless: the sweeper tells them again."""
    from diagnosis.tasks import run_batch_task  # tasks import services

    run_batch_task.delay_on_commit(str(batch.pk))


def batch_claim(*, batch_id: str) -> Batch | None:
    """Take a batch that waits or whose worker died; None when somebody else has it (a conditional UPDATE)."""
    now, token = timezone.now(), uuid.uuid4()
    waiting = Batch.objects.filter(pk=batch_id, status=Batch.Status.QUEUED)
    abandoned = Batch.objects.filter(pk=batch_id, status=Batch.Status.RUNNING, lease_until__lt=now)
    change = {
        "status": Batch.Status.RUNNING,
        "claim_token": token,
        "lease_until": now + LEASE,
        "attempts": F("attempts") + 1,
    }
    if not (waiting.update(**change) or abandoned.update(**change)):
        return None
    return Batch.objects.select_related("upload", "key__partner").get(pk=batch_id)


def batch_run(*, batch: Batch) -> None:
    """Read items until all are read or the turn is over. One bad item never stops the rest."""
    if not (batch.key.is_usable and batch.key.partner.active):
        return _finish(batch, Batch.Status.FAILED, failure="key_over")
    if batch.attempts > MAX_ATTEMPTS:
        return _finish(batch, Batch.Status.FAILED, failure="crashed")
    deadline = time.monotonic() + TURN_SECONDS
    done = set(batch.items.values_list("number", flat=True))
    try:
        with translation.override(batch.language), _spooled(batch) as file:
            for item in read_items(file, batch.kind):
                if item.number not in done:
                    _item_run(batch, item)
                    if time.monotonic() > deadline or not _lease_renew(batch):
                        return _turn_end(batch)
    except BatchUnreadable as error:
        return _finish(batch, Batch.Status.FAILED, failure=str(error))
    return _finish(batch, Batch.Status.DONE)


@contextmanager
def _spooled(batch: Batch) -> Iterator[IO[bytes]]:
    """The file on this machine's disk. Raises BatchUnreadable when it is gone or damaged."""
    if batch.upload is None:
        raise BatchUnreadable("file_gone")
    try:
        with upload_spool(upload=batch.upload) as file:
            yield file
    except UploadError as error:
        raise BatchUnreadable(error.code) from error


def _lease_renew(batch: Batch) -> bool:
    """False when the batch was stopped or another worker has it."""
    mine = Batch.objects.filter(pk=batch.pk, claim_token=batch.claim_token, status=Batch.Status.RUNNING)
    return bool(mine.update(lease_until=timezone.now() + LEASE))


@transaction.atomic
def _turn_end(batch: Batch) -> None:
    mine = Batch.objects.filter(pk=batch.pk, claim_token=batch.claim_token, status=Batch.Status.RUNNING)
    if mine.update(status=Batch.Status.QUEUED, claim_token=None, attempts=0):
        batch_tell(batch=batch)


@transaction.atomic
def _finish(batch: Batch, status: str, failure: str = "") -> None:
    mine = Batch.objects.filter(pk=batch.pk, claim_token=batch.claim_token, status=Batch.Status.RUNNING)
    total = batch.items.count()
    if mine.update(status=status, failure=failure, total=total, finished_at=timezone.now(), claim_token=None):
        _upload_erase(batch)


def _upload_erase(batch: Batch) -> None:
    if batch.upload is not None:
        upload_erase(upload=batch.upload)


def _item_run(batch: Batch, item: Item) -> None:
    """One row for one item, whatever comes of it."""
    row = BatchItem(batch=batch, number=item.number, ref=item.ref, problems=list(item.problems))
    if not item.problems:
        try:
            row.case, row.duplicate = _item_submit(batch, item)
        except ItemRefused as refusal:
            row.problems = [refusal.problem]
        except exceptions.ValidationError as error:
            row.problems = error_list(error.detail)
        except ValidationError as error:
            row.problems = [{"pointer": "/photos", "code": str(e.code), "message": e.messages[0]} for e in _each(error)]
        except (QuotaExceeded, TooManyAtOnce) as error:
            row.problems = [{"pointer": "", "code": "quota_exceeded", "message": str(error)}]
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return  # a worker whose lease had run out wrote it meanwhile


def _each(error: ValidationError) -> list[ValidationError]:
    return error.error_list if hasattr(error, "error_list") else [error]


def _item_submit(batch: Batch, item: Item) -> tuple[Case, bool]:
    """The case of an item and whether it was there before. The item's number makes it one case, however often run."""
    form = BatchItemFields(data=item.fields)
    form.is_valid(raise_exception=True)
    asked = Asked.of(form.validated_data, sandbox=batch.sandbox, in_batch=True)
    photos = images.inspect_uploads([io.BytesIO(data) for data in item.photos()])
    same: Mapping[str, Any] = {
        "key": batch.key,
        "photos": photos,
        "answers": asked.answers,
        "external_patient": asked.external_patient,
    }
    submission_key = uuid.uuid5(batch.pk, str(item.number))
    earlier = None if asked.force else duplicate_find(**same, release=asked.terms.release)
    if earlier and earlier.case.submission_key != submission_key:
        case_tighten(case=earlier.case, terms=asked.terms)
        return earlier.case, True
    case = partner_case_submit(**same, language=batch.language, submission_key=submission_key, terms=asked.terms)
    return case, False


@transaction.atomic
def batch_cancel(*, batch: Batch) -> None:
    """Read no more of it and forget the file; what was accepted stays. Changes nothing once it is over."""
    if (
        Batch.objects.open()
        .filter(pk=batch.pk)
        .update(status=Batch.Status.CANCELED, total=batch.items.count(), finished_at=timezone.now(), claim_token=None)
    ):
        _upload_erase(batch)


def batches_sweep() -> int:
    """Tell the workers of batches that nobody holds; returns how many."""
    forgotten = list(Batch.objects.forgotten()[:100])
    for batch in forgotten:
        Batch.objects.filter(pk=batch.pk, status=Batch.Status.QUEUED).update(lease_until=timezone.now() + LEASE)
        batch_tell(batch=batch)
    return len(forgotten)
