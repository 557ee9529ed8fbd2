"""Messages to partners: written with the change that they tell of, tried until they arrive or time is up."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from diagnosis.models import Case, WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from diagnosis.services.steps import WrongState, report_owners, report_send
from diagnosis.services.webhook_endpoints import endpoint_disable, endpoint_disabled_tell
from smartderma.outbound import Answer

# After the first try at once (field/partner_api.md, Standard Webhooks 1.0.0): ten tries in about 76 hours.
DELAYS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
JITTER = 0.1
DISABLE_AFTER = sum(DELAYS, timedelta())
LONGEST_QUIET = timedelta(seconds=60)
TELL_AGAIN = timedelta(seconds=60)
DICE = random.SystemRandom()

Ids = dict[str, Any]


@transaction.atomic
def event_publish(*, event: str, case: Case, **ids: Any) -> list[WebhookDelivery]:
    """Write one message per endpoint that wants the event; a patient's own case tells nobody.

    `data` holds ids only; the receiver fetches the rest with its key. A message about an erased case outlives it.
    """
    return _event_write(_endpoints(case), event, case, ids)


@transaction.atomic
def result_publish(*, event: str, case: Case, **ids: Any) -> None:
    """`event_publish` of what changes the report, which is made where somebody waits for it."""
    endpoints = _endpoints(case)
    _event_write(endpoints, event, case, ids)
    if (case.partner_id, case.sandbox) in report_owners(endpoints):
        report_send(case=case)


def _endpoints(case: Case) -> list[WebhookEndpoint]:
    return list(WebhookEndpoint.objects.of_case(case).active()) if case.partner_id else []


def _event_write(endpoints: list[WebhookEndpoint], event: str, case: Case, ids: Ids) -> list[WebhookDelivery]:
    about = None if event == WebhookEvent.DATA_ERASED else case
    data = {"case_id": str(case.pk), **{name: _text(value) for name, value in ids.items()}}
    return [_delivery_create(endpoint, event, data, about) for endpoint in endpoints if endpoint.wants(event)]


def endpoint_test(*, endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Send `webhook.test` now. Raises WrongState when the endpoint is switched off."""
    _refuse_switched_off(endpoint)
    return _delivery_create(endpoint, WebhookEvent.WEBHOOK_TEST, {"endpoint_id": str(endpoint.pk)}, None)


def _text(value: Any) -> Any:
    return [str(one) for one in value] if isinstance(value, list) else str(value)


def _delivery_create(endpoint: WebhookEndpoint, event: str, data: Ids, case: Case | None) -> WebhookDelivery:
    now = timezone.now()
    payload = {"type": str(event), "timestamp": now.isoformat().replace("+00:00", "Z"), "data": data}
    delivery = WebhookDelivery(endpoint=endpoint, case=case, event=event, payload=payload, next_attempt_at=now)
    delivery.full_clean(exclude=["endpoint", "case"])
    delivery.save(force_insert=True)
    endpoint_tell(endpoint_id=endpoint.pk)
    return delivery


def endpoint_tell(*, endpoint_id: uuid.UUID) -> None:
    """Tell the workers, after commit. Losing the message is harmless: the sweeper tells them again."""
    from diagnosis.tasks import send_webhooks_task  # tasks import services

    send_webhooks_task.delay_on_commit(str(endpoint_id))


@transaction.atomic
def delivery_finish(*, delivery: WebhookDelivery, answer: Answer) -> bool:
    """Store what came of a try. False when the message was erased, or its lease ran out, meanwhile."""
    held = WebhookDelivery.objects.filter(
        pk=delivery.pk, status=WebhookDelivery.Status.SENDING, claim_token=delivery.claim_token
    )
    if not held.update(lease_until=None, **_next_state(delivery, answer)):
        return False
    WebhookAttempt.objects.create(
        delivery=delivery, status_code=answer.status, error=answer.error, milliseconds=answer.milliseconds
    )
    _endpoint_judge(delivery.endpoint, answer)
    return True


def _next_state(delivery: WebhookDelivery, answer: Answer) -> dict[str, Any]:
    now = timezone.now()
    if answer.is_success:
        return {"status": WebhookDelivery.Status.DELIVERED, "finished_at": now, "next_attempt_at": None}
    if answer.is_gone or delivery.attempts > len(DELAYS):
        return {"status": WebhookDelivery.Status.FAILED, "finished_at": now, "next_attempt_at": None}
    delay = DELAYS[delivery.attempts - 1] * DICE.uniform(1, 1 + JITTER)
    return {"status": WebhookDelivery.Status.PENDING, "next_attempt_at": now + delay}


def _endpoint_judge(endpoint: WebhookEndpoint, answer: Answer) -> None:
    """One success forgives everything; failing for as long as the whole schedule, or 410, switches it off."""
    now = timezone.now()
    rows = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    if answer.is_success:
        rows.filter(failing_since__isnull=False).update(failing_since=None, quiet_until=None)
        return
    rows.filter(failing_since=None).update(failing_since=now)
    since = rows.values_list("failing_since", flat=True).first() or now  # none: deleted meanwhile
    rows.update(quiet_until=now + min(now - since, LONGEST_QUIET))
    if answer.is_gone:
        endpoint_disable(endpoint=endpoint, reason=WebhookEndpoint.Disabled.GONE)
    elif now - since >= DISABLE_AFTER:
        endpoint_disable(endpoint=endpoint, reason=WebhookEndpoint.Disabled.FAILING)


@transaction.atomic
def delivery_replay(*, delivery: WebhookDelivery) -> WebhookDelivery:
    """Send a finished message again, with the same id. Raises WrongState while it is on its way."""
    _refuse_switched_off(delivery.endpoint)
    over = WebhookDelivery.objects.filter(
        pk=delivery.pk, status__in=[WebhookDelivery.Status.DELIVERED, WebhookDelivery.Status.FAILED]
    )
    if not over.update(
        status=WebhookDelivery.Status.PENDING, attempts=0, next_attempt_at=timezone.now(), finished_at=None
    ):
        raise WrongState(_("This message is still on its way."))
    endpoint_tell(endpoint_id=delivery.endpoint_id)
    delivery.refresh_from_db()
    return delivery


def _refuse_switched_off(endpoint: WebhookEndpoint) -> None:
    if not endpoint.is_active:
        raise WrongState(_("This endpoint is switched off. Please switch it on first."))


def webhooks_sweep() -> int:
    """Tell the workers of every endpoint with due messages, give up those to an endpoint that was switched off while
    they came or were on their way; returns how many were told."""
    now = timezone.now()
    _unsendable().update(status=WebhookDelivery.Status.FAILED, finished_at=now, next_attempt_at=None, lease_until=None)
    due = WebhookDelivery.objects.due().values("endpoint")
    not_quiet = Q(quiet_until=None) | Q(quiet_until__lte=now)
    not_told = Q(told_at=None) | Q(told_at__lt=now - TELL_AGAIN)
    told = 0
    for endpoint in WebhookEndpoint.objects.active().filter(not_quiet, not_told, pk__in=due)[:500]:
        if WebhookEndpoint.objects.filter(not_told, pk=endpoint.pk).update(told_at=now):
            endpoint_tell(endpoint_id=endpoint.pk)
            told += 1
    for endpoint in WebhookEndpoint.objects.unmailed():
        endpoint_disabled_tell(endpoint_id=endpoint.pk)
    return told


def _unsendable() -> QuerySet[WebhookDelivery]:
    nobody_sends = Q(status=WebhookDelivery.Status.PENDING) | Q(
        status=WebhookDelivery.Status.SENDING, lease_until__lt=timezone.now()
    )
    return WebhookDelivery.objects.filter(nobody_sends, endpoint__disabled_at__isnull=False)


def webhook_log_expire() -> int:
    """Delete finished messages after WEBHOOK_LOG_DAYS; returns how many went."""
    limit = timezone.now() - timedelta(days=settings.WEBHOOK_LOG_DAYS)
    return WebhookDelivery.objects.filter(finished_at__lt=limit).delete()[0]
