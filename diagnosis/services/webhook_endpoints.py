"""Endpoints of partners: made, changed, their secrets rotated, switched off and on again."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import httpx
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.language import speaking_to
from accounts.models import Partner
from diagnosis.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from diagnosis.services.steps import WrongState
from smartderma.outbound import is_public
from smartderma.sealing import seal

MOST_ENDPOINTS = 10
OVERLAP = timedelta(hours=24)
PREFIX = "whsec_"


@transaction.atomic
def endpoint_create(
    *, partner: Partner, url: str, description: str = "", events: Collection[str] = (), sandbox: bool = False
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and, this once, its secret. Raises ValidationError, WrongState when there are enough."""
    Partner.objects.select_for_update().get(pk=partner.pk)  # two requests at once must not pass the limit
    if partner.webhook_endpoints.count() >= MOST_ENDPOINTS:
        raise WrongState(
            _("You have %(count)d endpoints already. Please delete one first.") % {"count": MOST_ENDPOINTS}
        )
    secret = secret_new()
    endpoint = WebhookEndpoint(partner=partner, sandbox=sandbox, secret=seal(secret))
    _apply(endpoint, {"url": url, "description": description, "events": events})
    endpoint.save(force_insert=True)
    return endpoint, secret


@transaction.atomic
def endpoint_update(*, endpoint: WebhookEndpoint, active: bool | None = None, **changes: Any) -> WebhookEndpoint:
    """Change `url`, `description` or `events`; `active` switches it off or on. Raises ValidationError."""
    endpoint = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    _apply(endpoint, changes)
    endpoint.save(update_fields=["url", "description", "events"])
    if active is not None and active != endpoint.is_active:
        _enable(endpoint) if active else endpoint_disable(endpoint=endpoint, reason=WebhookEndpoint.Disabled.BY_PARTNER)
    return endpoint


def _apply(endpoint: WebhookEndpoint, changes: dict[str, Any]) -> None:
    if "url" in changes:
        endpoint.url = clean_url(changes["url"])
    if "events" in changes:
        endpoint.events = clean_events(changes["events"])
    if "description" in changes:
        endpoint.description = changes["description"]
    endpoint.full_clean()


def _enable(endpoint: WebhookEndpoint) -> None:
    endpoint.disabled_at, endpoint.disabled_reason, endpoint.mailed_at = None, "", None
    endpoint.failing_since = endpoint.quiet_until = None
    endpoint.save(update_fields=["disabled_at", "disabled_reason", "mailed_at", "failing_since", "quiet_until"])


@transaction.atomic
def endpoint_disable(*, endpoint: WebhookEndpoint, reason: str) -> bool:
    """Send nothing more; what waits is given up and can be replayed. False when it was off already."""
    now = timezone.now()
    changed = WebhookEndpoint.objects.active().filter(pk=endpoint.pk).update(disabled_at=now, disabled_reason=reason)
    if not changed:
        return False
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint, status=WebhookDelivery.Status.PENDING)
    waiting.update(status=WebhookDelivery.Status.FAILED, finished_at=now, next_attempt_at=None)
    endpoint.refresh_from_db()
    if reason != WebhookEndpoint.Disabled.BY_PARTNER:
        endpoint_disabled_tell(endpoint_id=endpoint.pk)
    return True


def endpoint_disabled_tell(*, endpoint_id: uuid.UUID) -> None:
    """Have the partner told by e-mail, after commit; the sweeper does so again where the message was lost."""
    from diagnosis.tasks import mail_endpoint_disabled_task  # tasks import services

    mail_endpoint_disabled_task.delay_on_commit(str(endpoint_id))


def endpoint_disabled_mail(*, endpoint_id: uuid.UUID | str) -> bool:
    """Tell the partner's contact, once, that nothing more is sent. A mail server that refuses leaves it for later."""
    mine = WebhookEndpoint.objects.unmailed().filter(pk=endpoint_id).update(mailed_at=timezone.now())
    if not mine:
        return False
    endpoint = WebhookEndpoint.objects.select_related("partner__contact").get(pk=endpoint_id)
    contact = endpoint.partner.contact
    try:
        with speaking_to(contact):
            text = render_to_string("diagnosis/webhook_disabled_mail.txt", _mail_context(endpoint))
            send_mail(_("Webhooks are switched off"), text, None, [contact.email])
    except OSError:  # smtplib's errors are among them
        WebhookEndpoint.objects.filter(pk=endpoint_id).update(mailed_at=None)
        raise
    return True


def _mail_context(endpoint: WebhookEndpoint) -> dict[str, Any]:
    page = f"{settings.SITE_URL}{reverse('webhook_endpoint', args=[endpoint.pk])}"
    return {"endpoint": endpoint, "page": page, "reason": endpoint.get_disabled_reason_display()}


@transaction.atomic
def endpoint_rotate(*, endpoint: WebhookEndpoint) -> tuple[WebhookEndpoint, str]:
    """A new secret, shown this once; for 24 hours messages are signed with the old one too."""
    endpoint = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    secret = secret_new()
    endpoint.previous_secret, endpoint.secret = endpoint.secret, seal(secret)
    endpoint.previous_secret_until = timezone.now() + OVERLAP
    endpoint.save(update_fields=["previous_secret", "secret", "previous_secret_until"])
    return endpoint, secret


def endpoint_delete(*, endpoint: WebhookEndpoint) -> None:
    """The endpoint goes with its messages and secrets."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).delete()


def secret_new() -> str:
    """`whsec_` and 32 random bytes (Standard Webhooks asks for 24 to 64)."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def clean_events(events: Any) -> list[str]:
    """Event types in the order of the list of them, each once. Raises ValidationError."""
    if not isinstance(events, list | tuple | set) or not set(events) <= set(WebhookEvent.values):
        raise ValidationError({"events": _("Name events from the list only.")})
    return [event for event in WebhookEvent.values if event in set(events)]


def clean_url(text: str) -> str:
    """An address that may be a receiver; its name is resolved and checked at every try. Raises ValidationError."""
    try:
        url = httpx.URL(text)
        text.encode("ascii")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ValidationError({"url": _("This is not a web address.")}) from error
    schemes = {"https", "http"} if settings.WEBHOOKS_TO_PRIVATE_ADDRESSES else {"https"}
    if url.scheme not in schemes or not url.host or not 0 < (url.port or 443) < 65536:
        raise ValidationError({"url": _("The address must start with https://.")})
    if url.userinfo or url.fragment:
        raise ValidationError({"url": _("The address must have no user name, password or fragment.")})
    if not settings.WEBHOOKS_TO_PRIVATE_ADDRESSES and not _may_be_public(url.host):
        raise ValidationError({"url": _("The address must lead to a public server.")})
    return text


def _may_be_public(host: str) -> bool:
    """False for a private address or a name that no public name server knows. Asks no name server."""
    if ":" in host or host.replace(".", "").isdigit():
        return is_public(host)
    labels = host.rstrip(".").lower().split(".")
    return len(labels) > 1 and labels[-1] not in {"localhost", "local", "internal", "lan", "home", "arpa", "test"}
