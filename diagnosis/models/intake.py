"""Photos of a check that has not been sent yet: clean, looked at, and gone again when they become a case or expire."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from diagnosis.models.cases import FaceInPhoto, Shot
from diagnosis.models.uploads import OwnedQuerySet


class FaceChoice(models.TextChoices):
    """What the person decided about a face in the photo; empty: nothing yet."""

    KEPT = "kept", _("Stays as it is")
    EYES = "eyes", _("Eyes covered")


def intake_key(_instance: IntakePhoto, _filename: str) -> str:
    """A random key, as for the photos of a case."""
    return f"intake/{uuid.uuid4().hex}.jpg"


class IntakePhotoQuerySet(OwnedQuerySet):
    def of_submission(self, submission_key: uuid.UUID) -> IntakePhotoQuerySet:
        return self.filter(submission_key=submission_key)


class IntakePhoto(models.Model):
    """A photo that waits for the rest of its check, named by the check's `submission_key`.

    `faces` is None until a worker, asked at `asked_at`, has looked; then a list of `ml.faces.Face` as dictionaries.
    `source` is the upload it came from: asking twice for the same upload gives the same photo.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="intake_photos")
    submission_key = models.UUIDField(db_index=True)
    source = models.UUIDField(default=uuid.uuid4)
    shot = models.CharField(max_length=16, choices=Shot.choices)
    file = models.FileField(upload_to=intake_key, max_length=100)
    sha256 = models.CharField(max_length=64)
    pixel_sha256 = models.CharField(max_length=64)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    quality = models.JSONField(default=dict)
    faces = models.JSONField(null=True, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    face_choice = models.CharField(max_length=8, choices=FaceChoice.choices, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(db_index=True)

    objects = IntakePhotoQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["patient", "source"], name="one_photo_per_upload"),
            models.UniqueConstraint(
                fields=["patient", "submission_key", "shot"],
                condition=~Q(shot=Shot.OTHER),
                name="one_waiting_photo_per_kind_of_shot",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_poor(self) -> bool:
        """The measures of `ml.quality` say that nobody could judge it."""
        return self.quality.get("band") == "poor"

    @property
    def is_looked_at(self) -> bool:
        """A worker has looked for faces, or none is there to look: nobody is kept waiting for it."""
        patience = timedelta(seconds=settings.FACE_WAIT_SECONDS)
        return self.faces is not None or self.asked_at < timezone.now() - patience

    @property
    def shows_face(self) -> bool:
        """A face was found and nobody has said yet what should happen with it."""
        return bool(self.faces) and not self.face_choice

    @property
    def face(self) -> FaceInPhoto:
        """What goes into the case with the photo. A face that was found and not decided about stays in it."""
        if self.face_choice == FaceChoice.KEPT or self.shows_face:
            return FaceInPhoto.KEPT
        if self.faces is None:
            return FaceInPhoto.UNKNOWN
        return FaceInPhoto.COVERED if self.face_choice == FaceChoice.EYES else FaceInPhoto.NONE

    @property
    def issues(self) -> list[dict[str, Any]]:
        return self.quality.get("issues", [])
