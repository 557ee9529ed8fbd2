"""The partner's page for webhooks, and the same through the API: who may do what, and what is shown once."""

from __future__ import annotations

import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page

from diagnosis import services
from diagnosis.models import WebhookDelivery, WebhookEndpoint
from diagnosis.tasks import send_webhooks_task
from tests.e2e.conftest import base_url as base_url
from tests.e2e.conftest import browser_context_args as browser_context_args
from tests.e2e.conftest import browser_type_launch_args as browser_type_launch_args
from tests.e2e.conftest import log_in
from tests.e2e.conftest import screenshots as screenshots
from tests.e2e.looking import Looker, open_again
from tests.finder.servers import Reply
from tests.kit import factories
from tests.kit.receiver import Receiver

pytestmark = pytest.mark.django_db

LIST = "/partner/webhooks/"
API = "/api/v1/webhook-endpoints"
URL = "https://clinic.example/hook"


@pytest.fixture
def person(client, partner) -> Client:
    client.force_login(partner.contact)
    return client


@pytest.fixture
def endpoint(partner) -> WebhookEndpoint:
    return services.endpoint_create(partner=partner, url=URL)[0]


def page_of(endpoint: WebhookEndpoint) -> str:
    return f"{LIST}{endpoint.pk}/"


def add(person: Client, partner, **changes):
    return person.post(LIST, {"partner": partner.pk, "url": URL, "events": ["report.ready"], **changes})


def secret_in(text: str) -> str:
    return re.search(r"whsec_[A-Za-z0-9+/=]{40,}", text)[0]


def test_a_new_endpoint_shows_its_secret_once(person, partner):
    answer = add(person, partner)
    secret_in(answer.content.decode())
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.url, endpoint.events, endpoint.partner) == (URL, ["report.ready"], partner)
    for page in (LIST, page_of(endpoint)):
        assert "whsec_" not in person.get(page).content.decode()


@pytest.mark.parametrize(
    "changes", [{"url": "http://clinic.example"}, {"url": "https://10.0.0.1/"}, {"url": ""}, {"events": ["nothing"]}]
)
def test_a_wrong_form_names_the_field_and_leaves_nothing(person, partner, changes):
    answer = add(person, partner, **changes)
    assert answer.status_code == 422
    assert f'href="#id_{next(iter(changes))}"' in answer.content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_nobody_adds_an_endpoint_to_another_partner(person, partner):
    assert add(person, factories.PartnerFactory()).status_code == 422
    assert not WebhookEndpoint.objects.exists()


def test_buttons(person, endpoint):
    page = page_of(endpoint)
    assert person.post(page, {"action": "test"}).status_code == 302
    old = WebhookEndpoint.objects.get().secret
    secret_in(person.post(page, {"action": "rotate"}).content.decode())
    assert WebhookEndpoint.objects.get().secret != old
    person.post(page, {"action": "off"})
    assert "Nothing is sent until you switch it on." in person.get(page).content.decode()
    assert "switched off" in person.post(page, {"action": "test"}, follow=True).content.decode()
    person.post(page, {"action": "on"})
    delivery = WebhookDelivery.objects.get()
    assert delivery.status == "failed", "switching off gave it up"
    answer = person.post(reverse("webhook_delivery_replay", args=[delivery.pk]), follow=True)
    assert "on its way again" in answer.content.decode()
    person.post(page, {"action": "delete"})
    assert not WebhookEndpoint.objects.exists()
    assert person.get(page).status_code == 404


def test_an_inactive_partner_sees_nothing(person, partner, endpoint):
    partner.active = False
    partner.save()
    assert person.get(page_of(endpoint)).status_code == 404


# --- the same through the API ---------------------------------------------------------------------------------------


@pytest.fixture
def auth(partner) -> dict[str, str]:
    return {"Authorization": f"Bearer {factories.partner_key(partner)[1]}"}


def post(client: Client, url: str, auth: dict, body: dict | None = None):
    return client.post(url, body or {}, content_type="application/json", headers=auth)


def test_endpoint_through_the_api(client, auth):
    made = post(client, API, auth, {"url": URL, "events": ["report.ready"]})
    assert made.status_code == 201
    secret_in(made.json()["secret"])
    assert client.get(made["Location"], headers=auth).json() == {k: v for k, v in made.json().items() if k != "secret"}
    body = {"active": False, "description": "Old", "events": []}
    changed = client.patch(made["Location"], body, content_type="application/json", headers=auth).json()
    assert (changed["active"], changed["disabled_reason"], changed["events"]) == (False, "by_partner", [])
    assert post(client, f"{made['Location']}/test", auth).status_code == 409
    assert client.delete(made["Location"], headers=auth).status_code == 204
    assert client.get(API, headers=auth).json() == {"next": None, "previous": None, "results": []}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/url"), ({"url": "https://10.0.0.1"}, "/url"), ({"url": URL, "events": ["x"]}, "/events/0"),
     ({"url": URL, "secret": "mine"}, "/secret"), ({"url": URL, "description": 5}, "/description")],
    ids=str,
)  # fmt: skip
def test_wrong_fields_are_named(client, auth, body, pointer):
    answer = post(client, API, auth, body)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not WebhookEndpoint.objects.exists()


def test_log_and_replay_through_the_api(client, auth, partner, endpoint):
    for _number in range(3):
        services.endpoint_test(endpoint=endpoint)
    url = f"/api/v1/webhook-deliveries?endpoint={endpoint.pk}&status=pending&limit=2"
    page = client.get(url, headers=auth).json()
    rest = client.get(page["next"], headers=auth).json()
    assert len({row["id"] for row in [*page["results"], *rest["results"]]}) == 3
    replay = f"/api/v1/webhook-deliveries/{page['results'][0]['id']}/replay"
    assert post(client, replay, auth).status_code == 409
    WebhookDelivery.objects.update(status="delivered", finished_at=endpoint.created_at)
    answer = post(client, replay, auth)
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=xx", "status=odd", "endpoint=1"])
def test_odd_questions_are_400(client, auth, query):
    answer = client.get(f"/api/v1/webhook-deliveries?{query}", headers=auth)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["request_id"]


def addresses(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> list[tuple[str, str]]:
    one, message = f"{API}/{endpoint.pk}", f"/api/v1/webhook-deliveries/{delivery.pk}"
    return [
        ("get", one), ("patch", one), ("delete", one), ("post", f"{one}/rotate-secret"), ("post", f"{one}/test"),
        ("get", message), ("post", f"{message}/replay"),
    ]  # fmt: skip


def test_another_partner_and_the_sandbox_see_nothing_of_it(client, partner, endpoint):
    delivery = services.endpoint_test(endpoint=endpoint)
    _key, stranger = factories.partner_key()
    sandbox, text = factories.partner_key(partner)
    type(sandbox).objects.filter(pk=sandbox.pk).update(sandbox=True)
    for key in (stranger, text):
        auth = {"Authorization": f"Bearer {key}"}
        for method, url in addresses(endpoint, delivery):
            assert getattr(client, method)(url, headers=auth).status_code == 404, f"{method} {url}"
        assert client.get(API, headers=auth).json()["results"] == []
        assert client.get("/api/v1/webhook-deliveries", headers=auth).json()["results"] == []


def test_a_key_without_the_scope_learns_its_name(client, partner, endpoint):
    delivery = services.endpoint_test(endpoint=endpoint)
    _key, text = factories.partner_key(partner, scopes=["analysis:read"])
    for method, url in addresses(endpoint, delivery):
        answer = getattr(client, method)(url, headers={"Authorization": f"Bearer {text}"})
        assert answer.status_code == 403
        assert "webhook:manage" in answer.json()["detail"]


def test_what_does_not_exist_is_404(client, auth):
    assert client.get(f"{API}/{uuid.uuid4()}", headers=auth).status_code == 404
    answer = client.get(f"{API}/not-an-id", headers=auth)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_pages_in_a_browser(live_server, page: Page, screenshots, settings):
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    partner = factories.PartnerFactory()
    log_in(page.context, live_server.url, partner.contact)
    looker = Looker(page, screenshots)
    with Receiver() as receiver:
        receiver.script = [Reply(500), Reply(204, b"")]
        page.goto(live_server.url + LIST)
        page.get_by_label("Address of your receiver").fill(f"{receiver.url}/a-rather-long-path/of-a-receiver")
        page.get_by_label("Description").fill("Clinic in Pune")
        looker.look("webhooks-list")
        page.get_by_role("button", name="Add and show its secret").click()
        looker.look("webhooks-secret")
        page.get_by_role("link", name="I have copied it").click()
        for _try in range(2):
            with page.expect_navigation():
                page.get_by_role("button", name="Send a test").click()
            WebhookEndpoint.objects.update(quiet_until=None)
            WebhookDelivery.objects.filter(status="pending").update(next_attempt_at=partner.created_at)
            send_webhooks_task(str(WebhookEndpoint.objects.get().pk))
        open_again(page)
        looker.look("webhooks-endpoint")
    assert not looker.problems, "\n".join(looker.problems)
