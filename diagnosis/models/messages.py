"""What patient and dermatologists write to each other about a case."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Role
from diagnosis.models.cases import Case, VisibleQuerySet
from diagnosis.models.reviews import Review

if TYPE_CHECKING:
    from accounts.models import User


class MessageQuerySet(VisibleQuerySet):
    def unread(self) -> MessageQuerySet:
        return self.filter(read_at=None)

    def concerning(self, user: User) -> MessageQuerySet:
        """Visible messages of the cases that this person takes part in: a dermatologist signed, wrote in or holds them.

        Asked per message and not per case: there are few of them, and a million cases.
        """
        visible = self.visible_to(user)
        if user.role == Role.PATIENT:
            return visible
        signed = Review.objects.filter(case=models.OuterRef("case"), reviewer=user)
        wrote = Message.objects.filter(case=models.OuterRef("case"), author=user)
        return visible.filter(models.Exists(signed) | models.Exists(wrote) | Q(case__review_holder=user))

    def waiting_for(self, user: User) -> MessageQuerySet:
        """Unread messages that this person should answer."""
        return self.concerning(user).unread().filter(from_patient=user.role != Role.PATIENT)


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
