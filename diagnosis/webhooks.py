"""Messages to partners as signed bytes (Standard Webhooks 1.0.0); `smartderma.outbound` sends them."""

from __future__ import annotations

import json
from datetime import datetime

from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from diagnosis.models import WebhookDelivery
from smartderma import outbound


def send(delivery: WebhookDelivery) -> outbound.Answer:
    """One try."""
    body = body_of(delivery)
    return outbound.post(delivery.endpoint.url, body, headers_of(delivery, body, timezone.now()))


def body_of(delivery: WebhookDelivery) -> bytes:
    """The same bytes in every try, whatever order the database keeps."""
    return json.dumps(delivery.payload, sort_keys=True, separators=(",", ":")).encode()


def headers_of(delivery: WebhookDelivery, body: bytes, now: datetime) -> dict[str, str]:
    """Signed with every secret in force; the timestamp is that of the try."""
    signatures = [
        Webhook(secret).sign(delivery.message_id, now, body.decode())
        for secret in delivery.endpoint.secrets_in_force(now)
    ]
    return {
        "content-type": "application/json",
        "user-agent": "SmartDerma-Webhooks/1",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
