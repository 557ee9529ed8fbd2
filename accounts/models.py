"""People, partners, consents and the log of who looked at what."""

from __future__ import annotations

import secrets
import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from accounts.models_own_data import DataExport, ErasureCertificate, LegalHold

__all__ = [
    "AccessLog",
    "Consent",
    "ConsentQuerySet",
    "DataExport",
    "DermatologistProfile",
    "DermatologistQuerySet",
    "ErasureCertificate",
    "KeyUsage",
    "LegalHold",
    "Partner",
    "PartnerKey",
    "PartnerKeyQuerySet",
    "Plan",
    "Purpose",
    "Role",
    "Scope",
    "User",
    "UserManager",
    "pseudonym",
]


class Role(models.TextChoices):
    PATIENT = "patient", _("Patient")
    DERMATOLOGIST = "dermatologist", _("Dermatologist")
    OPERATOR = "operator", _("Operator")
    PARTNER = "partner", _("Partner")


class UserManager(BaseUserManager["User"]):
    """E-mail is the login name; it is stored in lower case so that one address is one account."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields) -> User:
        if not email:
            raise ValueError("An account needs an e-mail address.")
        user = self.model(email=email.lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields) -> User:
        return self.create_user(email, password, role=Role.OPERATOR, is_staff=True, is_superuser=True, **fields)


def pseudonym() -> str:
    """Ten characters that name a person to a clinician without saying who it is."""
    return "P-" + "".join(secrets.choice("23456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(8))


class User(AbstractUser):
    """An account. The role decides what it sees; `is_staff` opens the operator's admin."""

    username = None  # type: ignore[assignment]
    email = models.EmailField(_("e-mail"), unique=True)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.PATIENT)
    pseudonym = models.CharField(max_length=12, unique=True, default=pseudonym, editable=False)
    language = models.CharField(max_length=8, default="en")

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(role__in=Role.values), name="user_role_is_known"),
            models.CheckConstraint(condition=Q(is_staff=False) | Q(role=Role.OPERATOR), name="user_staff_is_operator"),
        ]

    def __str__(self) -> str:
        return self.pseudonym

    @property
    def is_patient(self) -> bool:
        return self.role == Role.PATIENT

    @cached_property
    def is_verified_dermatologist(self) -> bool:
        """True once an operator has checked the licence; until then a dermatologist sees nothing.

        Asked once for each request: every list and page needs it. `PersonBackend` has asked already.
        """
        return self.role == Role.DERMATOLOGIST and DermatologistProfile.objects.verified().filter(user=self).exists()

    @cached_property
    def has_second_factor(self) -> bool:
        """True with an app for codes or a passkey. `PersonBackend` has asked already."""
        from allauth.mfa.utils import is_mfa_enabled  # its models need this module

        return is_mfa_enabled(self)


class DermatologistQuerySet(models.QuerySet):
    def verified(self) -> DermatologistQuerySet:
        return self.filter(verified_at__isnull=False, user__is_active=True)


def licence_key(instance: DermatologistProfile, filename: str) -> str:
    """A random key; the ending says whether the checked document is a PDF or a photo."""
    return f"licences/{uuid.uuid4().hex}{'.pdf' if filename.endswith('.pdf') else '.jpg'}"


class DermatologistProfile(models.Model):
    """The licence of a dermatologist and, if wished, the clinic that the finder shows."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="dermatologist")
    full_name = models.CharField(max_length=200)
    licence_number = models.CharField(max_length=64)
    licence_country = models.CharField(max_length=2)
    document = models.FileField(upload_to=licence_key, blank=True, max_length=100)
    applied_at = models.DateTimeField(default=timezone.now, editable=False)
    refused_at = models.DateTimeField(null=True, blank=True)
    refusal_reason = models.CharField(max_length=300, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    verified_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    listed = models.BooleanField(default=False, help_text=_("Show the clinic in the finder."))
    clinic_name = models.CharField(max_length=200, blank=True)
    clinic_address = models.CharField(max_length=300, blank=True)
    clinic_phone = models.CharField(max_length=40, blank=True)
    clinic_website = models.URLField(blank=True)
    latitude = models.FloatField(null=True, blank=True)
    longitude = models.FloatField(null=True, blank=True)

    objects = DermatologistQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["licence_country", "licence_number"], name="licence_belongs_to_one_person"),
            models.CheckConstraint(
                condition=Q(verified_at=None) | Q(refused_at=None), name="licence_is_not_both_verified_and_refused"
            ),
            models.CheckConstraint(condition=Q(refused_at=None) | ~Q(refusal_reason=""), name="refusal_says_why"),
            models.CheckConstraint(
                condition=Q(listed=False) | Q(latitude__range=(-90, 90), longitude__range=(-180, 180)),
                name="listed_clinic_has_a_position",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.full_name} ({self.licence_country} {self.licence_number})"

    @property
    def standing(self) -> str:
        """waiting until an operator decided, then verified or refused."""
        if self.verified_at:
            return "verified"
        return "refused" if self.refused_at else "waiting"


class Plan(models.TextChoices):
    """What a partner may send; the numbers stand in settings.PARTNER_PLANS."""

    TRIAL = "trial", _("Trial")
    STANDARD = "standard", _("Standard")
    LARGE = "large", _("Large")


class Partner(models.Model):
    """A clinic, insurer or app that uses the API. Its patients are pseudonymous external ids."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200, unique=True)
    contact = models.ForeignKey(User, on_delete=models.PROTECT, related_name="partners")
    active = models.BooleanField(default=True)
    plan = models.CharField(max_length=16, choices=Plan.choices, default=Plan.STANDARD)
    retention_days = models.PositiveSmallIntegerField(
        default=90, help_text=_("A case with its photos and reports is erased after so many days.")
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(plan__in=Plan.values), name="partner_plan_is_known"),
            models.CheckConstraint(
                condition=Q(retention_days__range=(1, 3650)), name="partner_retention_1_day_to_10_y"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Scope(models.TextChoices):
    ANALYSIS_WRITE = "analysis:write", _("Send photos")
    ANALYSIS_READ = "analysis:read", _("Read results")
    REPORT_READ = "report:read", _("Read reports")
    WEBHOOK_MANAGE = "webhook:manage", _("Manage webhooks")


class PartnerKeyQuerySet(models.QuerySet):
    def usable(self) -> PartnerKeyQuerySet:
        now = timezone.now()
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None, partner__active=True)


class PartnerKey(models.Model):
    """An API key. Only a hash is kept; the key itself is shown once. A sandbox key sees sandbox cases only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="keys")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField(max_length=8, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    scopes = models.JSONField(default=list)
    sandbox = models.BooleanField(default=False, editable=False)
    replaces = models.OneToOneField(
        "self", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="replaced_by"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = PartnerKeyQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…{self.last_four})"

    @property
    def is_usable(self) -> bool:
        """The rule of `PartnerKeyQuerySet.usable` for one row, the partner aside."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())


class KeyUsage(models.Model):
    """What one key did on one day (UTC). Analyses stay counted after their cases are erased."""

    key = models.ForeignKey(PartnerKey, on_delete=models.CASCADE, related_name="usage")
    day = models.DateField()
    requests = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0, help_text="Requests that were answered with 429.")
    analyses = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-day", "pk"]
        constraints = [models.UniqueConstraint(fields=["key", "day"], name="one_usage_row_per_key_and_day")]

    def __str__(self) -> str:
        return f"{self.key_id} {self.day}"


class Purpose(models.TextChoices):
    CARE = "care", _("Care: check my photos and show me the result")
    STORAGE = "storage", _("Storage: keep my photos so that I can follow a spot over time")
    RESEARCH = "research", _("Research: use my photos, without my name, to improve the service")
    SIMILAR = "similar", _("Similar cases: let dermatologists here compare my photos with those of other patients")


class ConsentQuerySet(models.QuerySet):
    def in_force(self) -> ConsentQuerySet:
        return self.filter(withdrawn_at=None)


class Consent(models.Model):
    """One purpose that a person agreed to, with the version of the text that was shown."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="consents")
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    version = models.CharField(max_length=16)
    language = models.CharField(max_length=8)
    granted_at = models.DateTimeField(default=timezone.now, editable=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = ConsentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "purpose"], condition=Q(withdrawn_at=None), name="one_consent_in_force_per_purpose"
            ),
            models.CheckConstraint(condition=Q(purpose__in=Purpose.values), name="consent_purpose_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.version}"


class AccessLog(models.Model):
    """Who opened which file or case of whom. Rows are written by `diagnosis.access` and never changed."""

    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    partner = models.ForeignKey(Partner, null=True, on_delete=models.SET_NULL, related_name="+")
    subject = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="access_log")
    action = models.CharField(max_length=32)
    object_type = models.CharField(max_length=32)
    object_id = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"
