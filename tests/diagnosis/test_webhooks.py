"""Webhooks against a real receiver on this machine: signatures, schedule, bad receivers, erasure."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from diagnosis import services
from diagnosis.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from diagnosis.services.webhook_deliveries import DELAYS, DISABLE_AFTER
from diagnosis.tasks import expire_webhook_log_task, mail_endpoint_disabled_task, send_webhooks_task
from reports.services import report_render
from smartderma import outbound
from smartderma.sealing import SealBroken
from tests.finder.servers import Reply
from tests.kit import factories
from tests.kit.receiver import Receiver

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _receivers_may_be_local(settings):
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True


@pytest.fixture
def receiver():
    with Receiver() as server:
        yield server


@pytest.fixture
def endpoint(receiver) -> WebhookEndpoint:
    made, receiver.secret = services.endpoint_create(partner=factories.PartnerFactory(), url=f"{receiver.url}/hook?a=1")
    return made


def send(endpoint: WebhookEndpoint) -> None:
    send_webhooks_task(str(endpoint.pk))


def fail_analysis(partner) -> WebhookDelivery:
    """One message: the cheapest change of state."""
    factories.case_failed(partner=partner)
    return WebhookDelivery.objects.get(endpoint__partner=partner)


def the_delivery(endpoint: WebhookEndpoint) -> WebhookDelivery:
    return endpoint.deliveries.get()


def test_every_change_of_state_is_told_once_and_signed(endpoint, receiver):
    """From photo to erasure; each message names ids, and nothing of it is in the database afterwards but the last."""
    partner = endpoint.partner
    failed = factories.case_failed(partner=partner)
    case = factories.case_in_review(partner=partner)
    analysis = case.analyses.get()
    services.event_publish(event=WebhookEvent.ANALYSIS_SUCCEEDED, case=case, analysis_id=analysis.pk)
    reader = factories.DermatologistFactory()
    for version, reason in enumerate(("", "I looked again.")):
        review = services.review_sign(
            case=case, reviewer=reader, seen_version=version, diagnosis="eczema", tier="routine",
            note_to_patient="Use the cream.", amendment_reason=reason,
        )  # fmt: skip
    report = report_render(case=case)
    send(endpoint)
    got = {message["type"]: message["data"] for message in receiver.messages}
    assert [m["type"] for m in receiver.messages] == [
        "analysis.failed", "analysis.succeeded", "review.completed", "review.amended", "report.ready",
    ]  # fmt: skip
    assert got["analysis.failed"] == {"case_id": str(failed.pk), "analysis_id": str(failed.analyses.get().pk)}
    assert got["analysis.succeeded"]["analysis_id"] == str(analysis.pk)
    assert got["review.amended"] == {"case_id": str(case.pk), "review_id": str(review.pk)}
    assert got["report.ready"] == {"case_id": str(case.pk), "report_id": str(report.pk)}
    sent = b"".join(seen.body for seen in receiver.seen).decode()
    assert not [word for word in ("eczema", "ext-1", "routine", "cream", "arm", reader.email) if word in sent]
    services.case_erase(case=case)
    send(endpoint)
    assert receiver.messages[-1]["type"] == "data.erased"
    assert receiver.messages[-1]["data"] == {"case_id": str(case.pk), "analysis_ids": [str(analysis.pk)]}
    assert {d.event for d in endpoint.deliveries.all()} == {"analysis.failed", "data.erased"}


def test_a_worker_that_completes_an_analysis_tells_of_it(endpoint, receiver, toy_release):
    from diagnosis.tasks import run_analysis_task

    case = factories.case_queued(partner=endpoint.partner)
    run_analysis_task(str(case.analyses.get().pk))
    send(endpoint)
    assert [message["type"] for message in receiver.messages] == ["analysis.succeeded"]


def test_the_message_is_written_or_lost_with_the_change(endpoint):
    """No message about a change that was rolled back; no change without its message."""

    class Stop(Exception):
        pass

    def change_that_fails() -> None:
        fail_analysis(endpoint.partner)
        raise Stop

    with pytest.raises(Stop), transaction.atomic():
        change_that_fails()
    assert not endpoint.deliveries.exists()


def test_headers_body_and_replay_protection(endpoint, receiver, time_machine):
    fail_analysis(endpoint.partner)
    send(endpoint)
    seen = receiver.seen[0]
    assert (seen.method, seen.path, seen.query) == ("POST", "/hook", {"a": ["1"]})
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["webhook-id"] == the_delivery(endpoint).message_id
    assert seen.headers["webhook-signature"].startswith("v1,")
    assert "authorization" not in seen.headers
    assert set(json.loads(seen.body)) == {"type", "timestamp", "data"}
    time_machine.move_to(timezone.now() + timedelta(minutes=6))
    with pytest.raises(WebhookVerificationError, match="too old"):
        receiver.verified(seen)


def test_patients_and_other_partners_cause_no_message(endpoint):
    factories.case_failed()
    factories.case_failed(partner=factories.PartnerFactory())
    assert not WebhookDelivery.objects.exists()


def test_an_endpoint_hears_only_what_it_asked_for(receiver):
    partner = factories.PartnerFactory()
    services.endpoint_create(partner=partner, url=receiver.url, events=["report.ready"])
    factories.case_failed(partner=partner)
    assert not WebhookDelivery.objects.exists()


def test_rotation_signs_with_both_secrets_for_a_day(endpoint, receiver, time_machine):
    start = timezone.now()
    time_machine.move_to(start)
    old = receiver.secret
    endpoint, new = services.endpoint_rotate(endpoint=endpoint)
    services.endpoint_test(endpoint=endpoint)
    send(endpoint)
    seen = receiver.seen[-1]
    assert old != new
    for secret in (old, new):
        assert Webhook(secret).verify(seen.body, seen.headers)["type"] == "webhook.test"
    time_machine.move_to(start + timedelta(hours=25))
    receiver.secret = new
    services.endpoint_test(endpoint=endpoint)
    send(endpoint)
    with pytest.raises(WebhookVerificationError, match="No matching"):
        Webhook(old).verify(receiver.seen[-1].body, receiver.seen[-1].headers)


def test_secrets_are_not_readable_in_the_database(endpoint, receiver):
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM diagnosis_webhookendpoint")
        stored = cursor.fetchone()[0]
    assert receiver.secret.startswith("whsec_")
    assert receiver.secret.removeprefix("whsec_") not in stored


def test_a_changed_secret_key_opens_secrets_as_long_as_the_old_one_is_known(endpoint, receiver, settings):
    """Without the old one the message is marked, and tried again when somebody has put it back."""
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [], "a-new-key-of-more-than-thirty-two-characters"
    fail_analysis(endpoint.partner)
    with pytest.raises(SealBroken):
        send(endpoint)
    delivery = the_delivery(endpoint)
    assert (delivery.status, delivery.tries.get().error) == ("pending", "internal")
    settings.SECRET_KEY_FALLBACKS = [settings.DEVELOPMENT_KEY]
    WebhookDelivery.objects.update(next_attempt_at=timezone.now())
    send(endpoint)
    assert the_delivery(endpoint).status == "delivered"


BAD = {
    "500": (Reply(500), 500, ""),
    "404": (Reply(404), 404, ""),
    "redirect": (Reply(302, headers={"Location": "http://127.0.0.1:9/x"}), 302, ""),
    "redirect that keeps the method": (Reply(308, headers={"Location": "http://127.0.0.1:9/x"}), 308, ""),
    "slow": (Reply(200, delay=1.5), None, "timeout"),
    "endless headers": (Reply(200, headers={f"X-{n}": "x" * 1000 for n in range(200)}), None, "bad_answer"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_receiver_is_tried_again_with_the_same_id(name, endpoint, receiver, monkeypatch, time_machine):
    reply, status, error = BAD[name]
    monkeypatch.setattr(outbound, "SECONDS", 0.4)
    receiver.script.append(reply)
    fail_analysis(endpoint.partner)
    send(endpoint)
    delivery = the_delivery(endpoint)
    assert (delivery.status, delivery.attempts) == ("pending", 1)
    (tried,) = delivery.tries.all()
    assert (tried.status_code, tried.error) == (status, error)
    wait = (delivery.next_attempt_at - tried.at).total_seconds()
    assert 4.9 < wait < 5.7
    send(endpoint)  # not due yet
    assert the_delivery(endpoint).attempts == 1
    time_machine.move_to(timezone.now() + timedelta(seconds=6))
    send(endpoint)
    assert the_delivery(endpoint).status == "delivered"
    assert {seen.headers["webhook-id"] for seen in receiver.seen} == {delivery.message_id}


def test_a_body_without_end_is_not_read(endpoint, receiver):
    receiver.script.append(Reply(200, b"x" * 300_000, drip=0.01))
    fail_analysis(endpoint.partner)
    send(endpoint)
    delivery = the_delivery(endpoint)
    assert delivery.status == "delivered"
    assert delivery.tries.get().milliseconds < 1000


def test_a_receiver_that_is_killed_gets_its_message_when_it_is_back(endpoint, receiver, time_machine):
    port = receiver.port
    receiver.__exit__()
    fail_analysis(endpoint.partner)
    send(endpoint)
    delivery = the_delivery(endpoint)
    assert delivery.tries.get().error == "connection_failed"
    time_machine.move_to(timezone.now() + timedelta(minutes=1))
    back = Receiver(receiver.secret)
    endpoint.url = back.url
    endpoint.save()
    with back:
        send(endpoint)
    assert [message["type"] for message in back.messages] == ["analysis.failed"]
    assert the_delivery(endpoint).attempts == 2
    assert port


def test_schedule_until_the_endpoint_is_switched_off(endpoint, receiver, time_machine):
    """Ten tries with the waits of the contract, then an e-mail without any detail of a case."""
    receiver.script += [Reply(503)] * 10
    fail_analysis(endpoint.partner)
    waits = []
    while (delivery := the_delivery(endpoint)).status == "pending":
        waits.append(delivery.next_attempt_at - timezone.now())
        time_machine.move_to(delivery.next_attempt_at + timedelta(seconds=1))
        send(endpoint)
    assert (delivery.status, delivery.attempts, len(receiver.seen)) == ("failed", 10, 10)
    for wait, planned in zip(waits[1:], DELAYS, strict=True):
        assert planned * 0.99 - timedelta(seconds=1) <= wait <= planned * 1.11
    assert sum(DELAYS, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)
    endpoint.refresh_from_db()
    assert (endpoint.disabled_reason, endpoint.is_active) == ("failing", False)
    mail_endpoint_disabled_task(str(endpoint.pk))
    mail_endpoint_disabled_task(str(endpoint.pk))  # a repeated task mails nobody twice
    (message,) = mail.outbox
    assert message.to == [endpoint.partner.contact.email]
    assert endpoint.url in message.body
    assert str(delivery.case_id) not in message.body + message.subject
    assert str(endpoint.pk) in message.body


def test_410_switches_off_at_once_and_gives_up_what_waits(endpoint, receiver):
    receiver.script.append(Reply(410))
    fail_analysis(endpoint.partner)
    factories.case_failed(partner=endpoint.partner)
    send(endpoint)
    endpoint.refresh_from_db()
    assert endpoint.disabled_reason == "gone"
    assert set(endpoint.deliveries.values_list("status", flat=True)) == {"failed"}
    assert len(receiver.seen) == 1
    factories.case_failed(partner=endpoint.partner)
    assert endpoint.deliveries.count() == 2
    with pytest.raises(services.WrongState, match="switched off"):
        services.endpoint_test(endpoint=endpoint)


def test_switched_on_again_and_replayed_with_the_same_id(endpoint, receiver):
    receiver.script.append(Reply(410))
    delivery = fail_analysis(endpoint.partner)
    send(endpoint)
    endpoint = services.endpoint_update(endpoint=endpoint, active=True)
    services.delivery_replay(delivery=the_delivery(endpoint))
    with pytest.raises(services.WrongState, match="on its way"):
        services.delivery_replay(delivery=the_delivery(endpoint))
    send(endpoint)
    assert [seen.headers["webhook-id"] for seen in receiver.seen] == [delivery.message_id] * 2
    assert the_delivery(endpoint).status == "delivered"


def test_one_success_forgives(endpoint, receiver, time_machine):
    receiver.script.append(Reply(500))
    fail_analysis(endpoint.partner)
    send(endpoint)
    endpoint.refresh_from_db()
    assert endpoint.failing_since
    time_machine.move_to(timezone.now() + timedelta(seconds=10))
    send(endpoint)
    endpoint.refresh_from_db()
    assert endpoint.failing_since is None


def test_a_failing_receiver_gets_one_try_at_a_time_and_quiet_between(endpoint, receiver, time_machine):
    """It must not hold up the receivers of others."""
    receiver.script += [Reply(500)] * 9
    for _number in range(3):
        factories.case_failed(partner=endpoint.partner)
    send(endpoint)
    assert len(receiver.seen) <= 2
    time_machine.move_to(timezone.now() + timedelta(seconds=30))
    before = len(receiver.seen)
    send(endpoint)
    assert len(receiver.seen) == before + 1


def test_a_sender_that_died_is_replaced_after_its_lease(endpoint, receiver, time_machine):
    fail_analysis(endpoint.partner)
    lost = WebhookDelivery.objects.claim(endpoint.pk)
    assert WebhookDelivery.objects.claim(endpoint.pk) is None
    time_machine.move_to(timezone.now() + timedelta(seconds=61))
    assert services.webhooks_sweep() == 1
    assert services.webhooks_sweep() == 0, "told once a minute, not at every sweep"
    send(endpoint)
    assert the_delivery(endpoint).status == "delivered"
    assert not services.delivery_finish(delivery=lost, answer=outbound.Answer(status=500)), "late, and ignored"
    assert the_delivery(endpoint).status == "delivered"


def test_a_message_that_is_erased_on_its_way_leaves_nothing(endpoint, receiver):
    delivery = fail_analysis(endpoint.partner)
    held = WebhookDelivery.objects.claim(endpoint.pk)
    services.case_erase(case=delivery.case)
    assert not services.delivery_finish(delivery=held, answer=outbound.Answer(status=200))
    assert [d.event for d in endpoint.deliveries.all()] == ["data.erased"]


def test_the_log_forgets(endpoint, receiver, time_machine):
    fail_analysis(endpoint.partner)
    send(endpoint)
    expire_webhook_log_task()
    assert endpoint.deliveries.exists()
    time_machine.move_to(timezone.now() + timedelta(days=31))
    expire_webhook_log_task()
    assert not endpoint.deliveries.exists()


def test_endpoint_that_failed_too_long_is_not_forgiven_by_waiting(endpoint, receiver):
    receiver.script.append(Reply(500))
    WebhookEndpoint.objects.update(failing_since=timezone.now() - DISABLE_AFTER)
    fail_analysis(endpoint.partner)
    send(endpoint)
    endpoint.refresh_from_db()
    assert endpoint.disabled_reason == "failing"


@pytest.mark.parametrize(
    "url",
    ["http://example.org/x", "ftp://example.org", "https://", "https://user:pw@example.org/", "https://example.org/#x",
     "https://localhost/", "https://intranet/", "https://db.internal/", "https://printer.local/", "https://127.0.0.1/",
     "https://10.0.0.1/", "https://169.254.169.254/latest", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
     "https://2130706433/", "https://exämple.org/", "https://example.org:99999/", "no address", ""],
)  # fmt: skip
def test_an_address_that_cannot_be_a_receiver_is_refused(url, settings):
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = False
    with pytest.raises((ValidationError, services.WrongState)) as error:
        services.endpoint_create(partner=factories.PartnerFactory(), url=url)
    assert "url" in error.value.message_dict
    assert not WebhookEndpoint.objects.exists()


def test_ten_endpoints_are_enough():
    partner = factories.PartnerFactory()
    for number in range(10):
        services.endpoint_create(partner=partner, url=f"https://example.org/{number}")
    with pytest.raises(services.WrongState, match="10 endpoints"):
        services.endpoint_create(partner=partner, url="https://example.org/more")


def test_what_comes_back_to_an_endpoint_that_was_switched_off_meanwhile_is_given_up(endpoint):
    fail_analysis(endpoint.partner)
    late = WebhookDelivery.objects.claim(endpoint.pk)
    services.endpoint_update(endpoint=endpoint, active=False)
    services.delivery_finish(delivery=late, answer=outbound.Answer(status=500))
    services.webhooks_sweep()
    assert the_delivery(endpoint).status == "failed"
