"""What every resource of the partner API shares: whose key came, documented problems, refusals as problem+json."""

from __future__ import annotations

from typing import cast

from django.core.exceptions import ValidationError as DjangoValidationError
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import PartnerKey

PROBLEMS = {
    400: OpenApiResponse(description="The request cannot be understood: problem+json with one entry per field."),
    401: OpenApiResponse(description="No API key, or not a valid one."),
    403: OpenApiResponse(description="The key lacks the scope; the scope is named."),
    415: OpenApiResponse(description="The body is not multipart/form-data."),
    429: OpenApiResponse(description="Too many requests for this key; see Retry-After."),
}
MISSING = {404: OpenApiResponse(description="There is nothing here that this key may see.")}


def key_of(request: Request) -> PartnerKey:
    """The key that came with the request; `HasScope` has let only keys through."""
    return cast(PartnerKey, request.auth)


def unusable_photo(request: Request, error: DjangoValidationError) -> Response:
    """422: what cannot be decoded or is too small; every refused photo is named."""
    problems = [
        {"pointer": "/photos", "code": str(one.code), "message": one.messages[0]}
        for one in (error.error_list if hasattr(error, "error_list") else [error])
    ]
    body = {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": " ".join(problem["message"] for problem in problems),
        "instance": request.path,
        "errors": problems,
    }
    return Response(body, status=422, content_type="application/problem+json")
