"""What every API view shares: problem+json (RFC 9457) and cursor pages."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from django.core import signing
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.fields import get_error_detail
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import exception_handler

PROBLEM_JSON = "application/problem+json"
CURSOR_SALT = "smartderma.api.cursor"


class CursorPages(CursorPagination):
    """Opaque cursor, 100 rows at most, unique tie-break; a tampered cursor or limit is 400."""

    page_size = 25
    page_size_query_param = "limit"
    max_page_size = 100
    ordering = ("-created_at", "-pk")

    def get_page_size(self, request) -> int:
        """`limit`, 1 to 100. Raises ValidationError for anything else."""
        text = request.query_params.get(self.page_size_query_param, str(self.page_size))
        if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= self.max_page_size):
            raise exceptions.ValidationError({"limit": f"Ask for 1 to {self.max_page_size} rows."})
        return int(text)

    def get_schema_operation_parameters(self, view) -> list[dict[str, Any]]:
        """What the OpenAPI document says of `cursor` and `limit`."""
        limit = {"type": "integer", "minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return [
            {
                "name": self.cursor_query_param,
                "in": "query",
                "description": "Opaque; follow `next` and `previous` instead of making one.",
                "schema": {"type": "string"},
            },
            {"name": self.page_size_query_param, "in": "query", "description": "Rows of a page.", "schema": limit},
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A page: its rows, and the addresses of the pages beside it."""
        address = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": address, "previous": address, "results": schema},
        }

    def encode_cursor(self, cursor: Cursor) -> str:
        """The address of a page; the cursor is signed, so that nobody makes one."""
        text = signing.dumps(list(cursor), salt=CURSOR_SALT)
        return replace_query_param(self.base_url or "", self.cursor_query_param, text)

    def decode_cursor(self, request) -> Cursor | None:
        text = request.query_params.get(self.cursor_query_param)
        if text is None:
            return None
        try:
            return Cursor(*signing.loads(text, salt=CURSOR_SALT))
        except signing.BadSignature as error:
            raise exceptions.ValidationError({"cursor": _("This cursor is not one of ours.")}) from error

    def paginate_queryset(self, queryset, request, view=None):
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, TypeError, DjangoValidationError) as error:  # a cursor of another list
            raise exceptions.ValidationError({"cursor": _("This cursor is not one of ours.")}) from error


class Problem(exceptions.APIException):
    """An error with a status of its own: `Problem(409, "in_progress", "…", headers={"Retry-After": "1"})`."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.headers = headers or {}
        self.errors = errors or []


class Conflict(exceptions.APIException):
    """409: the object is not in a state that allows this; the detail says so in plain words."""

    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"


def problem(*, status: int, detail: str, instance: str, errors: Sequence[dict[str, str]] = ()) -> dict[str, Any]:
    """A body of application/problem+json (RFC 9457); `request_id` is the one in our logs."""
    known = structlog.contextvars.get_contextvars().get("request_id")
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": quote(instance),
        "request_id": str(known or uuid.uuid4()),
        **({"errors": list(errors)} if errors else {}),
    }


def problem_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn every expected error into application/problem+json; unexpected ones go on to `ProblemMiddleware`."""
    if isinstance(exc, Http404):
        exc = exceptions.NotFound("There is nothing here that you may see.")
    elif isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    elif isinstance(exc, RequestDataTooBig):
        exc = Problem(413, "too_large", str(_("The body is too large.")))
    elif isinstance(exc, UnreadablePostError):
        exc = Problem(408, "too_slow", str(_("The body did not arrive in time.")))
    elif isinstance(exc, SuspiciousOperation):
        exc = exceptions.ParseError(_("The request cannot be understood."))
    elif isinstance(exc, DjangoValidationError):
        exc = exceptions.ValidationError(get_error_detail(exc))
    response = exception_handler(exc, context)
    if response is None:
        return None
    errors = error_list(exc.detail) if isinstance(exc, exceptions.ValidationError) else getattr(exc, "errors", [])
    detail = "; ".join(dict.fromkeys(error["message"] for error in errors)) or str(getattr(exc, "detail", exc))
    path = context["request"].path
    response.data = problem(status=response.status_code, detail=detail, instance=path, errors=errors)
    response.content_type = PROBLEM_JSON
    for name, value in getattr(exc, "headers", {}).items():
        response[name] = value
    return response


class ProblemMiddleware:
    """Whatever goes wrong below /api/, before or outside of a view of ours, is problem+json too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        known = response.headers.get("Content-Type", "").startswith(PROBLEM_JSON)
        if response.status_code < HTTPStatus.BAD_REQUEST or known or not request.path.startswith("/api/"):
            return response
        plain = response.headers.get("Content-Type", "").startswith("text/plain")
        detail = response.content.decode() if plain else HTTPStatus(response.status_code).description
        body = problem(status=response.status_code, detail=detail, instance=request.path)
        response.content = json.dumps(body).encode()
        response.headers["Content-Type"] = PROBLEM_JSON
        response.headers["Content-Length"] = str(len(response.content))
        return response


def error_list(detail: Any, pointer: str = "") -> list[dict[str, str]]:
    """Flatten DRF's nested messages to a list of `{pointer, code, message}`; pointers are JSON pointers."""
    if isinstance(detail, dict):
        return [error for key, value in detail.items() for error in error_list(value, f"{pointer}/{key}")]
    if isinstance(detail, list):
        return [error for value in detail for error in error_list(value, pointer)]
    return [{"pointer": pointer, "code": str(detail.code), "message": str(detail)}]
