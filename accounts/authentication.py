"""API keys of partners: `Authorization: Bearer sd_live_...`."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import PartnerKey
from accounts.services import key_digest


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
        PartnerKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())
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
        scope = getattr(view, "scopes", {}).get(request.method.lower())
        self.message = f"This key lacks the scope {scope}."
        return scope in request.auth.scopes


class KeyThrottle(SimpleRateThrottle):
    """A limit per key, not per address: a partner's servers share addresses."""

    scope = "key"

    def get_cache_key(self, request, view) -> str | None:
        return f"throttle-{request.auth.pk}" if isinstance(request.auth, PartnerKey) else None
