"""Dermatologists' signed opinions."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from diagnosis.models.cases import Case, Tier, VisibleQuerySet
from ml.taxonomy import SLUGS


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
