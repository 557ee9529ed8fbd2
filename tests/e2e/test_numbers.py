"""The numbers in a real browser: every page with half a year of cases, the filters, a file; also from right to left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from diagnosis.demo_history import history_create
from tests.e2e.conftest import log_in
from tests.e2e.looking import Looker
from tests.kit import factories

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_numbers(toy_release, stack, page: Page, screenshots: Path):
    address = stack.web()
    partner = factories.PartnerFactory(name="Clinic of the demo")
    readers = [factories.DermatologistFactory() for _ in range(3)]
    history_create(partner=partner, readers=readers, now=timezone.now(), count=160)
    factories.case_in_review(red_flags=["swelling"])
    factories.case_asked()
    operator = factories.OperatorFactory()
    log_in(page.context, address, operator)
    looker = Looker(page, screenshots)
    page.goto(address + reverse("numbers"))
    for name, title in (("work", "Work"), ("model", "Readers and model"), ("inputs", "What comes in")):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.get_by_role("navigation", name="Numbers").get_by_role("link", name=title).click()
        page.evaluate("document.querySelectorAll('details.fold').forEach((fold) => (fold.open = true))")
        looker.look(f"numbers-{name}")
    page.get_by_role("link", name="1 year").click()
    page.get_by_label("Whose cases").select_option("Clinic of the demo")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("rounded to the nearest 5")).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("link", name=re.compile("Download as CSV.*Drift")).click()
    assert Path(started.value.path()).read_text(encoding="utf-8-sig").startswith('"What"')
    User.objects.filter(pk=operator.pk).update(language="ar")
    page.goto(address + reverse("numbers_page", args=["work"]))
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    looker.look("numbers-work-ar")
    assert not looker.problems, "\n".join(looker.problems)
