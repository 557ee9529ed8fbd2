"""What belongs to a person's rights over the own data: downloads, legal holds, certificates of erasure."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from smartderma.leases import LeasedQuerySet


def export_key(instance: DataExport, _filename: str) -> str:
    return f"exports/{uuid.uuid4().hex}.zip"


class DataExportQuerySet(LeasedQuerySet):
    lease_setting = "EXPORT_LEASE_SECONDS"

    def claim(self, pk: uuid.UUID | str) -> DataExport | None:
        """Take a queued download; None when another worker has it."""
        taken = self.filter(pk=pk).take(attempts=F("attempts") + 1, claim_token=uuid.uuid4())
        return self.select_related("user").get(pk=pk) if taken else None

    def expired(self) -> DataExportQuerySet:
        """Ready for longer than promised, or failed as long ago: nothing of it is kept."""
        old = timezone.now() - timedelta(hours=settings.EXPORT_HOURS)
        return self.filter(Q(expires_at__lt=timezone.now()) | Q(status=DataExport.Status.FAILED, queued_at__lt=old))


class DataExport(models.Model):
    """A ZIP with everything about one person, made by a worker, kept for EXPORT_HOURS."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Being put together")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    TRANSITIONS = {
        Status.QUEUED: {Status.RUNNING},
        Status.RUNNING: {Status.READY, Status.QUEUED, Status.FAILED},
        Status.READY: set(),
        Status.FAILED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="exports")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.QUEUED)
    language = models.CharField(max_length=8, default="en")
    attempts = models.PositiveSmallIntegerField(default=0)
    claim_token = models.UUIDField(null=True, editable=False)
    queued_at = models.DateTimeField(default=timezone.now, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    file = models.FileField(upload_to=export_key, blank=True, max_length=100)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes.")
    sha256 = models.CharField(max_length=64, blank=True)
    expires_at = models.DateTimeField(null=True, editable=False)

    objects = DataExportQuerySet.as_manager()

    class Meta:
        ordering = ["-queued_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(status__in=["queued", "running"]), name="one_open_export_per_person"
            ),
            models.CheckConstraint(
                condition=~Q(status="ready") | (~Q(file="") & ~Q(sha256="") & Q(expires_at__isnull=False)),
                name="ready_export_has_a_file_and_an_end",
            ),
            models.CheckConstraint(
                condition=~Q(status="running") | Q(lease_until__isnull=False), name="running_export_has_a_lease"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"

    @property
    def is_open(self) -> bool:
        return self.status in {self.Status.QUEUED, self.Status.RUNNING}


class LegalHold(models.Model):
    """A duty to keep a person's data for now. While it stands, nothing of that person is erased.

    PROTECT: the database itself refuses to delete the person. Ending a hold deletes its row.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="legal_holds")
    reason = models.CharField(max_length=200, help_text=_("Shown to the person: which duty, of whom, until when."))
    placed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    placed_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["placed_at", "pk"]
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="legal_hold_says_why")]

    def __str__(self) -> str:
        return str(self.pk)


class ErasureCertificate(models.Model):
    """What was erased and when: counts by kind of row, and hashes. It names nobody and nobody's health.

    `keys_sha256` is the hash of the sorted names of the erased files, `sha256` that of `document()`.
    """

    class Scope(models.TextChoices):
        CASE = "case", _("One check")
        ACCOUNT = "account", _("The whole account")
        CLOSING = "closing", _("The account of a dermatologist")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    scope = models.CharField(max_length=8, choices=Scope.choices)
    counts = models.JSONField(default=dict, help_text="Rows by kind.")
    files = models.PositiveIntegerField(default=0)
    keys_sha256 = models.CharField(max_length=64)
    kept = models.JSONField(default=dict, blank=True, help_text="What the law keeps, by kind.")
    erased_at = models.DateTimeField(default=timezone.now, editable=False)
    sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ["-erased_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(scope__in=["case", "account", "closing"]), name="certificate_scope_is_known"
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def document(self) -> str:
        """The canonical text that `sha256` is the hash of."""
        values = {
            "certificate": str(self.pk),
            "scope": self.scope,
            "erased_at": self.erased_at.isoformat(),
            "rows": self.counts,
            "files": self.files,
            "files_sha256": self.keys_sha256,
            "kept": self.kept,
        }
        return json.dumps(values, sort_keys=True)

    def digest(self) -> str:
        """SHA-256 (hex) of `document()`."""
        return hashlib.sha256(self.document().encode()).hexdigest()
