"""What every resource of the partner API shares: whose key came, what it may do, what is counted and answered."""

from __future__ import annotations

from typing import Any, cast

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import PartnerKey
from accounts.services_partners import usage_record
from diagnosis.sandbox import asked_error
from smartderma.api import CursorPages, Problem

TOO_MANY = 429
MISSING = {404: OpenApiResponse(description="There is nothing here that this key may see.")}


class PartnerResource(GenericViewSet):
    """Base of every resource. `scopes` names the scope of each method; a method without one is not allowed.

    Answers carry the standard RateLimit headers; every request is counted for the usage page.
    """

    http_method_names = ["get", "head", "post", "patch", "delete"]
    scopes: dict[str, str] = {}
    lookup_value_converter = "uuid"
    filter_backends: list = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        twice = [name for name, values in request.query_params.lists() if len(values) > 1]
        if twice:
            raise ValidationError({name: _("This parameter came more than once.") for name in twice})
        if key_of(request).sandbox and (problem := asked_error(request.headers.get("Sandbox-Error", ""))):
            raise problem

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        rate = getattr(request, "rate", None)
        if rate:
            usage_record(key=key_of(request), requests=1, refused=int(response.status_code == TOO_MANY))
            for name, value in rate.headers().items():
                response[name] = value
        return response


class CasePages(CursorPages):
    """Pages of what belongs to cases: by the time the case was sent, which an index of the cases gives."""

    ordering = ("-sent_at", "-pk")


def key_of(request: Request) -> PartnerKey:
    """The key that came with the request; `HasScope` has let only keys through."""
    return cast(PartnerKey, request.auth)


def unusable_photos(error: DjangoValidationError) -> Problem:
    """422: what cannot be decoded or is too small; every refused photo is named."""
    problems = [
        {"pointer": "/photos", "code": str(one.code), "message": one.messages[0]}
        for one in (error.error_list if hasattr(error, "error_list") else [error])
    ]
    return Problem(422, "unusable_photo", " ".join(one["message"] for one in problems), errors=problems)
