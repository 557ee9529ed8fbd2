"""A spot that a person follows over time: its notes and the reminder to look again."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Role

if TYPE_CHECKING:
    from accounts.models import User
    from diagnosis.models.cases import Case


class LesionQuerySet(models.QuerySet[Any, Any]):
    def visible_to(self, user: User) -> LesionQuerySet:
        """The patient's own; for a dermatologist those of which a case was sent to the dermatologists."""
        if not user.is_authenticated:
            return self.none()
        if user.role == Role.PATIENT:
            return self.filter(patient=user)
        if user.is_verified_dermatologist:
            return self.filter(cases__review_requested_at__isnull=False).distinct()
        return self.none()


class Lesion(models.Model):
    """A spot or rash of one person, followed over several cases. A lesion is not a photo."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="lesions")
    body_site = models.CharField(max_length=32)
    name = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LesionQuerySet.as_manager()

    visits: list[Case]  # set by access.lesion_get: the cases that the reader may see

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.name or self.body_site


class LesionNote(models.Model):
    """What the patient wrote down about a spot, shown to nobody else."""

    lesion = models.ForeignKey(Lesion, on_delete=models.CASCADE, related_name="notes")
    text = models.TextField(max_length=2000)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [models.CheckConstraint(condition=~Q(text=""), name="lesion_note_is_not_empty")]

    def __str__(self) -> str:
        return f"{self.lesion_id} {self.pk}"


class Reminder(models.Model):
    """ "Look again in 3 months": one per lesion, by e-mail, again and again until it is stopped."""

    class Months(models.IntegerChoices):
        ONE = 1, _("every month")
        TWO = 2, _("every 2 months")
        THREE = 3, _("every 3 months")
        SIX = 6, _("every 6 months")
        TWELVE = 12, _("every 12 months")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lesion = models.OneToOneField(Lesion, on_delete=models.CASCADE, related_name="reminder")
    months = models.PositiveSmallIntegerField(choices=Months.choices, default=Months.THREE)
    due_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(months__in=[1, 2, 3, 6, 12]), name="reminder_interval_is_known"),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(stopped_at=None), name="reminder_due")]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_active(self) -> bool:
        return self.stopped_at is None
