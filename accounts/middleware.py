"""Who sees other people's health data proves more: a second factor, and a short session."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.models import Role
from accounts.requests import PersonRequest

GUARDED = {Role.DERMATOLOGIST, Role.OPERATOR}
SEEN = "staff_seen_at"
SEEN_EVERY = 30  # seconds: not every request writes the session
# Where a second factor is set up, and what a page on the way there needs.
OPEN = ("/account/2fa/", "/account/log", "/account/reauthenticate/", "/account/email/", "/account/confirm-email/")
ALSO_OPEN = ("/account/language/", "/static/", "/health/", "/app/")
PULSE = "/keep/"  # an open page is not a person at work


class StaffGuardMiddleware:
    """Dermatologists and operators need a second factor and are logged out when they do nothing for a while."""

    def __init__(self, get_response: Callable[[PersonRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: PersonRequest) -> HttpResponseBase:
        user = request.user
        if user.is_authenticated and user.role in GUARDED:
            return self._guarded(request)
        return self.get_response(request)

    def _guarded(self, request: PersonRequest) -> HttpResponseBase:
        if self._is_idle(request):
            logout(request)
            messages.info(request, _("You were logged out because nothing happened for a while."))
            return HttpResponse(status=401) if request.htmx else redirect_to_login(request.get_full_path())
        if not request.path.startswith((*OPEN, *ALSO_OPEN)) and self._lacks_factor(request):
            messages.warning(request, _("Please set up a second factor first: an app with codes, or a passkey."))
            return HttpResponse(status=401) if request.htmx else redirect("mfa_index")
        return self.get_response(request)

    def _is_idle(self, request: PersonRequest) -> bool:
        now = time.time()
        seen = request.session.get(SEEN, now)
        if now - seen > settings.STAFF_SESSION_SECONDS:
            return True
        if SEEN not in request.session or (now - seen > SEEN_EVERY and not request.path.endswith(PULSE)):
            request.session[SEEN] = now
        return False

    def _lacks_factor(self, request: PersonRequest) -> bool:
        demo = settings.DEMO_ACCOUNTS and request.user.email.endswith("@demo.example")  # development only: E004
        return settings.MFA_REQUIRED and not demo and not request.user.has_second_factor
