"""API keys of partners: `Authorization: Bearer sd_live_...`."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.core.cache import cache
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, MethodNotAllowed, NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.throttling import BaseThrottle

from accounts.models import PartnerKey
from accounts.services import key_digest
from accounts.services_partners import key_touch, limits_of

WINDOW_SECONDS = 60


class PartnerKeyAuthentication(BaseAuthentication):
    """`request.user` is the partner's contact, `request.auth` the key."""

    def authenticate_header(self, request) -> str:
        return 'Bearer realm="api"'

    def authenticate(self, request):
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise AuthenticationFailed("The Authorization header must be 'Bearer <key>'.")
        key = self.find(parts[1])
        key_touch(key=key)
        return key.partner.contact, key

    def find(self, raw: bytes) -> PartnerKey:
        try:
            digest = key_digest(raw.decode("ascii"))
        except UnicodeDecodeError as error:
            raise AuthenticationFailed("This API key is not valid.") from error
        key = PartnerKey.objects.usable().select_related("partner__contact").filter(digest=digest).first()
        if key is None:
            raise AuthenticationFailed("This API key is not valid.")
        return key


class PartnerKeyScheme(OpenApiAuthenticationExtension):
    """How the OpenAPI document names the key."""

    target_class = PartnerKeyAuthentication
    name = "partnerKey"

    def get_security_definition(self, auto_schema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "sd_live_... or sd_test_...",
        }


class HasScope(BasePermission):
    """The view names the scope of each action in `scopes`; a view without one refuses everybody."""

    def has_permission(self, request, view) -> bool:
        if not isinstance(request.auth, PartnerKey):
            raise NotAuthenticated("Send an API key as 'Authorization: Bearer <key>'.")
        method = "get" if request.method == "HEAD" else request.method.lower()
        if method not in getattr(view, "scopes", {}):
            raise MethodNotAllowed(request.method)
        scope = view.scopes[method]
        self.message = f"This key lacks the scope {scope}."
        return scope in request.auth.scopes


class KeyThrottle(BaseThrottle):
    """Requests of one key in one minute, counted in the cache. Per key, not per address: servers share addresses."""

    def allow_request(self, request, view) -> bool:
        if not isinstance(request.auth, PartnerKey):
            return True
        limit = limits_of(request.auth.partner).requests_per_minute
        window, second = divmod(int(time.time()), WINDOW_SECONDS)
        used = _count(f"rate-{request.auth.pk}-{window}")
        request.rate = Rate(limit=limit, remaining=max(limit - used, 0), reset=WINDOW_SECONDS - second)
        self.reset = request.rate.reset
        return used <= limit

    def wait(self) -> float:
        return float(self.reset)


@dataclass(frozen=True)
class Rate:
    """How many requests a key may send in this minute, how many are left, and in how many seconds it starts again."""

    limit: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """As in the IETF draft "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers)."""
        return {
            "RateLimit-Policy": f'"requests";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"requests";r={self.remaining};t={self.reset}',
        }


def _count(name: str) -> int:
    """One more; the cache adds in one step, so that no two processes read the same number."""
    try:
        return cache.incr(name)
    except ValueError:  # the first of its minute; where two are, `add` lets one of them begin
        return 1 if cache.add(name, 1, 2 * WINDOW_SECONDS) else cache.incr(name)
