"""Download, erasure, legal holds. Keyword-only, named noun_verb, each in one transaction."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from auditlog.context import disable_auditlog
from auditlog.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext as _

from accounts import registry
from accounts.erasure import Doomed, doomed_with, rows_owned_by, stored_keys
from accounts.models import DermatologistProfile, ErasureCertificate, LegalHold, Role, User


class OnHold(Exception):
    """A legal hold forbids the erasure; `reasons` are the sentences that the person may read."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons

    @property
    def sentence(self) -> str:
        """What the person is told."""
        return _("We must keep your data for now: %(reason)s") % {"reason": str(self)}


@transaction.atomic
def hold_place(*, user: User, reason: str, operator: User) -> LegalHold:
    """Forbid the erasure of a person's data until the hold is ended."""
    if operator.role != Role.OPERATOR:
        raise PermissionError("Only an operator places a legal hold.")
    User.objects.select_for_update().get(pk=user.pk)  # an erasure that runs now ends first
    hold = LegalHold(user=user, reason=reason, placed_by=operator)
    hold.full_clean()
    hold.save()
    return hold


def hold_refuse(*, user: User | None) -> None:
    """Raises OnHold while a hold stands. Call it inside a transaction: the person's row stays locked until its end."""
    if user is None:
        return
    User.objects.select_for_update().get(pk=user.pk)
    reasons = list(user.legal_holds.values_list("reason", flat=True))
    if reasons:
        raise OnHold(reasons)


def certificate_create(*, scope: str, gone: Doomed, kept: dict[str, int] | None = None) -> ErasureCertificate:
    """Write down what went away, without a word about whose it was."""
    certificate = ErasureCertificate(
        scope=scope,
        counts=gone.counts,
        files=len(gone.files),
        keys_sha256=hashlib.sha256("\n".join(sorted(gone.files)).encode()).hexdigest(),
        kept=kept or {},
    )
    certificate.sha256 = certificate.digest()
    certificate.full_clean()
    certificate.save()
    return certificate


@transaction.atomic
def account_erase(*, user: User) -> ErasureCertificate:
    """Erase a person with everything that belongs to them; files go after commit.

    A dermatologist who signed opinions cannot go: a medical record must say who signed it. That account is closed.
    Raises OnHold while a legal hold stands.
    """
    hold_refuse(user=user)
    for part in registry.parts():
        part.leave(user=user)
    try:
        gone = doomed_with(user)
    except ProtectedError as error:
        return _account_close(user, error.protected_objects)
    _parts_erase(user, gone.files)
    with disable_auditlog():
        _audit_forget(user)
        user.delete()
    return certificate_create(scope=ErasureCertificate.Scope.ACCOUNT, gone=gone)


def _audit_forget(user: User) -> None:
    """The audit log names people it is about, and whoever acted by e-mail."""
    profiles = DermatologistProfile.objects.filter(user=user)
    for row in [user, *profiles]:
        LogEntry.objects.get_for_object(row).delete()
    LogEntry.objects.filter(actor=user).update(actor_email=None, remote_addr=None)


def _parts_erase(user: User, files: list[str]) -> None:
    for part in registry.parts():
        part.erase(user=user, keys=files)


def _account_close(user: User, protected: set[Any]) -> ErasureCertificate:
    """Everything goes except the signed records and the name and licence number that stand under them."""
    owned = list(rows_owned_by(user))
    profiles = [row for row in owned if isinstance(row, DermatologistProfile)]
    owned = [row for row in owned if row not in profiles]
    gone = Doomed({}, [key for profile in profiles for key in stored_keys(profile)])
    for row in owned:
        gone += doomed_with(row)
    _parts_erase(user, gone.files)
    for row in owned:
        row.delete()
    _shell_keep(user)
    kept = Counter(row._meta.label for row in protected)
    return certificate_create(scope=ErasureCertificate.Scope.CLOSING, gone=gone, kept=dict(sorted(kept.items())))


def _shell_keep(user: User) -> None:
    """The row that signed records point to: nobody can log in with it, and no address leads to the person."""
    user.email = f"{user.pseudonym.lower()}@closed.invalid"
    user.first_name = user.last_name = ""
    user.password = make_password(None)
    user.is_active = False
    user.last_login = None
    user.save()
    LogEntry.objects.filter(actor=user).update(actor_email=None, remote_addr=None)
    DermatologistProfile.objects.filter(user=user).update(
        listed=False,
        document="",
        clinic_name="",
        clinic_address="",
        clinic_phone="",
        clinic_website="",
        latitude=None,
        longitude=None,
    )


def account_can_be_erased(*, user: User) -> bool:
    """False for those whose leaving another person must arrange: operators and the contacts of partners."""
    return user.role in {Role.PATIENT, Role.DERMATOLOGIST}
