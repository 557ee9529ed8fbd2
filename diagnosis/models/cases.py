"""A case, its photos, its diary, and the lesion that it belongs to."""

from __future__ import annotations

import uuid
from datetime import timedelta
from enum import nonmember
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Consent, Purpose, Role

if TYPE_CHECKING:
    from accounts.models import PartnerKey, User
    from diagnosis.models.analyses import Analysis
    from diagnosis.models.reviews import Review


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


class ReviewState(models.TextChoices):
    """Where a case stands with the dermatologists."""

    NONE = "", _("Not sent")
    WAITING = "waiting", _("Waiting for a dermatologist")
    SECOND = "second", _("Waiting for a second reader")
    THIRD = "third", _("Two readers disagree: waiting for a third")
    PHOTOS = "photos", _("Waiting for new photos")
    DONE = "done", _("Signed")

    OPEN = nonmember(("waiting", "second", "third"))
    OTHER_EYES = nonmember(("second", "third"))


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
            return self.filter(
                **{f"{self.case_path}review_requested_at__isnull": False, f"{self.case_path}sandbox": False}
            )
        return self.none()

    def of_key(self, key: PartnerKey) -> Self:
        """What the holder of an API key may see: the partner's own, sandbox and real cases apart.

        `__in`: as a plain `NOT sandbox` the condition is lost on the index `case_of_partner` in SQLite.
        """
        return self.filter(
            **{f"{self.case_path}partner": key.partner_id, f"{self.case_path}sandbox__in": [key.sandbox]}
        )


class CaseQuerySet(VisibleQuerySet):
    case_path = ""

    def awaiting_review(self) -> CaseQuerySet:
        """Cases that a dermatologist can work on now; the order of `urgent_first` has an index for exactly these."""
        return self.filter(review_state__in=ReviewState.OPEN, sandbox=False)

    def free_for(self, user: User) -> CaseQuerySet:
        """Cases that nobody else holds now, without those that need another pair of eyes than this person's."""
        now = timezone.now()
        free = Q(review_holder=None) | Q(review_holder=user) | Q(review_lease_until__lte=now)
        own = self.model.objects.filter(review_state__in=ReviewState.OTHER_EYES, reads__reader=user).values("pk")
        return self.filter(free).exclude(review_state=ReviewState.NONE).exclude(pk__in=own)

    def hold(self, pk: uuid.UUID, user: User) -> bool:
        """Take a case or keep it; False when somebody else has it. The conditional UPDATE is the lock (rule 5)."""
        until = timezone.now() + timedelta(seconds=settings.REVIEW_LEASE_SECONDS)
        return bool(self.filter(pk=pk).free_for(user).update(review_holder=user, review_lease_until=until))

    def overdue(self) -> CaseQuerySet:
        """Open cases past their deadline that nobody was told of yet."""
        return self.awaiting_review().filter(review_due_at__lt=timezone.now(), review_escalated_at=None)

    def expired(self) -> CaseQuerySet:
        """Past their retention time: those of patients without consent to storage, and those of partners."""
        now = timezone.now()
        limit = now - timedelta(days=settings.RETENTION_DAYS_WITHOUT_STORAGE_CONSENT)
        keeping = Consent.objects.in_force().filter(purpose=Purpose.STORAGE).values("user")
        of_patients = Q(patient__isnull=False, created_at__lt=limit) & ~Q(patient__in=keeping)
        return self.filter(of_patients | Q(expires_at__lte=now))

    def urgent_first(self) -> CaseQuerySet:
        return self.order_by("-tier_rank", "review_due_at", "pk")


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
    lesion = models.ForeignKey(
        "diagnosis.Lesion", null=True, blank=True, on_delete=models.SET_NULL, related_name="cases"
    )
    submission_key = models.UUIDField(default=uuid.uuid4, editable=False)
    sandbox = models.BooleanField(default=False, editable=False, help_text="Made with a sandbox key: nobody's case.")
    keep_photos = models.BooleanField(default=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True, help_text="Of partners' cases only.")
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
    review_state = models.CharField(max_length=8, choices=ReviewState.choices, default="", blank=True)
    review_holder = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="held_cases"
    )
    review_lease_until = models.DateTimeField(null=True, blank=True)
    review_escalated_at = models.DateTimeField(null=True, blank=True)
    skin_type = models.CharField(max_length=8, blank=True, help_text="The answer, for filters.")
    warning_signs = models.BooleanField(default=False, help_text="The answers alone ask for urgent or faster.")
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
                condition=Q(partner=None, sandbox=False, expires_at=None, keep_photos=True)
                | Q(partner__isnull=False, expires_at__isnull=False),
                name="partners_case_expires",
            ),
            models.CheckConstraint(
                condition=Q(review_requested_at=None, review_due_at=None)
                | Q(review_requested_at__isnull=False, review_due_at__isnull=False),
                name="requested_review_has_a_deadline",
            ),
            models.CheckConstraint(condition=Q(review_state__in=ReviewState.values), name="review_state_is_known"),
            models.CheckConstraint(
                condition=Q(review_state="", review_requested_at=None)
                | (~Q(review_state="") & Q(review_requested_at__isnull=False)),
                name="review_state_follows_the_request",
            ),
            models.CheckConstraint(
                condition=Q(review_holder=None, review_lease_until=None)
                | Q(review_holder__isnull=False, review_lease_until__isnull=False),
                name="held_case_has_a_lease",
            ),
            models.UniqueConstraint(fields=["patient", "submission_key"], name="one_case_per_submission_of_a_patient"),
            models.UniqueConstraint(fields=["partner", "submission_key"], name="one_case_per_submission_of_a_partner"),
        ]
        indexes = [
            models.Index(fields=["partner", "sandbox", "-created_at", "-id"], name="case_of_partner"),
            models.Index(
                fields=["-tier_rank", "review_due_at", "id"],
                condition=Q(review_state__in=ReviewState.OPEN),
                name="case_queue_order",
            ),
            *(
                models.Index(  # the same order behind each filter, so that a rare value does not read the whole queue
                    fields=[name, "-tier_rank", "review_due_at", "id"],
                    condition=Q(review_state__in=ReviewState.OPEN),
                    name=f"case_queue_{name}",
                )
                for name in ("partner", "language", "body_site", "skin_type", "warning_signs")
            ),
            models.Index(
                fields=["review_due_at"],
                condition=Q(review_state__in=ReviewState.OPEN, review_escalated_at=None),
                name="case_queue_overdue",
            ),
            models.Index(fields=["review_state", "-created_at", "-id"], name="case_by_review_state"),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        """A short name for people; not an address and not a secret."""
        return f"C-{self.pk.hex[:8].upper()}"

    def is_held_by(self, user: User) -> bool:
        """True while this person's claim on the case lasts."""
        return self.review_holder_id == user.pk and not self.lease_is_over

    @property
    def lease_is_over(self) -> bool:
        return self.review_lease_until is None or self.review_lease_until <= timezone.now()

    @property
    def is_open_for_review(self) -> bool:
        return self.review_state in ReviewState.OPEN

    @property
    def is_overdue(self) -> bool:
        """Past the deadline with nobody's signature."""
        due = self.review_due_at
        return self.is_open_for_review and due is not None and due < timezone.now()

    @property
    def standing(self) -> str:
        """preliminary until signed, then final, amended after a later version."""
        last = self.latest_review
        if last is None:
            return "preliminary"
        return "final" if last.version == 1 else "amended"

    @property
    def standing_tier(self) -> Tier:
        """The tier that counts: the signed one, and the computed one until then."""
        last = self.latest_review
        return Tier(last.tier if last else self.tier)

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


class FaceInPhoto(models.TextChoices):
    """What was known of faces when a photo became part of a case; decides whether it may leave for training."""

    UNKNOWN = "unknown"
    NONE = "none"
    COVERED = "covered"
    KEPT = "kept"

    MAY_LEAVE = nonmember(("none", "covered"))


def photo_key(instance: CaseImage, _filename: str) -> str:
    """A random key: neither the patient nor the original file name is in it."""
    return f"photos/{uuid.uuid4().hex}.jpg"


class CaseImage(models.Model):
    """A photo as stored: re-encoded JPEG, upright, without EXIF and GPS."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="images")
    position = models.PositiveSmallIntegerField()
    shot = models.CharField(max_length=16, choices=Shot.choices, default=Shot.CLOSE_UP)
    file = models.FileField(upload_to=photo_key, max_length=100, blank=True, help_text="Empty once the photo is gone.")
    sha256 = models.CharField(max_length=64)
    pixel_sha256 = models.CharField(max_length=64, db_index=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    face = models.CharField(max_length=8, choices=FaceInPhoto.choices, default=FaceInPhoto.UNKNOWN, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["case", "position"], name="one_photo_per_position"),
            models.CheckConstraint(condition=Q(position__range=(0, 9)), name="at_most_ten_photos"),
            models.CheckConstraint(condition=Q(face__in=FaceInPhoto.values), name="face_in_photo_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} #{self.position}"


class PendingDeletion(models.Model):
    """A file that must go: written with the rows' deletion, removed once the storage has deleted the file."""

    key = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return str(self.pk)


class EventKind(models.TextChoices):
    SUBMITTED = "submitted", _("Photos received")
    ANALYSED = "analysed", _("Photos checked by the computer")
    ANALYSIS_FAILED = "analysis_failed", _("The check failed")
    ANALYSIS_RETRIED = "analysis_retried", _("The check was started again")
    REVIEW_REQUESTED = "review_requested", _("Sent to a dermatologist")
    REVIEW_SIGNED = "review_signed", _("Signed by a dermatologist")
    REVIEW_AMENDED = "review_amended", _("Changed by a dermatologist")
    REVIEW_TAKEN = "review_taken", _("Taken by a dermatologist")
    REVIEW_RELEASED = "review_released", _("Given back to the queue")
    FIRST_OPINION = "first_opinion", _("First opinion stored before the model was shown")
    SECOND_READ = "second_read", _("Sent to a second dermatologist")
    THIRD_READ = "third_read", _("Two dermatologists disagree: sent to a third")
    REVIEW_OVERDUE = "review_overdue", _("The review is late")
    PHOTOS_REQUESTED = "photos_requested", _("New photos asked for")
    PHOTOS_ADDED = "photos_added", _("New photos received")


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
