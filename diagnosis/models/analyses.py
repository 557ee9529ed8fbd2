"""What the model says of a case: runs, probabilities, findings by photo."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connections, models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from diagnosis.models.cases import Case, CaseImage, Outcome, VisibleQuerySet
from smartderma.leases import LeasedQuerySet


class AnalysisQuerySet(VisibleQuerySet, LeasedQuerySet):  # type: ignore[override]  # each has its as_manager
    lease_setting = "ANALYSIS_LEASE_SECONDS"

    def claim(self, pk: uuid.UUID | str) -> Analysis | None:
        """Take a queued analysis; None when somebody else has it."""
        return next(iter(self._claim([pk])), None)

    @transaction.atomic
    def claim_some(self, count: int) -> list[Analysis]:
        """Take up to `count` of these, the oldest first, without waiting for rows that another worker is taking."""
        rows = self.select_for_update(skip_locked=connections[self.db].features.has_select_for_update_skip_locked)
        oldest = rows.order_by("queued_at").values_list("pk", flat=True)[:count]
        return Analysis.objects.all()._claim(list(oldest))

    def _claim(self, pks: Sequence[uuid.UUID | str]) -> list[Analysis]:
        token = uuid.uuid4()
        taken = self.filter(pk__in=pks).take(claim_token=token, attempts=F("attempts") + 1, started_at=timezone.now())
        mine = self.filter(pk__in=pks, claim_token=token)
        return list(mine.select_related("case").prefetch_related("case__images").order_by("queued_at")) if taken else []

    def untried(self, lane: str) -> AnalysisQuerySet:
        """Waiting in a lane, and no worker has tried them yet."""
        return self.filter(lane=lane, status=Analysis.Status.QUEUED, attempts=0, case__sandbox=False)


class Lane(models.TextChoices):
    """Whose turn it is: workers take from the lanes in turn, so that no partner's flood makes a patient wait."""

    PATIENT = "patient", _("Patients")
    PARTNER = "partner", _("Partners")
    BULK = "bulk", _("Batches and sandbox")


class Analysis(models.Model):
    """One run of one model release over the photos of a case. The row is the truth, not the broker."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Being checked")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    TRANSITIONS = {
        Status.QUEUED: {Status.RUNNING, Status.FAILED},
        Status.RUNNING: {Status.DONE, Status.FAILED, Status.QUEUED},
        Status.DONE: set(),
        Status.FAILED: {Status.QUEUED},
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="analyses")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.QUEUED)
    lane = models.CharField(max_length=8, choices=Lane.choices, default=Lane.PATIENT)
    pinned_release = models.CharField(max_length=64, blank=True, help_text="A release that a partner asked for.")
    attempts = models.PositiveSmallIntegerField(default=0)
    claim_token = models.UUIDField(null=True, editable=False)
    queued_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    failure = models.CharField(max_length=32, blank=True)
    release = models.CharField(max_length=64, blank=True)
    weights_sha256 = models.CharField(max_length=64, blank=True)
    release_digest = models.CharField(
        max_length=64, blank=True, help_text="Of release.json, which holds the thresholds that were in force."
    )
    outcome = models.CharField(max_length=16, choices=Outcome.choices, blank=True)
    reasons = models.JSONField(default=list, blank=True)
    prediction_set = models.JSONField(default=list, blank=True)
    top_condition = models.CharField(max_length=64, blank=True, help_text="The likeliest, for counting.")
    disagreement = models.FloatField(null=True, blank=True)
    ood_score = models.FloatField(null=True, blank=True)
    members = models.JSONField(default=list, blank=True, help_text="One vote per network: name, weight, probabilities.")
    embedding = models.BinaryField(null=True, help_text="float32, little endian, L2-normalised.")
    timings = models.JSONField(default=dict, blank=True, help_text="Milliseconds by stage.")

    objects = AnalysisQuerySet.as_manager()

    class Meta:
        ordering = ["-queued_at", "-pk"]
        verbose_name_plural = "analyses"
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running", "done", "failed"]), name="analysis_status_is_known"
            ),
            models.CheckConstraint(condition=Q(lane__in=["patient", "partner", "bulk"]), name="analysis_lane_is_known"),
            models.CheckConstraint(
                condition=~Q(status="done")
                | (Q(finished_at__isnull=False) & ~Q(release="") & ~Q(weights_sha256="") & ~Q(outcome="")),
                name="done_analysis_names_release_and_outcome",
            ),
            models.CheckConstraint(
                condition=~Q(status="running") | Q(claim_token__isnull=False, lease_until__isnull=False),
                name="running_analysis_has_a_lease",
            ),
            models.CheckConstraint(condition=~Q(status="failed") | ~Q(failure=""), name="failed_analysis_says_why"),
            models.UniqueConstraint(
                fields=["case"], condition=Q(status__in=["queued", "running"]), name="one_open_analysis_per_case"
            ),
        ]
        indexes = [
            models.Index(fields=["status", "lease_until"], name="analysis_sweep"),
            models.Index(fields=["finished_at"], condition=Q(status="done"), name="analysis_done_at"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"

    @property
    def is_over(self) -> bool:
        return self.status in {self.Status.DONE, self.Status.FAILED}

    @property
    def job_status(self) -> str:
        """The status in the words of the partner API."""
        return "succeeded" if self.status == self.Status.DONE else str(self.status)

    @property
    def named_predictions(self) -> list[Prediction]:
        """The predictions that may be named to somebody: none where the photos cannot be judged."""
        return list(self.predictions.all()) if self.outcome == Outcome.ASSESSED else []

    @property
    def named_set(self) -> list[str]:
        """The prediction set under the same rule."""
        return self.prediction_set if self.outcome == Outcome.ASSESSED else []

    @property
    def probabilities(self) -> dict[str, float]:
        """Calibrated probability by slug, as voted over members and photos."""
        return {row.condition: row.probability for row in self.predictions.all()}


class Prediction(models.Model):
    """The calibrated probability of one condition in one analysis."""

    analysis = models.ForeignKey(Analysis, on_delete=models.CASCADE, related_name="predictions")
    condition = models.CharField(max_length=64)
    probability = models.FloatField()

    class Meta:
        ordering = ["-probability", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["analysis", "condition"], name="one_probability_per_condition"),
            models.CheckConstraint(condition=Q(probability__range=(0, 1)), name="probability_between_0_and_1"),
        ]

    def __str__(self) -> str:
        return f"{self.condition} {self.probability:.3f}"


class Names(models.Aggregate):
    """Texts without commas, in one."""

    function = "GROUP_CONCAT"
    output_field = models.TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="STRING_AGG(%(expressions)s, ',')", **context)


class FindingQuerySet(VisibleQuerySet):
    case_path = "image__case__"

    def with_map_names(self) -> FindingQuerySet:
        """For `PhotoFinding.map_names`."""
        return self.annotate(maps=Names("member_maps__member"))


def heatmap_key(instance: PhotoFinding, _filename: str) -> str:
    return f"heatmaps/{uuid.uuid4().hex}.png"


class PhotoFinding(models.Model):
    """What one analysis says of one photo: quality, outcome, and the class activation map as a small grey PNG."""

    analysis = models.ForeignKey(Analysis, on_delete=models.CASCADE, related_name="findings")
    image = models.ForeignKey(CaseImage, on_delete=models.CASCADE, related_name="findings")
    outcome = models.CharField(max_length=16, choices=[*Outcome.choices, ("unusable", _("Unusable"))])
    reasons = models.JSONField(default=list, blank=True)
    quality = models.JSONField(default=dict, blank=True)
    focus = models.CharField(max_length=16, blank=True)
    heatmap = models.FileField(upload_to=heatmap_key, blank=True, max_length=100)
    maps: str | None  # see `with_map_names`

    objects = FindingQuerySet.as_manager()

    class Meta:
        ordering = ["image__position"]
        constraints = [models.UniqueConstraint(fields=["analysis", "image"], name="one_finding_per_photo")]

    def __str__(self) -> str:
        return f"{self.analysis_id} {self.outcome}"

    @property
    def map_names(self) -> list[str]:
        """The networks whose map of this photo is there; only of findings that came `with_map_names`."""
        return sorted(self.maps.split(",")) if self.maps else []


class MemberMap(models.Model):
    """Where one network looked on one photo: a grey PNG of 64 cells along the longer side, about 1 kB, in the row."""

    finding = models.ForeignKey(PhotoFinding, on_delete=models.CASCADE, related_name="member_maps")
    member = models.CharField(max_length=64)
    png = models.BinaryField(max_length=16 * 1024)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["finding", "member"], name="one_map_per_member_and_photo")]

    def __str__(self) -> str:
        return f"{self.finding_id} {self.member}"
