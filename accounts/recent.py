"""Signing asks who is there: a log-in, password or key of the last minutes."""

from __future__ import annotations

import time
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.urls import reverse

from accounts.requests import PersonRequest


def is_recently_authenticated(request: PersonRequest) -> bool:
    """True when the person has proved who they are within SIGN_REAUTH_SECONDS."""
    if not settings.SIGN_REAUTH_SECONDS:
        return True
    times = [record["at"] for record in get_authentication_records(request, request.user)]
    return bool(times) and time.time() - max(times) < settings.SIGN_REAUTH_SECONDS


def confirm_address(request: PersonRequest) -> str:
    """Where the person proves it and comes back from to this page."""
    return f"{reverse('account_reauthenticate')}?{urlencode({'next': request.path})}"
