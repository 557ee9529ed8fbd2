"""Reports as files: every version and language is kept."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from diagnosis.models import Case, VisibleQuerySet

if TYPE_CHECKING:
    from accounts.models import User

CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 20  # 98 bits: nobody guesses one, with or without the rate limit


def verification_code() -> str:
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def report_key(instance: Report, _filename: str) -> str:
    return f"reports/{uuid.uuid4().hex}.pdf"


class SigningCertificate(models.Model):
    """A certificate that this installation has signed reports with; former ones stay, so that old files still verify.

    `sha256` is the fingerprint (hex) of the certificate's DER bytes.
    """

    sha256 = models.CharField(max_length=64, primary_key=True)
    pem = models.TextField()
    first_used_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.sha256


class ReportQuerySet(VisibleQuerySet):
    def visible_to(self, user: User) -> Self:
        """A report on which a patient let their name be printed is the patient's own: readers know a pseudonym."""
        found = super().visible_to(user)
        return found if user.is_authenticated and user.is_patient else found.filter(person_name="")


class Report(models.Model):
    """One PDF of a case. Preliminary until a dermatologist signs, then final, later amended.

    `version` is that of the signed opinion, 0 before the first; `facts_sha256` says what the PDF was made from: new
    facts make a new row, and earlier rows stay. Rows without a certificate are from before files were signed; they
    have no code either, and no paper size on record.
    """

    class Paper(models.TextChoices):
        A4 = "a4", _("A4")
        LETTER = "letter", _("US Letter")

    class Standing(models.TextChoices):
        PRELIMINARY = "preliminary", _("Preliminary")
        FINAL = "final", _("Final")
        AMENDED = "amended", _("Amended")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="reports")
    version = models.PositiveSmallIntegerField()
    standing = models.CharField(max_length=16, choices=Standing.choices)
    language = models.CharField(max_length=8)
    paper = models.CharField(max_length=8, choices=Paper.choices, blank=True)
    person_name = models.CharField(max_length=80, blank=True, help_text="Printed because the patient asked for it.")
    code = models.CharField(max_length=CODE_LENGTH, unique=True, null=True, editable=False)
    certificate = models.ForeignKey(
        SigningCertificate, null=True, on_delete=models.PROTECT, related_name="reports", editable=False
    )
    file = models.FileField(upload_to=report_key, max_length=100)
    sha256 = models.CharField(max_length=64, db_index=True)
    facts_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ReportQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["case", "version", "language", "paper", "person_name", "facts_sha256"],
                name="one_report_per_facts_language_paper_and_name",
            ),
            models.CheckConstraint(
                condition=Q(certificate=None, code=None)
                | Q(certificate__isnull=False, code__isnull=False, paper__in=["a4", "letter"]),
                name="signed_report_has_a_code_and_a_paper",
            ),
            models.CheckConstraint(
                condition=Q(standing__in=["preliminary", "final", "amended"]), name="report_standing_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} v{self.version} {self.language}"
