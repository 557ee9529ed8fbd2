"""A dermatologist applies; an operator verifies, refuses or withdraws. Each step stands in the audit log."""

from __future__ import annotations

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.language import speaking_to
from accounts.models import DermatologistProfile, Role, User


class NotPossible(Exception):
    """This account cannot take this step; the message says why in plain words."""


@transaction.atomic
def licence_apply(
    *, user: User, full_name: str, licence_number: str, licence_country: str, document: ContentFile
) -> DermatologistProfile:
    """Ask for verification, for the first time or again after a refusal; the account is a dermatologist's from now on.

    Raises NotPossible for an account that is a patient already or verified, ValidationError for bad fields.
    """
    user = User.objects.select_for_update().get(pk=user.pk)
    if user.role not in {Role.PATIENT, Role.DERMATOLOGIST} or user.consents.exists():
        raise NotPossible(_("This account is in use already. Please sign up with another e-mail address."))
    profile = DermatologistProfile.objects.filter(user=user).first() or DermatologistProfile(user=user)
    if profile.verified_at:
        raise NotPossible(_("Your licence is verified already."))
    former = profile.document.name or ""
    profile.full_name, profile.licence_number, profile.licence_country = full_name, licence_number, licence_country
    profile.applied_at, profile.refused_at, profile.refusal_reason = timezone.now(), None, ""
    profile.full_clean(exclude=["document"])
    _document_store(profile, document, former)
    user.role = Role.DERMATOLOGIST
    user.save(update_fields=["role"])
    transaction.on_commit(_tell_operators, robust=True)
    return profile


def _document_store(profile: DermatologistProfile, document: ContentFile, former: str) -> None:
    """The new file is there before its row, and goes again when the row fails; the old one goes after commit."""
    storage = profile.document.storage
    profile.document.save(document.name or "", document, save=False)
    try:
        with transaction.atomic():
            profile.save()
    except BaseException:
        storage.delete(str(profile.document.name))
        raise
    if former:
        transaction.on_commit(lambda: storage.delete(former), robust=True)


@transaction.atomic
def dermatologist_verify(*, profile: DermatologistProfile, operator: User) -> DermatologistProfile:
    """Record that an operator checked the licence."""
    _refuse_stranger(operator)
    profile.verified_at, profile.verified_by = timezone.now(), operator
    profile.refused_at, profile.refusal_reason = None, ""
    return _decide(profile)


@transaction.atomic
def dermatologist_refuse(*, profile: DermatologistProfile, operator: User, reason: str) -> DermatologistProfile:
    """Refuse a licence, or withdraw one that was verified: from now on this person sees no case.

    Raises ValidationError without a reason.
    """
    _refuse_stranger(operator)
    profile.verified_at = profile.verified_by = None
    profile.refused_at, profile.refusal_reason = timezone.now(), reason
    return _decide(profile)


def _refuse_stranger(operator: User) -> None:
    if operator.role != Role.OPERATOR:
        raise PermissionError("Only an operator decides about a licence.")


def _decide(profile: DermatologistProfile) -> DermatologistProfile:
    profile.full_clean()
    profile.save()
    transaction.on_commit(lambda: _tell_applicant(profile.user), robust=True)
    return profile


def _tell_applicant(user: User) -> None:
    with speaking_to(user):
        title = _("[Smart Derma] We have looked at your licence")
        body = _("Please log in to read what we decided: %(address)s")
        send_mail(title, body % {"address": settings.SITE_URL + reverse("licence_apply")}, None, [user.email])


def _tell_operators() -> None:
    address = settings.SITE_URL + reverse("admin:accounts_dermatologistprofile_changelist")
    for operator in User.objects.filter(role=Role.OPERATOR, is_active=True):
        with speaking_to(operator):
            title = _("[Smart Derma] A licence waits for verification")
            body = _("A dermatologist has applied. Please check the licence: %(address)s") % {"address": address}
            send_mail(title, body, None, [operator.email])
