"""E-mails about cases, as rows: the row is the truth, the mail goes out once."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from diagnosis.models.cases import Case
from diagnosis.models.lesions import Reminder
from smartderma.leases import LeasedQuerySet


class NoticeKind(models.TextChoices):
    RESULT_READY = "result_ready", _("A check is finished")
    REVIEW_SIGNED = "review_signed", _("A dermatologist has answered")
    REVIEW_AMENDED = "review_amended", _("A dermatologist has changed an answer")
    PHOTOS_ASKED = "photos_asked", _("A dermatologist asks for new photos")
    NEW_MESSAGE = "new_message", _("Somebody has written to you")
    REMINDER = "reminder", _("It is time to look at a spot again")


class NoticeQuerySet(LeasedQuerySet):
    lease_setting = "NOTICE_LEASE_SECONDS"
    held = "sending"

    def claim(self, pk: uuid.UUID | str) -> Notice | None:
        """Take a queued e-mail; None when somebody else has it."""
        taken = self.filter(pk=pk).take(attempts=F("attempts") + 1)
        return self.select_related("user", "reminder").get(pk=pk) if taken else None


class Notice(models.Model):
    """One e-mail to one person. `key` names the event, so that an event that is reported twice is mailed once."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        SENDING = "sending", _("Being sent")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")

    TRANSITIONS = {
        Status.QUEUED: {Status.SENDING},
        Status.SENDING: {Status.SENT, Status.QUEUED, Status.FAILED},
        Status.SENT: set(),
        Status.FAILED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=16, choices=NoticeKind.choices)
    key = models.CharField(max_length=100)
    case = models.ForeignKey(Case, null=True, blank=True, on_delete=models.CASCADE, related_name="notices")
    reminder = models.ForeignKey(Reminder, null=True, blank=True, on_delete=models.CASCADE, related_name="notices")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    queued_at = models.DateTimeField(default=timezone.now, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ["-queued_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="one_notice_per_event_and_person"),
            models.CheckConstraint(condition=Q(kind__in=NoticeKind.values), name="notice_kind_is_known"),
            models.CheckConstraint(
                condition=Q(case__isnull=False, reminder=None) | Q(case=None, reminder__isnull=False),
                name="notice_is_about_a_case_or_a_reminder",
            ),
            models.CheckConstraint(
                condition=~Q(status="sent") | Q(sent_at__isnull=False), name="sent_notice_says_when"
            ),
        ]
        indexes = [models.Index(fields=["status", "queued_at"], name="notice_sweep")]

    def __str__(self) -> str:
        return f"{self.pk} {self.kind}"


class MutedNotice(models.Model):
    """A kind of e-mail that a person does not want."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="muted_notices")
    kind = models.CharField(max_length=16, choices=NoticeKind.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind"], name="one_mute_per_kind"),
            models.CheckConstraint(condition=Q(kind__in=NoticeKind.values), name="muted_kind_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.kind}"
