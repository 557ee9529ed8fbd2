"""What the OpenAPI document gets beside our views: an example of each schema, and the webhooks that we send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from diagnosis.models import WebhookEvent

Schema = dict[str, Any]

# Made once from real answers of a site, shortened by hand. Read again by tests/diagnosis/test_schema.py.
EXAMPLES: Schema = json.loads((Path(__file__).parent / "examples.json").read_text(encoding="utf-8"))
METHODS = ("get", "post", "put", "patch", "delete")


def add_examples(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """A hook of drf-spectacular: put the example of a schema wherever the schema is sent or answered."""
    for methods in result["paths"].values():
        for operation in (methods[method] for method in METHODS if method in methods):
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for media in (media for body in bodies for media in body.get("content", {}).values()):
                example = example_of(media.get("schema", {}), result["components"]["schemas"])
                if example is not None:
                    media.setdefault("example", example)
    return result


def example_of(schema: Schema, known: Schema) -> Any:
    """The example of a schema, of a page of such, or of a list of such; None where there is none."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if name in EXAMPLES:
        return EXAMPLES[name]
    inner = known.get(name, schema)
    if "example" in inner:
        return inner["example"]
    if inner.get("type") == "array":
        item = example_of(inner.get("items", {}), known)
        return None if item is None else [item]
    if name.startswith("Paginated"):
        rows = example_of(inner["properties"]["results"], known)
        return None if rows is None else {"next": None, "previous": None, "results": rows}
    return None


def add_webhooks(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """A hook of drf-spectacular: what we send, as OpenAPI 3.1 describes webhooks."""
    result["components"]["schemas"]["WebhookMessage"] = MESSAGE
    result["webhooks"] = {event.value: {"post": _message_of(event)} for event in WebhookEvent}
    return result


MESSAGE: Schema = {
    "type": "object",
    "description": "Ids only. Fetch the rest with your key. Unknown fields may be added.",
    "required": ["type", "timestamp", "data"],
    "properties": {
        "type": {"type": "string", "enum": list(WebhookEvent.values)},
        "timestamp": {"type": "string", "format": "date-time"},
        "data": {
            "type": "object",
            "properties": {
                **{
                    name: {"type": "string", "format": "uuid"}
                    for name in ("case_id", "analysis_id", "review_id", "report_id", "endpoint_id")
                },
                "analysis_ids": {"type": "array", "items": {"type": "string", "format": "uuid"}},
            },
        },
    },
}
HEADERS = {
    "webhook-id": "The same in every try and replay: use it to leave out what you have seen.",
    "webhook-timestamp": "Seconds since 1970 of this try. Refuse what is older than five minutes.",
    "webhook-signature": "`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`; one per valid secret, by spaces.",
}


def _message_of(event: WebhookEvent) -> Schema:
    return {
        "summary": str(event.label),
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": text}
            for name, text in HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/WebhookMessage"},
                    "example": {**EXAMPLES["WebhookMessage"], "type": event.value, "data": DATA[event]},
                }
            },
        },
        "responses": {"2XX": {"description": "Received. Anything else is tried again; 410 switches the endpoint off."}},
    }


IDS = {name: EXAMPLES[kind]["id"] for name, kind in (("case_id", "Case"), ("analysis_id", "Analysis"))}
OF_A_REVIEW = {"case_id": IDS["case_id"], "review_id": EXAMPLES["Review"]["id"]}
DATA = {
    WebhookEvent.ANALYSIS_SUCCEEDED: IDS,
    WebhookEvent.ANALYSIS_FAILED: IDS,
    WebhookEvent.REVIEW_COMPLETED: OF_A_REVIEW,
    WebhookEvent.REVIEW_AMENDED: OF_A_REVIEW,
    WebhookEvent.REPORT_READY: {"case_id": IDS["case_id"], "report_id": EXAMPLES["Report"]["id"]},
    WebhookEvent.DATA_ERASED: {"case_id": IDS["case_id"], "analysis_ids": [IDS["analysis_id"]]},
    WebhookEvent.WEBHOOK_TEST: {"endpoint_id": EXAMPLES["WebhookEndpoint"]["id"]},
}
