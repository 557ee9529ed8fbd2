"""Requests with an `Idempotency-Key`: one of any number of equal requests does the work, the others get its answer."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import PartnerKey
from diagnosis.models import AnsweredRequest, Case

# Longer than any request may take (gunicorn ends a worker after 60 s): who holds a row for longer has died.
LEASE = timedelta(seconds=90)


class RequestRunning(Exception):
    """An equal request is being worked on."""


class RequestDiffers(Exception):
    """The key came before, with another body or at another address."""


def request_claim(*, key: PartnerKey, idempotency_key: str, fingerprint: str) -> AnsweredRequest:
    """The row of this request: with `finished_at` it holds the answer, without it the caller must answer.

    Raises RequestRunning or RequestDiffers. The unique constraint and the conditional UPDATE are the locks.
    """
    now = timezone.now()
    mine = AnsweredRequest(
        partner_id=key.partner_id,
        sandbox=key.sandbox,
        key=idempotency_key,
        fingerprint=fingerprint,
        lease_until=now + LEASE,
        expires_at=now + timedelta(hours=settings.IDEMPOTENCY_HOURS),
    )
    AnsweredRequest.objects.of_key(key).filter(key=idempotency_key, expires_at__lte=now).delete()
    try:
        with transaction.atomic():
            mine.save(force_insert=True)
    except IntegrityError:
        return _earlier(key, idempotency_key, fingerprint)
    return mine


def _earlier(key: PartnerKey, idempotency_key: str, fingerprint: str) -> AnsweredRequest:
    row = AnsweredRequest.objects.of_key(key).filter(key=idempotency_key).first()
    if row is None:
        raise RequestRunning  # it was given up a moment ago: come again
    if row.fingerprint != fingerprint:
        raise RequestDiffers
    if row.finished_at is None and not _take_over(row):
        raise RequestRunning
    return row


def _take_over(row: AnsweredRequest) -> bool:
    """True where whoever held the row has died; the same row means the same submission key, so nothing doubles."""
    now, token = timezone.now(), uuid.uuid4()
    abandoned = AnsweredRequest.objects.filter(
        pk=row.pk, claim_token=row.claim_token, finished_at=None, lease_until__lt=now
    )
    taken = abandoned.update(claim_token=token, lease_until=now + LEASE)
    row.claim_token = token
    return bool(taken)


def request_finish(*, row: AnsweredRequest, status: int, headers: dict[str, str], body: Any, case: Case | None) -> None:
    """Keep the answer for those who ask again."""
    AnsweredRequest.objects.filter(pk=row.pk, claim_token=row.claim_token, finished_at=None).update(
        finished_at=timezone.now(), status=status, headers=headers, body=body, case=case
    )


def request_release(*, row: AnsweredRequest) -> None:
    """A refused request does not use its key up: the corrected one may come under the same key."""
    AnsweredRequest.objects.filter(pk=row.pk, claim_token=row.claim_token, finished_at=None).delete()


def request_abandon(*, row: AnsweredRequest) -> None:
    """An error of ours: what was made so far may stand under this row's key, so the next one goes on with the row."""
    AnsweredRequest.objects.filter(pk=row.pk, claim_token=row.claim_token, finished_at=None).update(
        lease_until=timezone.now()
    )


def requests_forget(*, case: Case) -> None:
    """Empty the answers about a case that is being erased; the key stays used, so nothing comes back to life."""
    AnsweredRequest.objects.filter(case=case).update(body=None, headers={})


def requests_expire() -> int:
    """Delete what is older than IDEMPOTENCY_HOURS; returns how many went."""
    return AnsweredRequest.objects.expired().delete()[0]
