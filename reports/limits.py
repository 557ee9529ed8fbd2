"""How often one address may ask the public check, and one person for reports."""

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


class MakeThrottle(SimpleRateThrottle):
    """10 reports a minute for a person: drawing and signing one takes a web process about half a second."""

    scope = "make_report"
    rate = "10/min"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        return f"make-report-{request.user.pk}"


def seconds_to_wait(request: HttpRequest, throttle: SimpleRateThrottle) -> int:
    """0 when this request may go on and is counted; otherwise the seconds until the next one may."""
    if throttle.allow_request(cast("Request", request), cast("APIView", None)):
        return 0
    return max(1, round(throttle.wait() or 1))
