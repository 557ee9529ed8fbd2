"""A patient's whole way in a real browser, on gunicorn, Celery workers and a broker."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from diagnosis.models import Case
from tests.e2e.conftest import log_in
from tests.e2e.looking import Looker
from tests.kit import factories, photos

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"width": 390, "height": 844}


def upload(name: str = "spot.jpg", **drawing) -> dict:
    return {"name": name, "mimeType": "image/jpeg", "buffer": photos.skin(**drawing)}


def pass_emergency_check(page: Page) -> None:
    page.get_by_label("Which country are you in now?").select_option("GB")
    page.get_by_label("None of these").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Take photos")).to_be_visible()


def answer_questions(page: Page) -> None:
    page.get_by_text("40 to 49 years").click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Arm or shoulder").check()
    for _screen in ("place", "look"):
        page.get_by_role("button", name="Continue").click()


def test_from_sign_up_to_the_pdf(site: str, page: Page, screenshots: Path, tmp_path: Path):
    looker = Looker(page, screenshots)
    page.set_viewport_size(PHONE)
    page.goto(site)
    page.get_by_role("main").get_by_role("link", name="Start a check").click()
    page.get_by_label("Email").fill("new.person@example.org")
    page.get_by_label("Password").fill("a-long-and-odd-phrase")
    page.get_by_role("button", name="Sign Up").click()

    expect(page.get_by_role("heading", name="You decide")).to_be_visible()
    page.get_by_label("Care:").check()
    page.get_by_role("button", name="Save my choice").click()

    page.get_by_label("Which country are you in now?").select_option("IN")
    page.get_by_label("Swelling of the face").check()
    expect(page.get_by_role("alert")).to_contain_text("Call 112 now")
    looker.look("step-1-emergency-at-once")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Get medical help now")).to_be_visible()
    assert page.locator("input[type=file]").count() == 0
    looker.look("step-1-emergency")
    page.get_by_role("link", name="Change my answers").click()
    pass_emergency_check(page)

    page.get_by_label("1. Close-up").set_input_files(upload())
    expect(page.get_by_text("Received. Sharp and bright enough.")).to_be_visible()
    expect(page.get_by_text("We are looking whether a face")).to_be_hidden(timeout=20_000)
    looker.look("step-2-photos")
    page.get_by_role("button", name="Continue").click()
    looker.look("step-3-you")
    page.get_by_text("40 to 49 years").click()
    page.get_by_role("button", name="Continue").click()
    page.locator("[data-site=belly]").click()
    expect(page.get_by_label("Belly")).to_be_checked()
    looker.look("step-4-place")
    for _screen in ("place", "look"):
        page.get_by_role("button", name="Continue").click()
    looker.look("step-6-feel")
    page.get_by_role("button", name="Send for checking").click()

    expect(page.get_by_role("heading", name="Your result")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("AI draft, not checked by a dermatologist")).to_be_visible()
    page.get_by_label("Strength of the colours on photo 1").fill("20")
    expect(page.locator("img.heat")).to_have_css("opacity", "0.2")
    looker.look("result-of-the-journey")

    case = Case.objects.get()
    assert (case.answers["site"], case.answers["country"], case.images.count()) == ("belly", "GB", 1)
    with page.expect_request_finished(lambda request: "/reports/" in request.url and request.method == "GET"):
        page.get_by_role("button", name="Open the PDF report").click()
    answer = page.request.get(f"{site}/reports/{case.reports.get().pk}/")
    (tmp_path / "report.pdf").write_bytes(answer.body())
    assert case.reference in PdfReader(tmp_path / "report.pdf").pages[0].extract_text()
    assert not looker.problems, "\n".join(looker.problems)


def test_a_poor_photo_is_pointed_out_before_it_is_sent(toy_release, stack, page: Page, screenshots: Path):
    address = stack.web()
    log_in(page.context, address, factories.PatientFactory())
    page.set_viewport_size(PHONE)
    page.goto(f"{address}/cases/new/")
    pass_emergency_check(page)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Take photos")).to_be_visible()  # nothing chosen: it does not go on
    close_up = page.get_by_label("1. Close-up")
    for drawing, words in (({"blur": 12}, "looks blurred"), ({"darken": 0.08}, "looks dark")):
        close_up.set_input_files(upload(**drawing))
        expect(page.get_by_text(words)).to_be_visible()
    page.screenshot(path=screenshots / "step-2-poor-photo-390.png", full_page=True)
    ask = page.get_by_label("Send it anyway and ask a dermatologist")
    expect(ask).to_be_visible()
    close_up.set_input_files(upload())
    expect(page.get_by_text("Received. Sharp and bright enough.")).to_be_visible()
    expect(ask).to_be_hidden()
