"""API keys of partners: `Authorization: Bearer sd_live_...`."""

from __future__ import annotations

from django.utils import timezone
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
