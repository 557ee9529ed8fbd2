"""Files on their way in, part by part, so that a lost connection costs one part and not the whole photo."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User

if TYPE_CHECKING:
    from accounts.models import PartnerKey


class OwnedQuerySet(models.QuerySet):
    """Rows that belong to one person or to one partner, and to nobody else: no dermatologist, no operator."""

    def owned_by(self, owner: User | PartnerKey) -> Self:
        return self.filter(**owner_fields(owner))

    def expired(self) -> Self:
        return self.filter(expires_at__lte=timezone.now())

    def alive(self) -> Self:
        return self.filter(expires_at__gt=timezone.now())


def owner_fields(owner: User | PartnerKey) -> dict[str, Any]:
    """The columns of an owner: a person, or a partner through a key; sandbox and live keys share nothing."""
    return {"patient": owner} if isinstance(owner, User) else {"partner_id": owner.partner_id, "sandbox": owner.sandbox}


class Upload(models.Model):
    """A file that is being received. `offset` bytes of `length` are stored; it is whole when both are equal.

    `sha256` (hex) is what the sender declared; the joined file is compared with it. Writes: services/uploads.py.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="uploads"
    )
    partner = models.ForeignKey(
        "accounts.Partner", null=True, blank=True, on_delete=models.CASCADE, related_name="uploads"
    )
    sandbox = models.BooleanField(default=False, help_text="Sent with a sandbox key.")
    length = models.PositiveBigIntegerField()
    offset = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(db_index=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(patient__isnull=False, partner=None) | Q(patient=None, partner__isnull=False),
                name="upload_belongs_to_a_patient_or_a_partner",
            ),
            models.CheckConstraint(
                condition=Q(sandbox=False) | Q(partner__isnull=False), name="upload_of_a_patient_is_real"
            ),
            models.CheckConstraint(condition=Q(length__gt=0), name="upload_has_a_length"),
            models.CheckConstraint(condition=Q(offset__lte=F("length")), name="upload_is_not_overfull"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_whole(self) -> bool:
        return self.offset == self.length


class UploadPart(models.Model):
    """One received part: an object of its own in the private storage, because objects in a bucket cannot grow."""

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="parts")
    offset = models.PositiveBigIntegerField()
    length = models.PositiveIntegerField()
    key = models.CharField(max_length=100, unique=True)

    FILE_KEYS = ("key",)  # for accounts.erasure

    class Meta:
        ordering = ["offset"]
        constraints = [models.UniqueConstraint(fields=["upload", "offset"], name="one_part_per_offset")]

    def __str__(self) -> str:
        return f"{self.upload_id} @{self.offset}"
