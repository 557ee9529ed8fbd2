"""GET /analyses/{id} as FHIR R4, and the signed links in it."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest
from django.core.files.storage import default_storage
from fhir.resources.R4B.bundle import Bundle

from accounts.models import AccessLog
from diagnosis.services import case_erase
from ml.taxonomy import CONDITIONS
from reports.services import report_render
from tests.kit import factories

pytestmark = pytest.mark.django_db

FHIR = "application/fhir+json"
STATES = {
    "queued": (factories.case_queued, "registered"),
    "running": (factories.case_running, "registered"),
    "failed": (factories.case_failed, "cancelled"),
    "inconclusive": (factories.case_inconclusive, "preliminary"),
    "done": (factories.case_done, "preliminary"),
    "signed": (factories.case_signed, "final"),
    "amended": (factories.case_amended, "amended"),
}


@pytest.fixture
def get(client, partner):
    """`get(case)`: the answer to a request of the partner for the analysis of a case."""
    _key, text = factories.partner_key(partner)

    def ask(case, accept: str = FHIR):
        headers = {"Authorization": f"Bearer {text}", "Accept": accept}
        return client.get(f"/api/v1/analyses/{case.analyses.get().pk}", headers=headers)

    return ask


def resource(bundle: dict, kind: str) -> dict:
    return next(entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind)


@pytest.mark.parametrize("state", STATES)
def test_every_state_is_valid_fhir_and_says_what_it_is(state, get, partner):
    make, status = STATES[state]
    answer = get(make(partner=partner))
    assert (answer.status_code, answer["Content-Type"]) == (200, FHIR)
    Bundle.model_validate_json(answer.content)
    assert resource(answer.json(), "DiagnosticReport")["status"] == status


def test_codes_come_from_the_taxonomy_and_the_patient_is_a_pseudonym(get, partner):
    case = factories.case_signed(partner=partner)
    found = get(case).json()
    known = {code for condition in CONDITIONS for code in (condition.icd10, condition.snomed)}
    risk = resource(found, "RiskAssessment")
    used = {coding["code"] for one in risk["prediction"] for coding in one["outcome"].get("coding", [])}
    assert used
    assert used <= known
    assert resource(found, "Patient")["identifier"] == [{"use": "secondary", "value": "ext-1"}]
    assert "@" not in json.dumps(found)
    assert resource(found, "Device")["version"][0]["value"] == case.analyses.get().release


def test_the_pdf_of_the_bundle_has_the_standing_of_the_bundle(get, partner, client):
    case = factories.case_in_review(partner=partner)
    report_render(case=case)
    preliminary = resource(get(case).json(), "DiagnosticReport")["presentedForm"][0]["url"]
    factories._sign(case, factories.DermatologistFactory())
    assert "presentedForm" not in resource(get(case).json(), "DiagnosticReport")
    report_render(case=type(case).objects.get(pk=case.pk))
    final = resource(get(case).json(), "DiagnosticReport")["presentedForm"][0]["url"]
    assert final != preliminary
    assert b"".join(client.get(final.removeprefix("http://testserver"))).startswith(b"%PDF")


def test_photo_links_work_for_a_minute_without_a_key_and_are_logged(get, partner, client, time_machine, settings):
    case = factories.case_done(partner=partner)
    link = resource(get(case).json(), "Media")["content"]["url"].removeprefix("http://testserver")
    answer = client.get(link)
    with default_storage.open(case.images.get().file.name) as file:
        assert b"".join(answer) == file.read()
    assert answer["Cache-Control"] == "no-store, private"
    assert AccessLog.objects.filter(partner=partner, action="photo_link").count() == 1
    changed = re.sub(r"/signed/(.)", lambda found: f"/signed/{'A' if found[1] != 'A' else 'B'}", link)
    assert client.get(changed).status_code == 404
    time_machine.move_to(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=settings.SIGNED_URL_SECONDS + 2))
    assert client.get(link).status_code == 404


def test_a_bucket_signs_the_links_itself(get, partner, s3):
    case = factories.case_done(partner=partner)
    url = resource(get(case).json(), "Media")["content"]["url"]
    assert s3.environment["S3_ENDPOINT_URL"] in url
    assert "Signature=" in url


def test_an_erased_case_takes_its_links_along(get, partner, client):
    case = factories.case_done(partner=partner)
    link = resource(get(case).json(), "Media")["content"]["url"].removeprefix("http://testserver")
    case_erase(case=case)
    assert client.get(link).status_code == 404


def test_json_stays_the_default_and_other_formats_are_406(get, partner):
    case = factories.case_done(partner=partner)
    assert get(case, "*/*")["Content-Type"] == "application/json"
    answer = get(case, "text/html")
    assert (answer.status_code, answer["Content-Type"]) == (406, "application/problem+json")


def test_another_partners_analysis_is_not_there_in_fhir_either(get):
    answer = get(factories.case_done(partner=factories.PartnerFactory()))
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
