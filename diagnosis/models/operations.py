"""What operators run: model releases, candidates in shadow, exports for training, and the log of all that."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from diagnosis.models.analyses import Analysis
from diagnosis.models.cases import Case
from smartderma.leases import LeasedQuerySet


class ModelRelease(models.Model):
    """A release that somebody here asked a worker to check. At most one is active, at most one runs in shadow."""

    class Check(models.TextChoices):
        WAITING = "waiting", _("Waiting for a worker")
        GOOD = "good", _("Checked")
        BAD = "bad", _("Cannot be used")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=64, unique=True)
    weights_sha256 = models.CharField(max_length=64, blank=True, help_text="Of the weights that were checked.")
    digest = models.CharField(
        max_length=64, blank=True, help_text="Of release.json as it was checked: it names every file."
    )
    check_state = models.CharField(max_length=8, choices=Check.choices, default=Check.WAITING)
    problem = models.CharField(max_length=500, blank=True)
    asked_at = models.DateTimeField(default=timezone.now, editable=False)
    checked_at = models.DateTimeField(null=True, blank=True)
    active = models.BooleanField(default=False)
    shadow_percent = models.PositiveSmallIntegerField(default=0, help_text="Share of live cases that it judges too.")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["active"], condition=Q(active=True), name="one_active_release"),
            models.CheckConstraint(
                condition=Q(active=False) | (Q(check_state="good") & ~Q(weights_sha256="") & ~Q(digest="")),
                name="active_release_was_checked",
            ),
            models.UniqueConstraint(  # who is in shadow is not active: see the next one
                fields=["active"], condition=Q(shadow_percent__gt=0), name="one_release_in_shadow"
            ),
            models.CheckConstraint(
                condition=Q(shadow_percent=0) | Q(active=False, check_state="good", shadow_percent__lte=100),
                name="shadow_release_was_checked_and_is_not_active",
            ),
            models.CheckConstraint(condition=~Q(check_state="bad") | ~Q(problem=""), name="bad_release_says_why"),
        ]

    def __str__(self) -> str:
        return self.name


class OperatorEvent(models.Model):
    """The diary of operators; rows are only added. It names releases, counts and reasons, never a case."""

    class Kind(models.TextChoices):
        CHECK_ASKED = "check_asked", _("Check of a release asked for")
        CHECKED = "checked", _("Release checked: it works")
        REFUSED = "refused", _("Release checked: it cannot be used")
        ACTIVATED = "activated", _("Release activated")
        ROLLED_BACK = "rolled_back", _("Rolled back to an earlier release")
        NOT_LOADED = "not_loaded", _("A worker could not load the active release")
        SHADOW = "shadow", _("Share of cases in shadow changed")
        EXPORT_ASKED = "export_asked", _("Export for training asked for")
        EXPORT_READY = "export_ready", _("Export for training ready")
        EXPORT_FAILED = "export_failed", _("Export for training failed")
        EXPORT_FETCHED = "export_fetched", _("Export for training downloaded")
        EXPORT_DROPPED = "export_dropped", _("Export for training deleted: somebody in it left")

    kind = models.CharField(max_length=16, choices=Kind.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    release = models.CharField(max_length=64, blank=True)
    replaced = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    count = models.PositiveIntegerField(null=True, blank=True, help_text="Photos of an export, per cent in shadow.")
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(kind__in=["activated", "rolled_back"]) | (~Q(release="") & ~Q(reason="")),
                name="activation_names_release_and_reason",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.release}"


class ShadowRunQuerySet(LeasedQuerySet):
    lease_setting = "ANALYSIS_LEASE_SECONDS"

    def claim(self, pk: uuid.UUID | str) -> ShadowRun | None:
        """Take a waiting run; None when another worker has it or it is gone."""
        taken = self.filter(pk=pk).take()
        return self.select_related("analysis").filter(pk=pk).first() if taken else None


class ShadowRun(models.Model):
    """What a candidate says of a case beside what the active release said. For operators, as figures; for nobody else.

    `active_answer` and `candidate_answer` are `diagnosis.shadow_numbers.Answer` as dictionaries.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    analysis = models.ForeignKey(Analysis, on_delete=models.CASCADE, related_name="shadow_runs")
    release = models.CharField(max_length=64)
    weights_sha256 = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.QUEUED)
    failure = models.CharField(max_length=32, blank=True)
    queued_at = models.DateTimeField(default=timezone.now, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    active_answer = models.JSONField(default=dict)
    candidate_answer = models.JSONField(default=dict, blank=True)

    objects = ShadowRunQuerySet.as_manager()

    class Meta:
        ordering = ["-queued_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["analysis", "release"], name="one_shadow_run_per_analysis_and_release"),
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running", "done", "failed"]), name="shadow_status_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(status="done") | (Q(finished_at__isnull=False) & ~Q(weights_sha256="")),
                name="done_shadow_run_names_its_weights",
            ),
            models.CheckConstraint(condition=~Q(status="failed") | ~Q(failure=""), name="failed_shadow_run_says_why"),
        ]
        indexes = [
            models.Index(fields=["release", "status", "-finished_at"], name="shadow_of_release"),
            models.Index(fields=["status", "queued_at"], name="shadow_sweep"),
        ]

    def __str__(self) -> str:
        return f"{self.release} {self.status}"


def training_key(_instance: TrainingExport, _filename: str) -> str:
    """A random key; the name says nothing."""
    return f"training/{uuid.uuid4().hex}.zip"


class TrainingExportQuerySet(LeasedQuerySet):
    lease_setting = "EXPORT_LEASE_SECONDS"

    def claim(self, pk: uuid.UUID | str) -> TrainingExport | None:
        """Take a waiting export; None when another worker has it."""
        return self.get(pk=pk) if self.filter(pk=pk).take(claim_token=uuid.uuid4()) else None

    def downloadable(self) -> TrainingExportQuerySet:
        """Ready, and not over."""
        return self.filter(status=TrainingExport.Status.READY, expires_at__gt=timezone.now())


class TrainingExport(models.Model):
    """Signed photos with consent to research, as a manifest for `python -m ml data`. The file lasts EXPORT_HOURS.

    `counts`: photos, people, labels and releases of what is in it, and `left_out` by reason. `cases` are kept so that
    the file can go at once when one of them leaves.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Being put together")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")
        GONE = "gone", _("Deleted")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    release = models.CharField(max_length=64, blank=True, help_text="Only cases that this release judged.")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.QUEUED)
    claim_token = models.UUIDField(null=True, editable=False)
    queued_at = models.DateTimeField(default=timezone.now, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    file = models.FileField(upload_to=training_key, blank=True, max_length=100)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes.")
    sha256 = models.CharField(max_length=64, blank=True)
    counts = models.JSONField(default=dict, blank=True)
    expires_at = models.DateTimeField(null=True, editable=False)
    cases = models.ManyToManyField(Case, related_name="training_exports", editable=False)

    objects = TrainingExportQuerySet.as_manager()

    class Meta:
        ordering = ["-queued_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running", "ready", "failed", "gone"]),
                name="training_export_status_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(status="ready") | (~Q(file="") & ~Q(sha256="") & Q(expires_at__isnull=False)),
                name="ready_training_export_has_a_file_and_an_end",
            ),
            models.CheckConstraint(condition=~Q(status="gone") | Q(file=""), name="gone_training_export_has_no_file"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"
