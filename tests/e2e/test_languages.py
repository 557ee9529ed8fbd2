"""Pages in other languages: right to left, other scripts, the language menu, typed answers."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.e2e.conftest import log_in
from tests.e2e.looking import Looker
from tests.kit import factories

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OPEN_PAGES = ["home", "release_card", "finder_search", "account_signup"]
PRIVATE_PAGES = ["case_list", "case_create", "consent_edit", "my_data", "account_email"]
DIRECTIONS = {"ar": "rtl", "hi": "ltr", "es": "ltr"}


@pytest.fixture
def address(toy_release, stack) -> str:
    return stack.web(DEMO_ACCOUNTS="1")


def choose(page: Page, name: str) -> None:
    page.locator("[data-language-menu]").locator("xpath=..").locator("summary").click()
    page.get_by_role("button", name=name, exact=True).click()


@pytest.mark.parametrize("language", ["ar", "hi"])
def test_pages(language: str, address: str, page: Page, screenshots):
    looker = Looker(page, screenshots)
    patient = factories.PatientFactory(language=language)
    page.context.add_cookies([{"name": "django_language", "value": language, "url": address}])
    for name in OPEN_PAGES:
        page.goto(address + reverse(name))
        looker.look(f"{language}-{name}")
        assert page.locator("html").get_attribute("dir") == DIRECTIONS[language]
    log_in(page.context, address, patient)
    for name in PRIVATE_PAGES:
        page.goto(address + reverse(name))
        looker.look(f"{language}-{name}")
    cases = [factories.case_done(patient=patient), factories.case_signed(patient=patient)]
    for name, case in zip(("assessed", "signed"), cases, strict=True):
        page.goto(address + reverse("case_detail", args=[case.pk]))
        page.evaluate("document.querySelectorAll('details.fold').forEach((fold) => (fold.open = true))")
        looker.look(f"{language}-case_detail-{name}")
    assert not looker.problems, "\n".join(looker.problems)
