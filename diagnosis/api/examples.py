"""Examples of the OpenAPI document, one per schema; tests/diagnosis/test_schema.py checks each against its schema."""

from __future__ import annotations

from typing import Any

from diagnosis.models import WebhookEvent

Schema = dict[str, Any]

ANALYSIS_ID = "0b7a5d2e-5a41-4f8c-9a3b-6f1c7e0d9b52"
CASE_ID = "9f2c1e64-3b7d-4c55-8e1a-0d4b6a7c8e90"
ENDPOINT_ID = "3d1f0c9a-6c57-4a3e-b8a1-2f7e9d5c4b31"
DELIVERY_ID = "c4a8e2d6-1b3f-4e7a-9c5d-8f0b2a6e4d17"
WHEN = "2026-11-23T08:30:00Z"

ENDPOINT = {
    "id": ENDPOINT_ID,
    "url": "https://clinic.example/hooks/smart-derma",
    "description": "Production",
    "events": ["analysis.succeeded", "review.completed"],
    "active": True,
    "disabled_reason": None,
    "disabled_at": None,
    "failing_since": None,
    "previous_secret_until": None,
    "created_at": WHEN,
}
PAYLOAD = {
    "type": "analysis.succeeded",
    "timestamp": WHEN,
    "data": {"case_id": CASE_ID, "analysis_id": ANALYSIS_ID},
}
ANALYSIS = {
    "id": ANALYSIS_ID,
    "status": "succeeded",
    "created_at": WHEN,
    "finished_at": WHEN,
    "failure": "",
    "outcome": "assessed",
    "reasons": [],
    "tier": "routine",
    "needs_review": False,
    "review_reasons": [],
    "predictions": [
        {"condition": "eczema", "label": "Eczema", "icd10": "L30.9", "snomed": "43116000", "probability": 0.71}
    ],
    "prediction_set": ["eczema"],
    "photos": [{"outcome": "assessed", "reasons": [], "quality": {"score": 0.9, "band": "good", "issues": []}}],
    "release": "r1",
    "weights_sha256": "0" * 64,
    "links": {"self": f"/api/v1/analyses/{ANALYSIS_ID}"},
}
EXAMPLES: Schema = {
    "Analysis": ANALYSIS,
    "WebhookEndpoint": ENDPOINT,
    "WebhookEndpointWithSecret": {**ENDPOINT, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    "WebhookEndpointRequest": {"url": ENDPOINT["url"], "description": "Production", "events": ENDPOINT["events"]},
    "PatchedWebhookEndpointChange": {"active": False},
    "WebhookDelivery": {
        "id": DELIVERY_ID,
        "message_id": f"msg_{DELIVERY_ID.replace('-', '')}",
        "endpoint": ENDPOINT_ID,
        "event": "analysis.succeeded",
        "payload": PAYLOAD,
        "status": "delivered",
        "attempts": 1,
        "next_attempt_at": None,
        "created_at": WHEN,
        "finished_at": WHEN,
        "tries": [{"at": WHEN, "status_code": 204, "error": None, "milliseconds": 83}],
    },
}
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
                    "example": {**PAYLOAD, "type": event.value, "data": DATA[event]},
                }
            },
        },
        "responses": {"2XX": {"description": "Received. Anything else is tried again; 410 switches the endpoint off."}},
    }


DATA = {
    WebhookEvent.ANALYSIS_SUCCEEDED: PAYLOAD["data"],
    WebhookEvent.ANALYSIS_FAILED: PAYLOAD["data"],
    WebhookEvent.REVIEW_COMPLETED: {"case_id": CASE_ID, "review_id": DELIVERY_ID},
    WebhookEvent.REVIEW_AMENDED: {"case_id": CASE_ID, "review_id": DELIVERY_ID},
    WebhookEvent.REPORT_READY: {"case_id": CASE_ID, "report_id": DELIVERY_ID},
    WebhookEvent.DATA_ERASED: {"case_id": CASE_ID, "analysis_ids": [ANALYSIS_ID]},
    WebhookEvent.WEBHOOK_TEST: {"endpoint_id": ENDPOINT_ID},
}
