"""Reports as files: every version and language is kept."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from diagnosis.models import Case, VisibleQuerySet


def report_key(instance: Report, _filename: str) -> str:
    return f"reports/{uuid.uuid4().hex}.pdf"


class Report(models.Model):
    """One PDF of a case. Preliminary until a dermatologist signs, then final, later amended.

    `version` is that of the signed opinion, 0 before the first; `facts_sha256` says what the PDF was made from: new
    facts make a new row, and earlier rows stay.
    """

    class Standing(models.TextChoices):
        PRELIMINARY = "preliminary", _("Preliminary")
        FINAL = "final", _("Final")
        AMENDED = "amended", _("Amended")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="reports")
    version = models.PositiveSmallIntegerField()
    standing = models.CharField(max_length=16, choices=Standing.choices)
    language = models.CharField(max_length=8)
    file = models.FileField(upload_to=report_key, max_length=100)
    sha256 = models.CharField(max_length=64)
    facts_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["case", "version", "language", "facts_sha256"], name="one_report_per_facts_and_language"
            ),
            models.CheckConstraint(
                condition=Q(standing__in=["preliminary", "final", "amended"]), name="report_standing_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} v{self.version} {self.language}"
