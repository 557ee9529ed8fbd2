"""The portal as an app: a check taken without a network, what the service worker keeps, and what it never keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from diagnosis.models import Case
from diagnosis.views_app import SHELL
from tests.e2e.conftest import log_in
from tests.e2e.looking import Looker, open_again
from tests.e2e.test_patient_journey import PHONE, upload
from tests.kit import factories

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
KEPT = """async () => { const found = []; for (const name of await caches.keys())
    for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
    return found }"""
CHECK = """async () => { await smartderma.device.keep({key: "k", person: smartderma.person(),
    created: new Date().toISOString(), action: "/cases/new/", uploads: "/uploads/", answers: [], photos: [],
    state: "login"}); }"""


@pytest.fixture
def address(toy_release, stack) -> str:
    return stack.web(FACE_WAIT_SECONDS="0")


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A phone's browser: it is touched, and it runs service workers."""
    context = browser.new_context(viewport=PHONE, has_touch=True)
    yield context.new_page()
    context.close()


def kept_checks(page: Page) -> list[dict]:
    return page.evaluate("smartderma.device.all()")


def take_check(page: Page) -> None:
    page.get_by_label("Which country are you in now?").select_option("IN")
    page.get_by_label("Swelling of the face").check()
    expect(page.get_by_role("alert")).to_contain_text("Call 112 now")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="First, check")).to_be_visible()  # help comes first
    page.get_by_label("None of these").first.check()
    expect(page.get_by_role("alert")).to_be_hidden()
    page.get_by_role("button", name="Continue").click()
    take_photo(page)
    expect(page.get_by_text("Looks sharp and bright enough.")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("40 to 49 years").click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Belly").check()
    for _screen in ("place", "look"):
        page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Send for checking").click()


def take_photo(page: Page) -> None:
    """The camera is offered, the gallery stays possible."""
    close_up = page.get_by_label("1. Close-up")
    for name, capture in (("Choose a photo", None), ("Use the camera", "environment")):
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name=name).first.click()
        assert close_up.get_attribute("capture") == capture
    chooser.value.set_files(upload())


def test_a_check_without_a_network_is_kept_sent_and_forgotten(address: str, phone: Page, screenshots: Path):
    patient = factories.PatientFactory()
    seen = factories.case_done(patient=patient)
    log_in(phone.context, address, patient)
    looker = Looker(phone, screenshots)
    phone.goto(address)
    phone.evaluate("navigator.serviceWorker.ready.then(() => true)")
    open_again(phone)
    for url in (
        reverse("case_list"),
        reverse("case_detail", args=[seen.pk]),
        reverse("my_data"),
        reverse("case_create"),
    ):
        phone.goto(address + url)
        phone.wait_for_load_state("networkidle")
    offline = reverse("app_offline", args=["en"])
    assert set(phone.evaluate(KEPT)) == {offline, *(f"/static/{path}" for path in SHELL)}
    phone.context.set_offline(True)
    phone.goto(address + reverse("case_detail", args=[seen.pk]))
    expect(phone.get_by_role("heading", name="Checks on this device")).to_be_visible()
    assert seen.reference not in phone.content()
    take_check(phone)
    expect(phone.get_by_text("Kept on this device.")).to_be_visible()
    expect(phone.get_by_text("Waiting for a connection")).to_be_visible()
    assert [len(check["photos"]) for check in kept_checks(phone)] == [1]
    phone.screenshot(path=screenshots / "app-waiting-390.png", full_page=True)
    phone.context.set_offline(False)
    expect(phone.get_by_text("A waiting check was received.")).to_be_visible(timeout=20_000)
    assert kept_checks(phone) == []
    sent = Case.objects.exclude(pk=seen.pk).get()
    assert (sent.patient, sent.country, sent.body_site) == (patient, "IN", "belly")
    phone.get_by_role("link", name="Open it").click()
    expect(phone.get_by_role("heading", name="We are checking your photos")).to_be_visible()
    looker.problems = [problem for problem in looker.problems if "ERR_INTERNET_DISCONNECTED" not in problem]
    assert not looker.problems, "\n".join(looker.problems)


def test_checks_are_deleted_by_hand_and_at_sign_out(address: str, phone: Page, screenshots: Path):
    log_in(phone.context, address, factories.PatientFactory())
    phone.goto(address + reverse("app_offline", args=["en"]))
    phone.goto(address + reverse("case_list"))
    phone.evaluate(CHECK)
    expect(phone.get_by_text("Checks that wait on this device:")).to_be_visible()
    phone.get_by_role("link", name="See or delete them").click()
    looker = Looker(phone, screenshots)
    looker.look("app-checks")
    assert not looker.problems, "\n".join(looker.problems)
    phone.get_by_role("button", name="Delete", exact=True).click()
    expect(phone.get_by_text("Nothing waits on this device.")).to_be_visible()
    phone.goto(address + reverse("case_list"))
    phone.evaluate(CHECK)
    phone.on("dialog", lambda dialog: dialog.accept())
    phone.set_viewport_size({"width": 1280, "height": 900})
    phone.get_by_role("button", name="Log out").first.click()
    phone.wait_for_url(address + "/")
    phone.goto(address + reverse("app_offline", args=["en"]))
    assert kept_checks(phone) == []


def test_a_check_taken_while_nobody_was_logged_in_asks_whose_it_is(address: str, phone: Page, screenshots: Path):
    log_in(phone.context, address, factories.PatientFactory())
    phone.goto(address + reverse("case_list"))
    phone.evaluate(CHECK.replace("smartderma.person()", '""'))
    phone.goto(address + reverse("my_data"))
    expect(phone.get_by_text("Checks that wait on this device:")).to_be_visible()
    phone.evaluate("smartderma.sendAll()")
    assert [check["state"] for check in kept_checks(phone)] == ["login"], "nothing is sent unasked"
    phone.get_by_role("link", name="See or delete them").click()
    expect(phone.get_by_text("Taken while nobody was logged in. Is it yours?")).to_be_visible()
    phone.screenshot(path=screenshots / "app-unclaimed-390.png", full_page=True)
    with phone.expect_request("**/cases/new/"):
        phone.get_by_role("button", name="It is mine: send it").click()
    assert [bool(check["person"]) for check in kept_checks(phone)] == [True]


def test_a_check_of_somebody_else_is_neither_sent_nor_kept(address: str, phone: Page):
    log_in(phone.context, address, factories.PatientFactory())
    phone.goto(address + reverse("case_list"))
    phone.evaluate(CHECK)
    phone.context.clear_cookies()
    log_in(phone.context, address, factories.PatientFactory())
    phone.goto(address + reverse("case_list"))
    phone.wait_for_function("smartderma.device.all().then((checks) => checks.length === 0)")
    assert not Case.objects.exists()
