"""Photos on their way from a phone: a cut connection, a face, a refusal, a poor photo; and the keyboard alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from skimage import data

from diagnosis.models import Case, IntakePhoto, Upload
from tests.e2e.conftest import log_in
from tests.e2e.looking import Looker
from tests.e2e.test_patient_journey import PHONE, pass_emergency_check, upload
from tests.kit import factories, photos
from tests.kit.processes import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def large_photo() -> dict:
    """About 3 MB: seven parts."""
    return {"name": "large.png", "mimeType": "image/png", "buffer": photos.skin("PNG", size=(1400, 1000))}


def open_photos(page: Page, address: str, **person) -> None:
    log_in(page.context, address, factories.PatientFactory(**person))
    page.set_viewport_size(PHONE)
    page.goto(f"{address}/cases/new/")
    pass_emergency_check(page)


def test_a_cut_upload_goes_on_where_it_was_and_makes_one_case(toy_release, stack, page: Page):
    address = stack.web(FACE_WAIT_SECONDS="0")
    open_photos(page, address)
    parts: list[str] = []

    def cut(route: Route) -> None:
        parts.append(route.request.headers["upload-offset"])
        if len(parts) == 3:
            page.context.set_offline(True)
            route.abort("internetdisconnected")
        else:
            route.continue_()

    page.route("**/uploads/*/", lambda route: cut(route) if route.request.method == "PATCH" else route.continue_())
    page.get_by_label("1. Close-up").set_input_files(large_photo())
    expect(page.get_by_text("No connection. The photo is kept on this device")).to_be_visible()
    received = Upload.objects.get().offset
    assert 0 < received < Upload.objects.get().length
    assert not IntakePhoto.objects.exists()
    page.context.set_offline(False)
    expect(page.get_by_text("Received. Sharp and bright enough.")).to_be_visible(timeout=20_000)
    assert parts[3] == str(received)  # nothing was sent twice
    assert Case.objects.count() == 0
    for _screen in ("photos", "you", "place", "look"):
        if page.get_by_text("40 to 49 years").is_visible():
            page.get_by_text("40 to 49 years").click()
        if page.get_by_label("Belly").is_visible():
            page.get_by_label("Belly").check()
        page.get_by_role("button", name="Continue").click()
    lost = []

    def lose_the_answer(route: Route) -> None:
        if lost:
            return route.continue_()
        lost.append(route.fetch().status)
        route.abort("connectionreset")

    page.context.set_offline(True)
    page.get_by_role("button", name="Send for checking").click()
    expect(page.get_by_text("No connection. Your check is kept on this device")).to_be_visible()
    assert page.evaluate("smartderma.device.all().then((checks) => checks.length)") == 1
    page.route("**/cases/new/", lose_the_answer)
    page.context.set_offline(False)
    expect(page.get_by_role("heading", name="We are checking your photos")).to_be_visible(timeout=20_000)
    assert lost == [200]
    case = Case.objects.get()  # sent twice, made once
    assert case.images.get().width == 1400


def test_a_face_is_pointed_out_and_covered(site: str, page: Page, screenshots: Path):
    open_photos(page, site)
    looker = Looker(page, screenshots)
    face = photos.encode(photos.Image.fromarray(data.astronaut()))
    page.get_by_label("1. Close-up").set_input_files({"name": "me.jpg", "mimeType": "image/jpeg", "buffer": face})
    expect(page.get_by_text("A face can be seen. What should happen with it?")).to_be_visible(timeout=20_000)
    page.get_by_text("Cut or remove this photo").click()
    page.get_by_label("Bottom", exact=True).fill("30")
    looker.look("step-2-face")
    page.get_by_role("button", name="Cover the face").click()
    expect(page.get_by_text("A face can be seen.")).to_be_hidden()
    expect(page.get_by_text("We are looking whether a face")).to_be_hidden(timeout=20_000)
    looker.look("step-2-face-covered")
    assert IntakePhoto.objects.get().faces == []
    assert not looker.problems, "\n".join(looker.problems)


def test_a_refused_file_is_named_and_the_keyboard_alone_finishes_the_check(toy_release, stack, page: Page, screenshots):
    address = stack.web(FACE_WAIT_SECONDS="0")
    log_in(page.context, address, factories.PatientFactory())
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{address}/cases/new/")
    keys = Keys(page)
    keys.to("Which country are you in now?")
    page.keyboard.type("United Kingdom")
    keys.to("None of these")
    page.keyboard.press("Space")
    keys.to("Continue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Take photos")).to_be_visible()
    text = {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"this is no photo"}
    keys.choose_file(text)
    expect(page.get_by_text("We cannot read this file as a photo.")).to_be_visible()
    expect(page.get_by_text("You can send it all the same.")).to_be_hidden()
    assert not IntakePhoto.objects.exists()
    keys.choose_file(upload())
    expect(page.get_by_text("Received. Sharp and bright enough.")).to_be_visible()
    keys.next()
    keys.to("Under 2 years")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    keys.next()
    keys.to("Scalp")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Forehead, cheek or chin")).to_be_checked()
    expect(page.locator("[data-site=face].is-chosen")).to_have_count(2)
    page.screenshot(path=screenshots / "step-4-place-360.png", full_page=True)
    keys.next()
    keys.next()
    keys.to("Send for checking")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="We are checking your photos")).to_be_visible(timeout=20_000)
    assert Case.objects.get().answers["site"] == "face"


class Keys:
    """A person who only has a keyboard: Tab until the wanted thing has the focus."""

    NAME = """() => { const e = document.activeElement; const labels = [...(e.labels || [])];
        return e.matches("a, button, summary") ? e.textContent : labels.map((label) => label.textContent).join(" ") }"""

    def __init__(self, page: Page) -> None:
        self.page = page
        # Choosers are caught from here on: the order to catch one and a key pressed right after it travel apart.
        page.on("filechooser", lambda _chooser: None)

    def to(self, name: str) -> None:
        for _press in range(120):
            if name in self.page.evaluate(self.NAME):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"The keyboard does not reach {name!r}")

    def next(self) -> None:
        self.to("Continue")
        self.page.keyboard.press("Enter")

    def choose_file(self, file: dict) -> None:
        self.to("Choose a photo")
        with self.page.expect_file_chooser() as chooser:
            self.page.keyboard.press("Enter")
        chooser.value.set_files(file)


def test_without_javascript_a_face_is_covered_and_the_check_sent(site: str, browser, screenshots: Path):
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    open_photos(page, site)
    face = photos.encode(photos.Image.fromarray(data.astronaut()))
    page.get_by_label("1. Close-up").set_input_files({"name": "me.jpg", "mimeType": "image/jpeg", "buffer": face})
    page.get_by_role("button", name="Continue").click()
    wait_for(lambda: IntakePhoto.objects.get().faces, what="The look for faces")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("Photo 1: a face can be seen.")
    page.screenshot(path=screenshots / "step-2-face-no-script.png", full_page=True)
    page.get_by_role("button", name="Cover the face").click()
    expect(page.get_by_text("A face can be seen.")).to_be_hidden()
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("40 to 49 years").click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Belly").check()
    for _screen in ("place", "look"):
        page.get_by_role("button", name="Continue").click()
    wait_for(lambda: IntakePhoto.objects.get().faces == [], what="The second look")
    page.get_by_role("button", name="Send for checking").click()
    expect(page.get_by_role("heading", name="Your result")).to_be_visible(timeout=60_000)
    context.close()
