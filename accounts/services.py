"""Writes of this app. Keyword-only, named noun_verb, each in one transaction."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import registry
from accounts.models import AccessLog, Consent, Partner, PartnerKey, Purpose, User


def key_digest(key: str) -> str:
    """SHA-256 of an API key, hex. A key has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(key.encode()).hexdigest()


@transaction.atomic
def consent_set(*, user: User, purposes: Collection[str], language: str) -> None:
    """Make exactly `purposes` the consents in force, with the text version of today. Apps hear what was taken back."""
    in_force = user.consents.in_force()
    taken_back = set(in_force.values_list("purpose", flat=True)) - set(purposes)
    outdated = in_force.exclude(purpose__in=purposes, version=settings.CONSENT_VERSION)
    outdated.update(withdrawn_at=timezone.now())
    held = set(user.consents.in_force().values_list("purpose", flat=True))
    for purpose in sorted(set(purposes) - held):
        consent = Consent(user=user, purpose=purpose, version=settings.CONSENT_VERSION, language=language)
        consent.full_clean()
        consent.save()
    for part in registry.parts() if taken_back else []:
        part.withdraw(user=user, purposes=taken_back)


def consent_held(*, user: User, purpose: str = Purpose.CARE) -> bool:
    """True when the person agreed to today's text of this purpose."""
    return user.consents.in_force().filter(purpose=purpose, version=settings.CONSENT_VERSION).exists()


def access_record(
    *, actor: User | None, subject: User | None, action: str, obj: object, partner: Partner | None = None
) -> None:
    """Append one line to the access log."""
    AccessLog.objects.create(
        actor=actor,
        partner=partner,
        subject=subject,
        action=action,
        object_type=type(obj).__name__,
        object_id=str(getattr(obj, "pk", "")),
    )


@transaction.atomic
def partner_key_create(
    *,
    partner: Partner,
    name: str,
    scopes: Collection[str],
    expires_at: datetime | None = None,
    sandbox: bool = False,
) -> tuple[PartnerKey, str]:
    """A new key and, this once, its text: `sd_live_...`, or `sd_test_...` for the sandbox."""
    text = f"{'sd_test_' if sandbox else 'sd_live_'}{secrets.token_urlsafe(32)}"
    key = PartnerKey(
        partner=partner,
        name=name,
        digest=key_digest(text),
        prefix=text[:8],
        last_four=text[-4:],
        scopes=sorted(scopes),
        sandbox=sandbox,
        expires_at=expires_at,
    )
    key.full_clean()
    key.save()
    return key, text


def partner_key_revoke(*, key: PartnerKey) -> None:
    """End a key at once; a second call changes nothing."""
    PartnerKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
