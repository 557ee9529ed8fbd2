"""What every API view shares: problem+json (RFC 9457) and cursor pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response
from rest_framework.views import exception_handler


class CursorPages(CursorPagination):
    """Opaque cursor, 100 rows at most, unique tie-break; a tampered cursor is 400."""

    page_size = 25
    page_size_query_param = "limit"
    max_page_size = 100
    ordering = ("-created_at", "-pk")

    def decode_cursor(self, request):
        try:
            return super().decode_cursor(request)
        except exceptions.NotFound as error:
            raise exceptions.ValidationError({"cursor": "This cursor is not one of ours."}) from error


def problem_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn every expected error into application/problem+json; unexpected ones go on to Django."""
    if isinstance(exc, Http404):
        exc = exceptions.NotFound("There is nothing here that you may see.")
    elif isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    response = exception_handler(exc, context)
    if response is None:
        return None
    errors = _errors(exc.detail) if isinstance(exc, exceptions.ValidationError) else []
    detail = "; ".join(error["message"] for error in errors) or str(getattr(exc, "detail", exc))
    response.data = {
        "type": "about:blank",
        "title": HTTPStatus(response.status_code).phrase,
        "status": response.status_code,
        "detail": detail,
        "instance": context["request"].path,
        **({"errors": errors} if errors else {}),
    }
    response.content_type = "application/problem+json"
    return response


def _errors(detail: Any, pointer: str = "") -> list[dict[str, str]]:
    """Flatten DRF's nested messages to a list of JSON pointers."""
    if isinstance(detail, dict):
        return [error for key, value in detail.items() for error in _errors(value, f"{pointer}/{key}")]
    if isinstance(detail, list):
        return [error for value in detail for error in _errors(value, pointer)]
    return [{"pointer": pointer, "code": str(detail.code), "message": str(detail)}]
