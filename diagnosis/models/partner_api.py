"""What the partner API remembers: requests that were answered once, and batches with one row per item."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from accounts.models import Partner, PartnerKey
from diagnosis.models.cases import Case
from diagnosis.models.uploads import Upload


class PartnerRowQuerySet(models.QuerySet):
    """Rows that belong to one partner. What a sandbox key made exists for sandbox keys only, and the other way."""

    def of_key(self, key: PartnerKey) -> Self:
        return self.filter(partner=key.partner_id, sandbox__in=[key.sandbox])  # see VisibleQuerySet.of_key


class AnsweredRequestQuerySet(PartnerRowQuerySet):
    def expired(self) -> Self:
        return self.filter(expires_at__lte=timezone.now())


class AnsweredRequest(models.Model):
    """A request with an `Idempotency-Key`: who holds it while it runs, and afterwards what was answered.

    `fingerprint` is a SHA-256 of method, address and body. `body` is emptied when the case is erased.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="answered_requests")
    sandbox = models.BooleanField()
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    claim_token = models.UUIDField(default=uuid.uuid4)
    lease_until = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    case = models.ForeignKey(Case, null=True, on_delete=models.SET_NULL, related_name="answered_requests")
    status = models.PositiveSmallIntegerField(default=0)
    headers = models.JSONField(default=dict)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)

    objects = AnsweredRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["partner", "sandbox", "key"], name="one_answer_per_idempotency_key"),
            models.CheckConstraint(
                condition=Q(finished_at=None) | Q(status__gte=200), name="finished_request_has_status"
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class BatchQuerySet(PartnerRowQuerySet):
    def open(self) -> Self:
        return self.filter(status__in=[Batch.Status.QUEUED, Batch.Status.RUNNING])

    def forgotten(self) -> Self:
        """Open, and nobody holds it: the message was lost or the worker died."""
        return self.open().filter(lease_until__lt=timezone.now())


class Batch(models.Model):
    """Many photos in one file. It is read piece by piece; the file goes when every item has its row."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Being read")
        DONE = "done", _("Read")
        FAILED = "failed", _("Could not be read")
        CANCELED = "canceled", _("Stopped")

    class Kind(models.TextChoices):
        NDJSON = "ndjson", "NDJSON"
        ZIP = "zip", "ZIP"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="batches")
    key = models.ForeignKey(PartnerKey, on_delete=models.CASCADE, related_name="batches")
    sandbox = models.BooleanField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    language = models.CharField(max_length=8)
    upload = models.OneToOneField(Upload, null=True, on_delete=models.SET_NULL, related_name="batch")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.QUEUED)
    failure = models.CharField(max_length=32, blank=True)
    total = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Turns that began since the last that ended.")
    claim_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name_plural = "batches"
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running", "done", "failed", "canceled"]),
                name="batch_status_is_known",
            ),
            models.CheckConstraint(condition=~Q(status="failed") | ~Q(failure=""), name="failed_batch_says_why"),
        ]
        indexes = [models.Index(fields=["partner", "sandbox", "-created_at"], name="batch_of_partner")]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"

    @cached_property
    def progress(self) -> dict[str, int]:
        """Items by what became of them; a duplicate counts as one, whatever its earlier analysis says."""
        fresh = Q(duplicate=False, case__isnull=False)
        counts = self.items.aggregate(
            total=Count("pk", distinct=True),
            refused=Count("pk", distinct=True, filter=~Q(problems=[])),
            duplicates=Count("pk", distinct=True, filter=Q(duplicate=True)),
            open=Count("pk", distinct=True, filter=fresh & Q(case__analyses__status__in=["queued", "running"])),
            succeeded=Count("pk", distinct=True, filter=fresh & Q(case__analyses__status="done")),
            failed=Count("pk", distinct=True, filter=fresh & Q(case__analyses__status="failed")),
        )
        return counts


class BatchItem(models.Model):
    """One item: the case that came of it, or the reason why none did. Never both."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items")
    number = models.PositiveSmallIntegerField()
    ref = models.CharField(max_length=64, blank=True)
    case = models.ForeignKey(Case, null=True, on_delete=models.SET_NULL, related_name="batch_items")
    problems = models.JSONField(default=list, help_text="Like `errors` of problem+json: pointer, code, message.")
    duplicate = models.BooleanField(default=False, help_text="The case was there before this batch.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="one_row_per_batch_item")]

    def __str__(self) -> str:
        return f"{self.batch_id} #{self.number}"
