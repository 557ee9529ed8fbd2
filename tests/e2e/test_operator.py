"""An operator in a real browser, with real workers: a new release, from the check to the way back, and an export."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, expect

from accounts.models import Purpose
from diagnosis import services
from diagnosis.models import Analysis, Case, ModelRelease, ShadowRun, TrainingExport
from tests.e2e.conftest import log_in
from tests.e2e.looking import Looker, open_again
from tests.kit import factories
from tests.kit.processes import wait_for
from tests.kit.releases import write_toy_release

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AGREED = [Purpose.CARE, Purpose.STORAGE, Purpose.RESEARCH]


@pytest.fixture
def releases(tmp_path: Path, toy_release: str, stack_environment: dict[str, str], monkeypatch) -> None:
    """`toy` serves, `next` lies beside it; the programs of the stack look there too."""
    for name in ("toy", "next"):
        write_toy_release(tmp_path / "releases", name)
    monkeypatch.setenv("SMARTDERMA_RELEASE_DIR", str(tmp_path / "releases"))
    stack_environment["SMARTDERMA_RELEASE_DIR"] = str(tmp_path / "releases")


def judged_case() -> Case:
    """A case of a patient who agreed to research, judged by the worker that runs."""
    case = factories.case_queued(patient=factories.PatientFactory(consents=AGREED))
    wait_for(lambda: case.analyses.get().status == Analysis.Status.DONE, seconds=30, what="a result")
    return case


def test_a_new_release_and_the_way_back(releases, stack, browser: Browser, screenshots: Path):
    stack.worker("inference,inference-partners,bulk,shadows,slow")
    stack.worker("default")
    address = stack.web()
    operator = factories.OperatorFactory()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    log_in(context, address, operator)
    page = context.new_page()
    looker = Looker(page, screenshots)

    page.goto(address + reverse("operator_overview"))
    page.get_by_role("link", name="Releases and shadow").click()
    page.get_by_role("button", name="Have it checked next").click()
    expect(page.get_by_text("A worker checks it.")).to_be_visible()
    wait_for(lambda: ModelRelease.objects.filter(name="next", check_state="good").exists(), what="the check")
    open_again(page)
    page.get_by_label("Share of cases that it judges as well").first.fill("100")
    page.get_by_role("button", name="Run in shadow next").click()
    expect(page.get_by_text("in shadow: 100 %")).to_be_visible()

    case = judged_case()
    assert case.analyses.get().release == "toy"
    wait_for(lambda: ShadowRun.objects.filter(status="done").exists(), seconds=30, what="the candidate's answer")
    sign(case)
    page.get_by_role("link", name="Compare with the active one next").click()
    expect(page.get_by_text("1 case was judged by both.")).to_be_visible()
    expect(page.get_by_text("Too few signed cases")).to_be_visible()
    looker.look("shadow_comparison")

    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(address + reverse("release_list"))
    activate(page, "next", "Agrees with the old one, and is faster.")
    assert judged_case().analyses.get().release == "next", "the worker was not restarted"
    activate(page, "toy", "More wrong alarms than before.", button="Go back to this release")
    assert judged_case().analyses.get().release == "toy"
    expect(page.get_by_text("Rolled back to an earlier release")).to_be_visible()
    looker.look("release_list")

    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(address + reverse("training_exports"))
    page.get_by_role("button", name="Put it together").click()
    wait_for(lambda: TrainingExport.objects.filter(status="ready").exists(), seconds=30, what="the export")
    open_again(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "smart-derma-training.zip"
    open_again(page)
    looker.look("training_exports")
    assert looker.problems == []


def sign(case: Case) -> None:
    services.review_request(case=case, actor=case.patient)
    services.review_sign(
        case=Case.objects.get(pk=case.pk), reviewer=factories.DermatologistFactory(), diagnosis="eczema",
        tier="routine", note_to_patient="Use the cream twice a day.",
    )  # fmt: skip


def activate(page, name: str, reason: str, *, button: str = "Activate") -> None:
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=name, exact=True))
    card.get_by_label("Why").fill(reason)
    card.get_by_role("button", name=f"{button} {name}").click()
    expect(page.get_by_text(f"From now on release {name} answers.")).to_be_visible()
