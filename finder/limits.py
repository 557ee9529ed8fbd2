"""How often one person may search."""

from __future__ import annotations

from typing import cast

from allauth.account.adapter import get_adapter
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView


class FinderThrottle(UserRateThrottle):
    """30 searches a minute for an account, or for an address when nobody is signed in."""

    scope = "finder"
    rate = "30/min"

    def get_ident(self, request: HttpRequest) -> str:
        """The client's address by allauth's rules, which know the trusted proxies."""
        return get_adapter(request).get_client_ip(request)


def seconds_to_wait(request: HttpRequest) -> int:
    """0 when this search may go on and is counted; otherwise the seconds until the next one may."""
    throttle = FinderThrottle()
    # The throttle reads the user and the address only, which Django's request has as well; the view it ignores.
    if throttle.allow_request(cast("Request", request), cast("APIView", None)):
        return 0
    return max(1, round(throttle.wait() or 1))
