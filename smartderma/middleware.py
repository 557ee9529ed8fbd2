"""Middleware of the project."""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django_structlog.middlewares import RequestMiddleware

# Keys in addresses of password resets and e-mail confirmations open an account.
SECRET_PARTS = re.compile(r"(/password/reset/key/|/confirm-email/|/stop/|/signed/|/reports/verify/)[^/]+")


class QuietRequestMiddleware(RequestMiddleware):
    """Logs requests without what people typed (query) and without keys that open an account."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        path = SECRET_PARTS.sub(r"\1…", request.path)
        return f"{request.method} {path}"


class BodyLimitMiddleware:
    """413 for a body that no form of ours sends: a file is spooled to disk before any view could look at it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        limit = settings.MAX_BODY_BYTES
        if request.path.startswith(settings.UPLOAD_PATHS):
            limit = settings.MAX_UPLOAD_BODY_BYTES
        elif request.path.startswith(settings.PART_PATHS):
            limit = settings.MAX_PART_BYTES
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdigit() and int(length) > limit:
            return self._refusal(request)
        return self.get_response(request)

    @staticmethod
    def _refusal(request: HttpRequest) -> HttpResponse:
        """A page for a browser's form, a sentence for a script."""
        if "text/html" in request.headers.get("Accept", ""):
            return render(request, "413.html", status=413)
        return HttpResponse(_("This upload is too large."), status=413, content_type="text/plain; charset=utf-8")


class PrivateCacheMiddleware:
    """Pages of a signed-in person are never kept by a browser cache, a proxy or a service worker."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if getattr(request, "user", None) is not None and request.user.is_authenticated:
            response.headers.setdefault("Cache-Control", "no-store, private")
        return response
