"""Dermatologists in real browsers: two want one case, one signs and changes it, the patient reads it each time."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect
from pypdf import PdfReader

from diagnosis import services
from diagnosis.models import Case
from tests.e2e.conftest import log_in
from tests.e2e.looking import Looker, open_again
from tests.kit import factories

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def with_maps(case: Case) -> Case:
    """Heat maps as the worker stores them, drawn."""
    grey = np.linspace(0, 255, 64 * 48).reshape(48, 64).astype("uint8")
    finding = case.analyses.get().findings.create(
        image=case.images.get(), outcome="assessed", quality={"band": "good", "issues": []}, focus="centre"
    )
    finding.heatmap.save("map.png", ContentFile(services.png_of_heatmap(grey)), save=True)
    finding.member_maps.create(member="mobilenetv3", png=services.png_of_heatmap(grey.T.copy()))
    return case


def page_of(browser: Browser, address: str, user) -> Page:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    log_in(context, address, user)
    return context.new_page()


def measure_by_keyboard(page: Page) -> None:
    """A coin of 23.25 mm over 10 steps of a hundredth, then the spot over 20: twice as wide."""
    page.keyboard.press("1")
    page.keyboard.press("m")
    expect(page.get_by_text("Measure: set a point on both ends")).to_be_visible()
    page.keyboard.press("Enter")
    for _step in range(2):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    for _step in range(4):
        page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The spot is about 46.5 mm wide.")).to_be_visible()


def use_the_viewer(page: Page) -> None:
    for ready in ("[data-tools]", "[data-keys]"):  # keys do nothing before the scripts that show these ran
        expect(page.locator(ready).first).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_hidden()  # nor while it is open
    measure_by_keyboard(page)
    page.keyboard.press("Escape")
    page.keyboard.press("+")
    page.keyboard.press("r")
    expect(page.locator("[data-canvas]")).to_have_css("transform", "matrix(0, 1.125, -1.125, 0, 0, 0)")
    page.keyboard.press("0")
    page.keyboard.press("h")
    page.keyboard.press("h")
    expect(page.locator("[data-heat]")).to_have_attribute("src", re.compile(r"/heatmaps/\d+/mobilenetv3/$"))


def pdf_text(page: Page, address: str, case: Case) -> str:
    report = case.reports.first()
    answer = page.request.get(address + reverse("report_download", args=[report.pk]))
    return "\n".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(answer.body())).pages)


def test_two_browsers_one_case_and_the_whole_way(toy_release, stack, browser: Browser, screenshots: Path):
    address = stack.web()
    case = with_maps(factories.case_done())
    doctors = [factories.DermatologistFactory() for _ in range(2)]
    patient, first, second = (page_of(browser, address, user) for user in (case.patient, *doctors))
    patient.goto(address + reverse("case_detail", args=[case.pk]))
    patient.get_by_role("button", name="Ask a dermatologist").click()
    expect(patient.get_by_text("Sent to the dermatologists.")).to_be_visible()

    for page in (first, second):
        page.goto(address + reverse("review_queue"))
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Take this case")).to_be_visible()
        page.wait_for_load_state()
    first.keyboard.press("t")
    expect(first.get_by_text("You work on this case.")).to_be_visible()
    second.get_by_role("button", name="Take this case").click()
    expect(second.get_by_text("Another dermatologist works on this case now.")).to_be_visible()
    expect(second.get_by_role("button", name="Sign")).to_have_count(0)

    looker = Looker(first, screenshots)
    use_the_viewer(first)
    looker.look("review_case-held")
    first.set_viewport_size({"width": 1280, "height": 900})
    first.get_by_label("Or a term of ICD-10").press_sequentially("pityriasis ros")
    expect(first.locator("#icd10-terms option")).to_have_attribute("value", "L42 Pityriasis rosea")
    first.get_by_label("Or a term of ICD-10").fill("L42 Pityriasis rosea")
    first.get_by_label("Urgency").select_option("routine")
    first.get_by_text("Texts to start the note from").click()
    first.get_by_role("button", name="Use this text").first.click()
    first.get_by_role("button", name="Sign").click()
    expect(first.get_by_text("Signed. The patient's report is being updated.")).to_be_visible()

    open_again(patient)
    expect(patient.get_by_role("heading", name="Pityriasis rosea")).to_be_visible()
    patient.get_by_role("button", name="Open the PDF report").click()
    patient.wait_for_load_state()
    assert "Pityriasis rosea" in pdf_text(patient, address, case)

    first.goto(address + reverse("review_case", args=[case.pk]))
    first.get_by_role("button", name="Take this case").click()
    first.get_by_label("Or a term of ICD-10").fill("L20.9 Atopic dermatitis, unspecified")
    first.get_by_label("Name of the other condition").fill("Atopic dermatitis")
    first.get_by_label("Reason for the change").fill("The scale test is back.")
    first.get_by_role("button", name="Sign").click()
    expect(first.get_by_text("Signed. The patient's report is being updated.")).to_be_visible()
    patient.goto(address + reverse("case_detail", args=[case.pk]))
    expect(patient.get_by_text("The scale test is back.")).to_be_visible()
    patient.get_by_role("button", name="Open the PDF report").click()
    patient.wait_for_load_state()
    assert "Atopic dermatitis" in pdf_text(patient, address, case)
    assert list(case.reports.order_by("version").values_list("version", "standing")) == [(1, "final"), (2, "amended")]
    assert not looker.problems, "\n".join(looker.problems)
    for page in (patient, first, second):
        page.context.close()


def test_pages_of_the_desk(toy_release, stack, page: Page, screenshots: Path):
    address = stack.web(BLIND_FIRST_READ="1")
    reader = factories.DermatologistFactory()
    case = with_maps(factories.case_in_review(red_flags=["swelling"]))
    asked = factories.case_asked()
    services.saved_view_store(user=reader, name="Late ones", query={"late": "on"})
    services.case_take(case=case, reader=reader)
    log_in(page.context, address, reader)
    looker = Looker(page, screenshots)
    for name, path in {
        "review_queue-filters": reverse("review_queue") + "?tier=emergency&show=waiting",
        "review_case-blind": reverse("review_case", args=[case.pk]),
        "note_templates": reverse("note_template_list"),
        "note_template_new": reverse("note_template_create"),
        "licence": reverse("licence_apply"),
    }.items():
        page.goto(address + path)
        page.evaluate("document.querySelectorAll('details.fold').forEach((fold) => (fold.open = true))")
        looker.look(name)
    page.context.clear_cookies()
    page.goto(address + reverse("licence_apply"))
    looker.look("licence-stranger")
    log_in(page.context, address, asked.patient)
    for name, address_name in {"case_detail-asked": "case_detail", "photos_add": "photos_add"}.items():
        page.goto(address + reverse(address_name, args=[asked.pk]))
        looker.look(name)
    assert not looker.problems, "\n".join(looker.problems)
