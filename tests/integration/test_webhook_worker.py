"""A webhooks worker as `make run` starts it: killed while it sends, its message still arrives, with the same id."""

from __future__ import annotations

import pytest
from django.utils import timezone

from diagnosis import services
from diagnosis.models import WebhookDelivery
from tests.finder.servers import Reply
from tests.kit import factories
from tests.kit.processes import wait_for
from tests.kit.receiver import Receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]


def test_a_worker_killed_while_it_sends_loses_nothing(stack, settings):
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    here = {"WEBHOOKS_TO_PRIVATE_ADDRESSES": "1", "pool": "threads"}
    with Receiver() as receiver:
        receiver.script.append(Reply(204, b"", delay=3))
        endpoint, receiver.secret = services.endpoint_create(partner=factories.PartnerFactory(), url=receiver.url)
        first = stack.worker("webhooks", **here)
        delivery = services.endpoint_test(endpoint=endpoint)
        wait_for(lambda: receiver.seen, what="the first try")
        first.kill()
        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts) == ("sending", 1)
        WebhookDelivery.objects.update(lease_until=timezone.now())
        stack.worker("webhooks", **here)
        assert services.webhooks_sweep() == 1
        wait_for(lambda: WebhookDelivery.objects.filter(status="delivered").exists(), what="the second try")
        assert {seen.headers["webhook-id"] for seen in receiver.seen} == {delivery.message_id}
        assert len(receiver.seen) == 2
