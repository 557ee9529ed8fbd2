"""How often one address may ask the public check."""

from __future__ import annotations

from typing import cast

from allauth.account.adapter import get_adapter
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView


class VerifyThrottle(SimpleRateThrottle):
    """20 checks a minute for an address; codes are unguessable anyway, this keeps the page cheap."""

    scope = "verify"
    rate = "20/min"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        """By the client's address as allauth knows it, which counts the trusted proxies."""
        return f"verify-{get_adapter(request).get_client_ip(request)}"


def seconds_to_wait(request: HttpRequest) -> int:
    """0 when this check may go on and is counted; otherwise the seconds until the next one may."""
    throttle = VerifyThrottle()
    if throttle.allow_request(cast("Request", request), cast("APIView", None)):
        return 0
    return max(1, round(throttle.wait() or 1))
