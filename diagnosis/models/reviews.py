"""Dermatologists' opinions: the first look, each read, and what was published."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from diagnosis.models.analyses import Analysis
from diagnosis.models.cases import Case, Tier, VisibleQuerySet
from ml.releases.loader import installed_classes
from ml.taxonomy import SLUGS


def diagnosis_choices() -> list[tuple[str, str]]:
    """Every condition that an installed release may know: an opinion outlives the release it was written beside."""
    new = sorted(installed_classes() - set(SLUGS))
    return [(slug, slug) for slug in [*SLUGS, *new, "other", "cannot_judge"]]


class Verdict(models.Model):
    """What it is and how urgent: the part of an opinion that two readers are compared by."""

    diagnosis = models.CharField(max_length=64, choices=diagnosis_choices)
    diagnosis_text = models.CharField(max_length=200, blank=True)
    icd10 = models.CharField(max_length=8, blank=True, help_text="ICD-10 code of another condition.")
    tier = models.CharField(max_length=16, choices=Tier.choices)

    class Meta:
        abstract = True

    @property
    def verdict(self) -> tuple[str, str, str]:
        """Two readers agree when these are equal; a coded diagnosis is compared by its code, not by its words."""
        named = self.diagnosis == "other" and not self.icd10
        return self.diagnosis, self.icd10 or (self.diagnosis_text.casefold() if named else ""), self.tier


class Opinion(Verdict):
    """Everything that a reader writes down."""

    class Severity(models.TextChoices):
        NOT_GIVEN = "", _("Not given")
        MILD = "mild", _("Mild")
        MODERATE = "moderate", _("Moderate")
        SEVERE = "severe", _("Severe")

    differential = models.JSONField(default=list, blank=True, help_text="Names, the likeliest first.")
    severity = models.CharField(max_length=8, choices=Severity.choices, default="", blank=True)
    plan = models.TextField(max_length=4000, blank=True)
    follow_up_weeks = models.PositiveSmallIntegerField(null=True, blank=True)
    note_to_patient = models.TextField(max_length=4000)
    private_note = models.TextField(max_length=4000, blank=True)

    class Meta:
        abstract = True

    OPINION_FIELDS = (
        "diagnosis",
        "diagnosis_text",
        "icd10",
        "tier",
        "differential",
        "severity",
        "plan",
        "follow_up_weeks",
        "note_to_patient",
        "private_note",
    )

    def opinion(self) -> dict[str, Any]:
        """The reader's part of the row, to be copied into another."""
        return {name: getattr(self, name) for name in self.OPINION_FIELDS}


class Review(Opinion):
    """The published opinion, signed. A change appends a version; a row is never edited."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="reviews")
    version = models.PositiveSmallIntegerField()
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews")
    reviewer_name = models.CharField(max_length=200)
    reviewer_licence = models.CharField(max_length=80)
    confirmed_by_name = models.CharField(max_length=200, blank=True, help_text="The second reader, who agreed.")
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
        indexes = [models.Index(fields=["signed_at"], condition=Q(version=1), name="review_first_signed_at")]

    def __str__(self) -> str:
        return f"{self.case_id} v{self.version}"


class FirstOpinion(Verdict):
    """What a reader thought before the model's panel was open; never edited.

    `photos` is how many photos there were: new photos make a new model result, and ask for a new first opinion.
    """

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="first_opinions")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    photos = models.PositiveSmallIntegerField()
    stored_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["stored_at"]
        constraints = [
            models.UniqueConstraint(fields=["case", "reader", "photos"], name="one_first_opinion_per_reader_and_photos")
        ]

    def __str__(self) -> str:
        return f"{self.case_id} first opinion"


class Read(Opinion):
    """One reader's signed opinion on one case. Published as a Review when the readers agree or a third decides."""

    class Kind(models.TextChoices):
        FIRST = "first", _("First read")
        SECOND = "second", _("Second read")
        THIRD = "third", _("Third read, which decides")
        AMENDMENT = "amendment", _("Change")

    class Override(models.TextChoices):
        NONE = "", _("I agree with the model, or did not use it")
        PHOTO = "photo", _("The photo misled the model")
        HISTORY = "history", _("The answers or the history say otherwise")
        PATTERN = "pattern", _("The model missed a feature that I see")
        UNKNOWN_CLASS = "unknown_class", _("The model does not know this condition")
        URGENCY = "urgency", _("Only the urgency differs")
        OTHER = "other", _("Another reason")

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="reads")
    kind = models.CharField(max_length=9, choices=Kind.choices)
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reads")
    reader_name = models.CharField(max_length=200)
    reader_licence = models.CharField(max_length=80)
    first_opinion = models.ForeignKey(FirstOpinion, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    changed = models.BooleanField(default=False, help_text="Differs from the first opinion.")
    change_reason = models.CharField(max_length=300, blank=True)
    override_reason = models.CharField(max_length=16, choices=Override.choices, default="", blank=True)
    analysis = models.ForeignKey(Analysis, null=True, blank=True, on_delete=models.SET_NULL, related_name="reads")
    model_rank = models.PositiveSmallIntegerField(
        null=True, blank=True, editable=False, help_text="Where the model had this diagnosis; 1: likeliest."
    )
    review = models.ForeignKey(Review, null=True, blank=True, on_delete=models.CASCADE, related_name="reads")
    signed_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["signed_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["case", "kind"], condition=~Q(kind="amendment"), name="one_read_of_each_kind"
            ),
            models.UniqueConstraint(
                fields=["case", "reader"], condition=~Q(kind="amendment"), name="readers_of_a_case_are_different_people"
            ),
            models.CheckConstraint(condition=Q(tier__in=Tier.values), name="read_tier_is_known"),
            models.CheckConstraint(
                condition=~Q(diagnosis="other") | ~Q(diagnosis_text=""), name="read_other_diagnosis_is_named"
            ),
            models.CheckConstraint(condition=Q(changed=False) | ~Q(change_reason=""), name="changed_read_says_why"),
        ]
        indexes = [models.Index(fields=["signed_at"], name="read_signed_at")]

    def __str__(self) -> str:
        return f"{self.case_id} {self.kind}"


class PhotoRequest(models.Model):
    """A reader could not judge and said which photos are missing."""

    class Missing(models.TextChoices):
        SHARP = "sharp", _("A sharp photo: hold the camera still and tap on the spot")
        LIGHT = "light", _("A photo in daylight, without flash and shadow")
        CLOSE = "close", _("A close-up from 10 to 15 cm")
        DISTANCE = "distance", _("A photo from half a metre away, to show where it is")
        ANGLE = "angle", _("A photo from the side, to show if it is raised")
        SIZE = "size", _("A coin or a ruler beside it, to show the size")
        WHOLE = "whole", _("All of it in one photo, with some healthy skin around")
        OTHER = "other", _("Something else")

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="photo_requests")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    missing = models.JSONField(default=list)
    note = models.TextField(max_length=1000, blank=True)
    asked_at = models.DateTimeField(default=timezone.now, editable=False)
    answered_at = models.DateTimeField(null=True, blank=True)
    withdrawn = models.BooleanField(default=False, help_text="Nobody waits for them any more; none came.")

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["-asked_at"]
        constraints = [
            models.UniqueConstraint(fields=["case"], condition=Q(answered_at=None), name="one_open_photo_request")
        ]
        indexes = [models.Index(fields=["asked_at"], name="photo_request_asked_at")]

    def __str__(self) -> str:
        return f"{self.case_id} photos"

    @property
    def missing_texts(self) -> list[str]:
        """What is missing, in the reader's language."""
        labels = dict(self.Missing.choices)
        return [str(labels[code]) for code in self.missing if code in labels]
