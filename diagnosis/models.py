"""Cases and everything that happens to them. Writes go through services.py, reads through access.py."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Consent, Purpose, Role
from ml.taxonomy import SLUGS

if TYPE_CHECKING:
    from accounts.models import Partner, User


class Tier(models.TextChoices):
    """How urgent a case is; the order of `ml.taxonomy.TIERS`, stored as text and ranked by `Case.tier_rank`."""

    SELF_CARE = "self_care", _("Self-care")
    ROUTINE = "routine", _("Routine")
    SOON = "soon", _("Soon")
    URGENT = "urgent", _("Urgent")
    EMERGENCY = "emergency", _("Emergency")


class Outcome(models.TextChoices):
    ASSESSED = "assessed", _("Assessed")
    INCONCLUSIVE = "inconclusive", _("Cannot be judged")


class Lesion(models.Model):
    """A spot or rash of one person, followed over several cases. A lesion is not a photo."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="lesions")
    body_site = models.CharField(max_length=32)
    name = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.name or self.body_site


class VisibleQuerySet(models.QuerySet[Any, Any]):
    """The list defines the right: a person may see an object when `visible_to` contains it.

    `case_path` leads from the model to its case ("" for the case itself).
    """

    case_path = "case__"

    def visible_to(self, user: User) -> Self:
        if not user.is_authenticated:
            return self.none()
        if user.role == Role.PATIENT:
            return self.filter(**{f"{self.case_path}patient": user})
        if user.is_verified_dermatologist:
            return self.filter(Q(**{f"{self.case_path}review_requested_at__isnull": False}))
        return self.none()

    def of_partner(self, partner: Partner) -> Self:
        return self.filter(**{f"{self.case_path}partner": partner})


class CaseQuerySet(VisibleQuerySet):
    case_path = ""

    def awaiting_review(self) -> CaseQuerySet:
        return self.filter(review_requested_at__isnull=False, reviews=None)

    def expired(self) -> CaseQuerySet:
        """Older than the retention time, of patients who have not agreed that their photos are kept."""
        limit = timezone.now() - timedelta(days=settings.RETENTION_DAYS_WITHOUT_STORAGE_CONSENT)
        keeping = Consent.objects.in_force().filter(purpose=Purpose.STORAGE).values("user")
        return self.filter(patient__isnull=False, created_at__lt=limit).exclude(patient__in=keeping)

    def urgent_first(self) -> CaseQuerySet:
        return self.order_by("-tier_rank", "review_due_at", "created_at", "pk")


class Case(models.Model):
    """One visit: 1 to 5 photos of one problem, the answers, and what came of it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="cases"
    )
    partner = models.ForeignKey(
        "accounts.Partner", null=True, blank=True, on_delete=models.PROTECT, related_name="cases"
    )
    external_patient = models.CharField(max_length=64, blank=True)
    lesion = models.ForeignKey(Lesion, null=True, blank=True, on_delete=models.SET_NULL, related_name="cases")
    submission_key = models.UUIDField(default=uuid.uuid4, editable=False)
    language = models.CharField(max_length=8, default="en")
    country = models.CharField(max_length=2)
    body_site = models.CharField(max_length=32)
    answers = models.JSONField(default=dict)
    tier = models.CharField(max_length=16, choices=Tier.choices)
    tier_rank = models.PositiveSmallIntegerField(db_index=True)
    fired_rules = models.JSONField(default=list, blank=True)
    needs_review = models.BooleanField(default=False)
    review_reasons = models.JSONField(default=list, blank=True)
    review_requested_at = models.DateTimeField(null=True, blank=True)
    review_due_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = CaseQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(tier__in=Tier.values), name="case_tier_is_known"),
            models.CheckConstraint(condition=Q(tier_rank__range=(0, 4)), name="case_tier_rank_in_range"),
            models.CheckConstraint(
                condition=Q(patient__isnull=False, partner=None) | Q(patient=None, partner__isnull=False),
                name="case_belongs_to_a_patient_or_a_partner",
            ),
            models.CheckConstraint(
                condition=Q(review_requested_at=None, review_due_at=None)
                | Q(review_requested_at__isnull=False, review_due_at__isnull=False),
                name="requested_review_has_a_deadline",
            ),
            models.UniqueConstraint(fields=["patient", "submission_key"], name="one_case_per_submission_of_a_patient"),
            models.UniqueConstraint(fields=["partner", "submission_key"], name="one_case_per_submission_of_a_partner"),
        ]
        indexes = [models.Index(fields=["-tier_rank", "review_due_at", "created_at", "id"], name="case_queue_order")]

    def __str__(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        """A short name for people; not an address and not a secret."""
        return f"C-{self.pk.hex[:8].upper()}"

    @property
    def latest_analysis(self) -> Analysis | None:
        return next(iter(self.analyses.all()), None)

    @property
    def latest_review(self) -> Review | None:
        return next(iter(self.reviews.all()), None)


class Shot(models.TextChoices):
    CLOSE_UP = "close_up", _("Close-up")
    ANGLE = "angle", _("At an angle")
    DISTANCE = "distance", _("From a distance")
    OTHER = "other", _("Other")


def photo_key(instance: CaseImage, _filename: str) -> str:
    """A random key: neither the patient nor the original file name is in it."""
    return f"photos/{uuid.uuid4().hex}.jpg"


class CaseImage(models.Model):
    """A photo as stored: re-encoded JPEG, upright, without EXIF and GPS."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="images")
    position = models.PositiveSmallIntegerField()
    shot = models.CharField(max_length=16, choices=Shot.choices, default=Shot.CLOSE_UP)
    file = models.FileField(upload_to=photo_key, max_length=100)
    sha256 = models.CharField(max_length=64)
    pixel_sha256 = models.CharField(max_length=64, db_index=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["case", "position"], name="one_photo_per_position"),
            models.CheckConstraint(condition=Q(position__range=(0, 4)), name="at_most_five_photos"),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} #{self.position}"


class AnalysisQuerySet(VisibleQuerySet):
    def claim(self, pk: uuid.UUID | str) -> Analysis | None:
        """Take a queued analysis; None when somebody else has it (rule 5 of the design).

        The conditional UPDATE is the lock: of any number of workers exactly one changes the row.
        """
        token = uuid.uuid4()
        now = timezone.now()
        taken = self.filter(pk=pk, status=Analysis.Status.QUEUED).update(
            status=Analysis.Status.RUNNING,
            claim_token=token,
            attempts=F("attempts") + 1,
            started_at=now,
            lease_until=now + timedelta(seconds=settings.ANALYSIS_LEASE_SECONDS),
        )
        return self.select_related("case").get(pk=pk) if taken else None

    def abandoned(self) -> AnalysisQuerySet:
        """Running longer than the lease: the worker died."""
        return self.filter(status=Analysis.Status.RUNNING, lease_until__lt=timezone.now())

    def forgotten(self) -> AnalysisQuerySet:
        """Queued for longer than a lease: the broker may have lost the message."""
        limit = timezone.now() - timedelta(seconds=settings.ANALYSIS_LEASE_SECONDS)
        return self.filter(status=Analysis.Status.QUEUED, queued_at__lt=limit)


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
    attempts = models.PositiveSmallIntegerField(default=0)
    claim_token = models.UUIDField(null=True, editable=False)
    queued_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    failure = models.CharField(max_length=32, blank=True)
    release = models.CharField(max_length=64, blank=True)
    weights_sha256 = models.CharField(max_length=64, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, blank=True)
    reasons = models.JSONField(default=list, blank=True)
    prediction_set = models.JSONField(default=list, blank=True)
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
        indexes = [models.Index(fields=["status", "lease_until"], name="analysis_sweep")]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"

    @property
    def is_over(self) -> bool:
        return self.status in {self.Status.DONE, self.Status.FAILED}

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


class FindingQuerySet(VisibleQuerySet):
    case_path = "image__case__"


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

    objects = FindingQuerySet.as_manager()

    class Meta:
        ordering = ["image__position"]
        constraints = [models.UniqueConstraint(fields=["analysis", "image"], name="one_finding_per_photo")]

    def __str__(self) -> str:
        return f"{self.analysis_id} {self.outcome}"


class PendingDeletion(models.Model):
    """A file that must go: written with the rows' deletion, removed once the storage has deleted the file."""

    key = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return str(self.pk)


class Review(models.Model):
    """A dermatologist's signed opinion. A change appends a version; a row is never edited."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="reviews")
    version = models.PositiveSmallIntegerField()
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews")
    reviewer_name = models.CharField(max_length=200)
    reviewer_licence = models.CharField(max_length=80)
    diagnosis = models.CharField(max_length=64, choices=[(slug, slug) for slug in [*SLUGS, "other", "cannot_judge"]])
    diagnosis_text = models.CharField(max_length=200, blank=True)
    tier = models.CharField(max_length=16, choices=Tier.choices)
    note_to_patient = models.TextField(max_length=4000)
    private_note = models.TextField(max_length=4000, blank=True)
    amendment_reason = models.CharField(max_length=300, blank=True)
    signed_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["case", "version"], name="one_review_per_version"),
            models.CheckConstraint(condition=Q(tier__in=Tier.values), name="review_tier_is_known"),
            models.CheckConstraint(condition=Q(version=1) | ~Q(amendment_reason=""), name="amendment_has_a_reason"),
            models.CheckConstraint(
                condition=~Q(diagnosis="other") | ~Q(diagnosis_text=""), name="other_diagnosis_is_named"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} v{self.version}"


class EventKind(models.TextChoices):
    SUBMITTED = "submitted", _("Photos received")
    ANALYSED = "analysed", _("Photos checked by the computer")
    ANALYSIS_FAILED = "analysis_failed", _("The check failed")
    ANALYSIS_RETRIED = "analysis_retried", _("The check was started again")
    REVIEW_REQUESTED = "review_requested", _("Sent to a dermatologist")
    REVIEW_SIGNED = "review_signed", _("Signed by a dermatologist")
    REVIEW_AMENDED = "review_amended", _("Changed by a dermatologist")


class CaseEvent(models.Model):
    """The diary of a case; rows are only added."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=24, choices=EventKind.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["at", "pk"]
        constraints = [models.CheckConstraint(condition=Q(kind__in=EventKind.values), name="event_kind_is_known")]

    def __str__(self) -> str:
        return f"{self.case_id} {self.kind}"
