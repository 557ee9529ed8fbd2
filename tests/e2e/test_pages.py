"""Every page in every state: axe in both themes, no sideways scrolling at 360 px, no console error, a screenshot."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from accounts.models import KeyUsage
from diagnosis.models import Case
from tests.e2e.conftest import log_in
from tests.e2e.looking import Looker
from tests.kit import factories

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OPEN_PAGES = [
    "home",
    "release_card",
    "report_verify",
    "finder_search",
    "account_login",
    "account_signup",
    "account_reset_password",
]
PRIVATE_PAGES = [
    "case_list", "case_create", "consent_edit", "my_data", "account_logout", "account_email",
    "account_change_password", "mfa_index",
]  # fmt: skip
STATES = {
    "waiting": factories.case_queued,
    "failed": factories.case_failed,
    "assessed": factories.case_done,
    "inconclusive": factories.case_inconclusive,
    "in-review": factories.case_in_review,
    "signed": factories.case_signed,
}


@pytest.fixture
def address(toy_release, stack) -> str:
    return stack.web(DEMO_ACCOUNTS="1")


def test_open_pages(address: str, page: Page, screenshots):
    looker = Looker(page, screenshots)
    for name in OPEN_PAGES:
        page.goto(address + reverse(name))
        looker.look(name)
    assert not looker.problems, "\n".join(looker.problems)


def cases_of(patient) -> dict[str, Case]:
    cases = {name: make(patient=patient) for name, make in STATES.items()}
    emergency = factories.case_done(patient=patient, red_flags=["swelling"])
    return {**cases, "emergency": emergency}


def test_patient_pages(address: str, page: Page, screenshots):
    patient = factories.PatientFactory()
    log_in(page.context, address, patient)
    looker = Looker(page, screenshots)
    page.goto(address + reverse("case_list"))
    looker.look("case_list-empty")
    for name, case in cases_of(patient).items():
        page.goto(address + reverse("case_detail", args=[case.pk]))
        page.evaluate("document.querySelectorAll('details.fold').forEach((fold) => (fold.open = true))")
        looker.look(f"case_detail-{name}")
    page.goto(address + reverse("case_delete", args=[case.pk]))
    looker.look("case_delete")
    for name in PRIVATE_PAGES:
        page.goto(address + reverse(name))
        looker.look(name)
    assert not looker.problems, "\n".join(looker.problems)


def test_dermatologist_pages(address: str, page: Page, screenshots):
    cases = [factories.case_in_review(), factories.case_signed()]
    log_in(page.context, address, factories.DermatologistFactory())
    looker = Looker(page, screenshots)
    page.goto(address + reverse("review_queue"))
    looker.look("review_queue")
    for name, case in zip(("first", "signed"), cases, strict=True):
        page.goto(address + reverse("review_case", args=[case.pk]))
        looker.look(f"review_case-{name}")
    assert not looker.problems, "\n".join(looker.problems)


def test_partner_pages(address: str, page: Page, screenshots):
    partner = factories.PartnerFactory()
    key, _text = factories.partner_key(partner)
    for number in range(20):
        day = timezone.now().date() - timedelta(days=number)
        KeyUsage.objects.create(key=key, day=day, requests=30 * number, analyses=7 * (number % 5), refused=number % 3)
    log_in(page.context, address, partner.contact)
    looker = Looker(page, screenshots)
    for name in ("partner_usage", "partner_settings", "partner_key_list", "webhook_endpoint_list"):
        page.goto(address + reverse(name))
        looker.look(name)
    page.goto(address + reverse("partner_key", args=[key.pk]))
    page.evaluate("document.querySelectorAll('details.fold').forEach((fold) => (fold.open = true))")
    looker.look("partner_key")
    page.get_by_role("button", name="Make the new key").click()
    looker.look("partner_key_text")
    assert page.locator("code").inner_text().startswith("sd_live_")
    assert not looker.problems, "\n".join(looker.problems)
