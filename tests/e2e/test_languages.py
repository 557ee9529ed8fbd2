"""A patient's way on a phone in Arabic, right to left: sign-up, another language on the way, result and report."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from diagnosis.models import Case
from tests.e2e.looking import Looker
from tests.kit import photos

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"width": 390, "height": 844}


def choose(page: Page, name: str) -> None:
    """The language menu in the header."""
    page.locator("details:has([data-language-menu]) > summary").click()
    page.get_by_role("button", name=name, exact=True).click()


def read_direction(page: Page) -> tuple[str, str]:
    return page.locator("html").get_attribute("lang"), page.locator("html").get_attribute("dir")


def test_a_check_in_arabic(site: str, page: Page, screenshots: Path):
    looker = Looker(page, screenshots)
    page.set_viewport_size(PHONE)
    page.goto(f"{site}/find/?place=Pune")
    choose(page, "العربية")
    assert page.url == f"{site}/find/?place=Pune"
    assert read_direction(page) == ("ar", "rtl")
    page.goto(site)
    page.screenshot(path=screenshots / "ar-home-390.png", full_page=True)
    page.get_by_role("main").get_by_role("link", name="ابدأ فحصًا").click()
    page.locator("input[type=email]").fill("new.person@example.org")
    page.locator("input[type=password]").fill("a-long-and-odd-phrase")
    page.locator("main button[type=submit]").click()
    page.get_by_label("الرعاية:").check()
    page.get_by_role("button", name="حفظ اختياري").click()

    page.get_by_label("في أي بلد أنت الآن؟").select_option("EG")
    page.get_by_label("لا شيء مما سبق").check()
    choose(page, "हिन्दी")  # typed answers go along, there and back
    expect(page.get_by_label("इनमें से कुछ नहीं")).to_be_checked()
    choose(page, "العربية")
    expect(page.get_by_label("في أي بلد أنت الآن؟")).to_have_value("EG")
    page.get_by_role("button", name="متابعة").last.click()

    page.locator("input[type=file]").first.set_input_files(
        {"name": "spot.jpg", "mimeType": "image/jpeg", "buffer": photos.skin()}
    )
    expect(page.locator("[data-photo-card]")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="متابعة").last.click()
    page.get_by_text("من 40 إلى 49 سنة").click()
    choose(page, "Español")  # in the middle of a check: the same screen, with photo and answers
    expect(page.get_by_role("heading", name="Sobre usted")).to_be_visible()
    expect(page.get_by_label("De 40 a 49 años")).to_be_checked()
    choose(page, "العربية")
    looker.look("ar-step-you")
    page.get_by_role("button", name="متابعة").last.click()
    page.get_by_label("الذراع أو الكتف").check()
    for _screen in ("place", "look"):
        page.get_by_role("button", name="متابعة").last.click()
    page.get_by_role("button", name="إرسال للفحص").click()

    expect(page.get_by_role("heading", name="نتيجتك")).to_be_visible(timeout=60_000)
    looker.look("ar-result")
    for name in ("हिन्दी", "Español"):
        choose(page, name)
        looker.look(f"{page.locator('html').get_attribute('lang')}-result")
    choose(page, "العربية")
    case = Case.objects.get()
    assert (case.language, case.answers["site"], case.images.count()) == ("ar", "arm", 1)
    assert User.objects.get(email="new.person@example.org").language == "ar"
    assert not looker.problems, "\n".join(looker.problems)
