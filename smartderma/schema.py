"""What the OpenAPI document says of every operation alike: its problems, their format, an example of each."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from smartderma.api import PROBLEM_JSON

Schema = dict[str, Any]

# Why an operation may answer so, in the words of docs/API.md.
REASONS = {
    400: "The request cannot be understood; `errors` has one entry per field.",
    401: "No API key, or not a valid one.",
    403: "The key lacks the scope; the scope is named.",
    404: "There is nothing here that this key may see.",
    406: "None of the formats in `Accept` can be made.",
    409: "The object is not in a state that allows this.",
    413: "The body is too large.",
    415: "The body has a format that this address does not read.",
    422: "The request is understood and cannot be used.",
    429: "Too many requests for this key; wait for `Retry-After` seconds.",
}
PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What went wrong, for a person."},
        "instance": {"type": "string", "format": "uri-reference"},
        "request_id": {"type": "string", "description": "Name it when you ask us: our log has the same."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "message"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the request."},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
METHODS = ("get", "post", "put", "patch", "delete", "head")


def document_problems(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """A hook of drf-spectacular: give every operation the problems that it can answer with."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    for path, methods in result["paths"].items():
        for method in METHODS:
            if method in methods:
                _document(path, methods[method])
    return result


def _document(path: str, operation: Schema) -> None:
    responses = operation["responses"]
    for status in sorted({*_own(responses), *_common(path, operation)}):
        known = responses.get(str(status), {})
        responses[str(status)] = {**known, "description": _reason(status, known), "content": _content(path, status)}
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            responses[str(status)]["headers"] = {
                "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}
            }
    operation["responses"] = dict(sorted(responses.items()))


def _own(responses: Schema) -> set[int]:
    return {int(status) for status in responses if status.isdigit() and int(status) >= 400}


def _common(path: str, operation: Schema) -> set[int]:
    statuses = {400, 406, 429}
    if operation.get("security", [{}]) != [{}]:
        statuses |= {401, 403}
    if "{" in path:
        statuses.add(404)
    if "requestBody" in operation:
        statuses |= {413, 415}
    return statuses


def _reason(status: int, known: Schema) -> str:
    return known.get("description") or REASONS.get(status) or HTTPStatus(status).description


def _content(path: str, status: int) -> Schema:
    example = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": REASONS.get(status, HTTPStatus(status).description),
        "instance": path,
        "request_id": "6f1f4a64-0d0c-4f5b-9f55-1f2a35c3b7d1",
    }
    if status == HTTPStatus.BAD_REQUEST:
        error = {"pointer": "/field", "code": "invalid", "message": "This field is not valid."}
        example |= {"detail": error["message"], "errors": [error]}
    return {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}
