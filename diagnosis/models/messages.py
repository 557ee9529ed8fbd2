"""What patient and dermatologists write to each other about a case."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Role
from diagnosis.models.cases import Case, VisibleQuerySet

if TYPE_CHECKING:
    from accounts.models import User


class MessageQuerySet(VisibleQuerySet):
    def unread(self) -> MessageQuerySet:
        return self.filter(read_at=None)

    def unread_by(self, user: User) -> MessageQuerySet:
        """Visible messages of the other side that nobody on this side has opened yet."""
        return self.visible_to(user).unread().filter(from_patient=user.role != Role.PATIENT)

    def waiting_for(self, user: User) -> MessageQuerySet:
        """Unread messages that this person should answer; a dermatologist's are those of cases they took part in."""
        unread = self.unread_by(user)
        return unread if user.role == Role.PATIENT else unread.filter(case__in=Message.cases_of(user))


class Message(models.Model):
    """One message. `read_at` is when somebody of the other side first opened it; a message is never edited."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="messages")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    author_name = models.CharField(max_length=200, blank=True, help_text="Of a dermatologist; a patient has none.")
    from_patient = models.BooleanField()
    submission_key = models.UUIDField(default=uuid.uuid4, editable=False)
    text = models.TextField(max_length=4000, blank=True)
    sent_at = models.DateTimeField(default=timezone.now, editable=False)
    read_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["sent_at", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(from_patient=True, author_name="") | Q(Q(from_patient=False), ~Q(author_name="")),
                name="message_of_a_dermatologist_is_named",
            ),
            models.UniqueConstraint(fields=["case", "submission_key"], name="one_message_per_submission"),
        ]
        indexes = [models.Index(fields=["case", "from_patient"], condition=Q(read_at=None), name="message_unread")]

    def __str__(self) -> str:
        return str(self.pk)

    @staticmethod
    def cases_of(dermatologist: User) -> models.QuerySet[Any, Any]:
        """Ids of the cases that a dermatologist signed, wrote in or holds."""
        signed = Q(reviews__reviewer=dermatologist)
        wrote = Q(messages__author=dermatologist)
        return Case.objects.filter(signed | wrote | Q(review_holder=dermatologist)).values("pk")


class AttachmentQuerySet(VisibleQuerySet):
    case_path = "message__case__"


def attachment_key(instance: MessageAttachment, _filename: str) -> str:
    """A random key, as for photos."""
    return f"messages/{uuid.uuid4().hex}.jpg"


class MessageAttachment(models.Model):
    """A photo in a message: decoded, stripped and kept as those of a case."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attachments")
    position = models.PositiveSmallIntegerField()
    file = models.FileField(upload_to=attachment_key, max_length=100)
    sha256 = models.CharField(max_length=64)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["message", "position"], name="one_attachment_per_position")]

    def __str__(self) -> str:
        return str(self.pk)
