"""Secrets that the site must be able to read again are sealed with keys made from SECRET_KEY.

A stolen copy of the database alone opens none of them. After a change of SECRET_KEY the old one belongs into
SECRET_KEY_FALLBACKS until every secret was rotated.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class SealBroken(Exception):
    """The text was sealed with a key that the site no longer has."""


def seal(text: str) -> str:
    """The text, encrypted and authenticated (Fernet)."""
    return _box().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """What was sealed. Raises SealBroken."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SealBroken("SECRET_KEY has changed and the old one is not among SECRET_KEY_FALLBACKS.") from error


def _box() -> MultiFernet:
    return MultiFernet([_fernet(str(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _fernet(key: str) -> Fernet:
    """A key of its own for this purpose: HMAC of its name, as `django.utils.crypto.salted_hmac` does."""
    return Fernet(base64.urlsafe_b64encode(hmac.new(key.encode(), b"smartderma.sealing", hashlib.sha256).digest()))
