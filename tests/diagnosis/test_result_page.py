"""The result page through its address: what it says in each state, and the report that can be chosen on it."""

from __future__ import annotations

import re

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse

from diagnosis.models import Case
from reports.models import Report
from reports.services import report_render
from tests.kit import factories, photos

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy_release")]
BLURRED = {"code": "blurred", "severity": "high", "advice_code": "hold_still"}


def page_of(portal: Client, case: Case) -> str:
    answer = portal.get(reverse("case_detail", args=[case.pk]))
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def with_finding(case: Case, **quality) -> Case:
    """The photo's quality, and a heat map whose peak is in the upper left."""
    finding = case.analyses.get().findings.create(
        image=case.images.get(),
        outcome="assessed",
        focus="upper_left",
        quality={"band": "good", "issues": [], **quality},
    )
    finding.heatmap.save("map.png", ContentFile(photos.skin("PNG", size=(64, 64))), save=True)
    return case


STATES = ("queued", "failed", "done", "inconclusive", "in_review", "asked", "signed", "amended")


@pytest.mark.parametrize("state", STATES)
def test_the_page_asks_the_database_twelve_times_at_most(portal, patient, django_assert_max_num_queries, state):
    case = getattr(factories, f"case_{state}")(patient=patient)
    with django_assert_max_num_queries(12):
        page_of(portal, case)


def test_a_likelihood_stands_as_dots_as_a_sentence_and_as_a_number(portal, patient):
    page = page_of(portal, factories.case_done(patient=patient))
    assert "In our test photos, about 8 in 10 that looked like this were: Eczema." in page
    assert "70 %" in page
    first = page.split('class="dots"')[1].split("</svg>")[0]
    assert (first.count("<circle"), first.count("is-on")) == (10, 8)


def test_the_heat_map_is_there_without_javascript_and_says_where_the_model_looked(portal, patient):
    page = page_of(portal, with_finding(factories.case_done(patient=patient)))
    finding = Case.objects.get().analyses.get().findings.get()
    assert f'<img class="heat" id="heat-{finding.pk}"' in page
    assert "<noscript><img" in page
    assert re.search(r"<div data-heat-control hidden>", page)
    assert "The computer looked mostly at the upper left of this photo." in page
    assert "Good photo" in page


def test_a_photo_that_was_not_judged_shows_no_heat_map(portal, patient):
    case = with_finding(factories.case_inconclusive(patient=patient), band="poor", issues=[BLURRED])
    case.analyses.update(reasons=["poor_image"])
    page = page_of(portal, case)
    assert 'class="heat"' not in page
    assert "The photo is blurred." in page
    assert "We cannot judge this photo" in page


def test_an_urgency_without_a_name_is_explained(portal, patient):
    case = factories.case_inconclusive(patient=patient)
    case.analyses.update(reasons=["poor_image"])
    fired = [{"code": "cancer_threshold", "tier": "urgent", "detail": "melanoma"}]
    Case.objects.filter(pk=case.pk).update(tier="urgent", tier_rank=3, fired_rules=fired)
    page = page_of(portal, case)
    assert "See a clinician within 2 weeks" in page
    assert "we do not take back a warning because a photo is poor" in page
    assert "rule out skin cancer" not in page


def test_a_strange_photo_says_what_the_service_does_not_know(portal, patient):
    case = factories.case_inconclusive(patient=patient)
    case.analyses.update(reasons=["out_of_distribution"])
    page = page_of(portal, case)
    assert "What this service does not know" in page
    assert "So we do not name a condition." in page


def test_skin_that_looks_healthy_is_not_called_healthy(portal, patient):
    page = page_of(portal, factories.case_done(patient=patient, top="normal"))
    assert "We found nothing in this photo" in page
    assert "A photo check misses some skin cancers" in page


def test_what_would_change_the_answer_names_sign_and_urgency(portal, patient):
    page = page_of(portal, factories.case_done(patient=patient)).split("What would change this answer")[1]
    assert re.search(r"It grows fast, within weeks\.</span> <span[^>]*>See a clinician within 2 weeks", page)
    assert "More photos of the same spot" in page


def test_after_a_signature_the_model_is_named_as_what_it_is(portal, patient):
    page = page_of(portal, factories.case_signed(patient=patient))
    assert "What the computer found in the photos" in page
    assert "What would change this answer" not in page


def test_advice_has_five_blocks_a_source_and_its_review_status(portal, patient):
    page = page_of(portal, factories.case_done(patient=patient)).split('id="advice-title"')[1]
    first = page.split("</details>")[0]
    assert first.count("<h3>") == 5
    assert "https://www.nhs.uk/conditions/atopic-eczema/" in first
    assert "Not yet reviewed by a clinician" in first


def test_a_report_is_made_in_the_chosen_language_paper_and_name(portal, patient):
    case = factories.case_done(patient=patient)
    assert 'name="person_name"' in page_of(portal, case)
    choice = {"language": "es", "paper": "letter", "person_name": "  Ana   Example "}
    answer = portal.post(reverse("report_create", args=[case.pk]), choice)
    report = Report.objects.get()
    assert answer["Location"] == reverse("report_download", args=[report.pk])
    assert (report.language, report.paper, report.person_name) == ("es", "letter", "Ana Example")
    page = page_of(portal, case)
    assert "Reports made so far" in page
    assert reverse("report_download", args=[report.pk]) in page


def test_without_a_choice_the_report_shows_no_name(portal, patient):
    case = factories.case_done(patient=patient)
    portal.post(reverse("report_create", args=[case.pk]))
    report = Report.objects.get()
    assert (report.language, report.paper, report.person_name) == ("en", "a4", "")


@pytest.mark.parametrize("choice", [{"language": "tlh"}, {"paper": "a3"}, {"person_name": "x" * 81}], ids=str)
def test_a_choice_that_is_not_on_the_list_makes_no_report(portal, patient, choice):
    case = factories.case_done(patient=patient)
    answer = portal.post(reverse("report_create", args=[case.pk]), choice, follow=True)
    assert "Please choose a language and paper from the list" in answer.content.decode()
    assert not Report.objects.exists()


def test_a_dermatologist_cannot_print_a_name_and_does_not_open_a_named_report(patient):
    case = factories.case_in_review(patient=patient)
    named = report_render(case=case, person_name="Ana Example")
    client = Client()
    client.force_login(factories.DermatologistFactory())
    client.post(reverse("report_create", args=[case.pk]), {"person_name": "Somebody"})
    assert set(Report.objects.values_list("person_name", flat=True)) == {"Ana Example", ""}
    assert client.get(reverse("report_download", args=[named.pk])).status_code == 404


def test_old_unsigned_reports_are_named_as_such(portal, patient):
    case = factories.case_done(patient=patient)
    report = report_render(case=case)
    assert "not signed" not in page_of(portal, case)
    Report.objects.filter(pk=report.pk).update(certificate=None, code=None, paper="")
    assert "not signed" in page_of(portal, case)
