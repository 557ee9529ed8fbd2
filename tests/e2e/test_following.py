"""What comes after a check, in a real browser: a spot followed and compared, messages, e-mails, own data, leaving."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import ErasureCertificate, User
from accounts.tasks import build_export_task
from diagnosis import services
from diagnosis.models import Case, Lesion, Message
from tests.e2e.conftest import log_in
from tests.e2e.looking import Looker
from tests.kit import factories, photos

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"width": 390, "height": 844}
SCALE = "document.querySelector('[data-compare-frame] img').style.transform"


@pytest.fixture
def address(toy_release, stack) -> str:
    return stack.web()


def test_a_spot_is_followed_over_time(address: str, page: Page, screenshots: Path):
    patient = factories.PatientFactory()
    cases = [make(patient=patient) for make in (factories.case_done, factories.case_signed)]
    log_in(page.context, address, patient)
    looker = Looker(page, screenshots)
    page.set_viewport_size(PHONE)
    for case in cases:
        page.goto(address + reverse("case_detail", args=[case.pk]))
        page.get_by_role("link", name="Follow this spot over time").click()
        if case == cases[0]:
            page.get_by_label("Name of the new spot").fill("Mole on the left arm")
            looker.look("case_file")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", name="Mole on the left arm")).to_be_visible()

    page.get_by_label("Your note").fill("Itches since Monday.")
    page.get_by_role("button", name="Save the note").click()
    page.get_by_label("Remind me to look again").select_option("3")
    page.get_by_role("button", name="Remind me").click()
    expect(page.get_by_text("We will remind you by e-mail in 3 months")).to_be_visible()
    looker.look("lesion_detail")
    page.goto(address + reverse("lesion_list"))
    looker.look("lesion_list")

    page.get_by_role("link", name="Mole on the left arm").click()
    page.get_by_role("link", name="Compare two photos").click()
    compare_by_keyboard(page)
    looker.look("lesion_compare")
    page.get_by_role("button", name="One over the other").press("Enter")
    page.get_by_label("Blend from the earlier").fill("30")
    expect(page.locator("[data-compare-frame] img").last).to_have_css("opacity", "0.3")
    looker.look("lesion_compare-blend")

    page.goto(address + reverse("case_list") + "?stage=answered")
    expect(page.get_by_text(cases[1].reference)).to_be_visible()
    expect(page.get_by_text(cases[0].reference)).to_have_count(0)
    looker.look("case_list-filtered")
    assert set(Lesion.objects.get().cases.all()) == set(cases)
    assert not looker.problems, "\n".join(looker.problems)


def compare_by_keyboard(page: Page) -> None:
    """Both photos zoom and move together; the slider follows; 0 brings the whole photos back."""
    frames = page.locator("[data-compare-frame]")
    expect(page.get_by_label("Zoom")).to_be_visible()  # the script has run
    frames.first.focus()
    for _ in range(4):
        page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    both = [one.evaluate("(image) => image.style.transform") for one in frames.locator("img").all()]
    assert both[0] == both[1]
    assert re.search(r"translate\(-10%, 0%\) scale\(2\.07", both[0])
    assert page.get_by_label("Zoom").input_value() == "210"
    page.keyboard.press("0")
    assert "scale(1)" in page.evaluate(SCALE)
    page.get_by_label("Zoom").fill("200")
    assert "scale(2)" in page.evaluate(SCALE)
    box = frames.first.bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 50 + box["width"] / 4, box["y"] + 50)
    page.mouse.up()
    assert "translate(25%" in page.evaluate(SCALE)


def test_two_photos_without_javascript(address: str, browser):
    patient = factories.PatientFactory()
    lesion = services.lesion_create(patient=patient, body_site="arm")
    for _ in range(2):
        services.case_file(case=factories.case_done(patient=patient), lesion=lesion)
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    log_in(context, address, patient)
    page = context.new_page()
    page.goto(address + reverse("lesion_compare", args=[lesion.pk]))
    assert page.locator("[data-compare-frame] img").count() == 2
    expect(page.get_by_label("Zoom")).to_be_hidden()
    page.get_by_label("Earlier photo").select_option(index=1)
    page.get_by_role("button", name="Show these").click()
    expect(page).to_have_url(re.compile("before="))
    context.close()


def test_patient_and_dermatologist_write_to_each_other(address: str, browser, screenshots: Path):
    dermatologist = factories.DermatologistFactory()
    case = factories.case_signed(reviewer=dermatologist)
    patient_page, doctor_page = (_page_of(browser, address, user) for user in (case.patient, dermatologist))
    lookers = [Looker(one, screenshots) for one in (patient_page, doctor_page)]

    patient_page.goto(address + reverse("case_detail", args=[case.pk]))
    patient_page.get_by_label("Your message").fill("Does it spread?")
    photo = {"name": "spot.jpg", "mimeType": "image/jpeg", "buffer": photos.skin()}
    patient_page.get_by_label("Photos", exact=False).last.set_input_files(photo)
    patient_page.get_by_role("button", name="Send the message").click()
    expect(patient_page.get_by_text("Not read yet")).to_be_visible()

    doctor_page.goto(address + reverse("message_inbox"))
    expect(doctor_page.get_by_text("1 new message", exact=True)).to_be_visible()
    lookers[1].look("message_inbox")
    doctor_page.get_by_role("link", name=re.compile(case.reference)).click()
    doctor_page.get_by_label("Your message").fill("It does not.")
    doctor_page.get_by_role("button", name="Send the message").click()
    expect(doctor_page.get_by_text("It does not.")).to_be_visible()

    patient_page.goto(address + reverse("case_list"))
    expect(patient_page.get_by_text("1 new message", exact=True)).to_be_visible()
    patient_page.goto(address + reverse("message_list", args=[case.pk]))
    expect(patient_page.get_by_text("Read on")).to_be_visible()
    lookers[0].look("message_list")
    assert Message.objects.filter(read_at=None).count() == 0
    assert not [problem for looker in lookers for problem in looker.problems]


def _page_of(browser, address: str, user: User) -> Page:
    context = browser.new_context(viewport=PHONE)
    log_in(context, address, user)
    return context.new_page()


def _password_of_the_site(user: User) -> None:
    """The site knows no fast hashes, which the rows of tests have."""
    hasher = Argon2PasswordHasher()
    user.password = hasher.encode(factories.PASSWORD, hasher.salt())
    user.save()


def test_my_data_from_the_download_to_the_certificate(address: str, page: Page, screenshots: Path, tmp_path: Path):
    case = factories.case_done()
    patient = case.patient
    looker = Looker(page, screenshots)
    page.set_viewport_size(PHONE)
    _password_of_the_site(patient)
    log_in(page.context, address, patient)
    page.goto(address + reverse("my_data"))
    looker.look("my_data-whole")

    page.get_by_role("link", name="Download everything").click()
    page.get_by_role("button", name="Make my file").click()
    expect(page.get_by_text("putting your file together")).to_be_visible()
    build_export_task(str(patient.exports.get().pk))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the ZIP file").click()
    download.value.save_as(tmp_path / "mine.zip")
    assert (tmp_path / "mine.zip").read_bytes()[:2] == b"PK"
    looker.look("data_export")

    for name in ("access_log", "notice_settings"):
        page.goto(address + reverse(name))
        looker.look(name)
    page.goto(address + reverse("account_delete"))
    looker.look("account_delete")
    page.get_by_label("Yes, erase my account").check()
    page.get_by_role("button", name="Erase my account").click()
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("main").get_by_role("button").first.click()
    expect(page.get_by_role("heading", name="Certificate of erasure")).to_be_visible()
    looker.look("erasure_certificate")
    assert not User.objects.filter(pk=patient.pk).exists()
    assert not Case.objects.exists()
    assert ErasureCertificate.objects.get().counts["diagnosis.Case"] == 1
    assert not looker.problems, "\n".join(looker.problems)
