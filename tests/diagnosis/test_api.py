"""The partner API through its addresses: jobs, problems, scopes, other people's objects."""

from __future__ import annotations

import json

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.services import partner_key_revoke
from diagnosis.models import Case
from tests.kit import factories, photos

pytestmark = pytest.mark.django_db

URL = "/api/v1/analyses"


def body(*files: bytes, **changes) -> dict:
    uploads = [SimpleUploadedFile("photo.jpg", data) for data in files or [photos.skin(size=(320, 240))]]
    return {"photos": uploads, "answers": json.dumps(factories.ANSWERS), **changes}


def test_photo_in_job_out(client, auth, partner):
    answer = client.post(URL, body(external_patient="p-1"), headers=auth)
    assert answer.status_code == 202
    job = answer.json()
    assert answer["Location"] == f"{URL}/{job['id']}" == job["links"]["self"]
    assert answer["Retry-After"] == "2"
    assert job["status"] == "queued"
    case = Case.objects.get(partner=partner)
    assert (case.patient, case.external_patient) == (None, "p-1")
    assert client.get(answer["Location"], headers=auth).json() == job


def test_result_names_codes_and_release(client, auth, partner):
    case = factories.case_done(partner=partner, top="melanoma")
    result = client.get(f"{URL}/{case.analyses.get().pk}", headers=auth).json()
    assert result["status"] == "succeeded"
    first = result["predictions"][0]
    assert (first["condition"], first["icd10"], first["snomed"]) == ("melanoma", "C43.9", "93655004")
    assert len(result["predictions"]) == 13
    assert result["release"]


def test_delete_erases_the_case(client, auth, partner):
    case = factories.case_done(partner=partner)
    url = f"{URL}/{case.analyses.get().pk}"
    assert client.delete(url, headers=auth).status_code == 204
    assert client.get(url, headers=auth).status_code == 404
    assert not Case.objects.filter(pk=case.pk).exists()


@pytest.mark.parametrize("method", ["get", "delete"])
def test_another_partners_analysis_does_not_exist(client, auth, method):
    case = factories.case_done(partner=factories.PartnerFactory())
    answer = getattr(client, method)(f"{URL}/{case.analyses.get().pk}", headers=auth)
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert Case.objects.filter(pk=case.pk).exists()


def test_a_patients_analysis_does_not_exist_for_partners(client, auth):
    assert client.get(f"{URL}/{factories.case_done().analyses.get().pk}", headers=auth).status_code == 404


@pytest.mark.parametrize(
    ("header", "status"),
    [({}, 401), ({"Authorization": "Bearer nonsense"}, 401), ({"Authorization": "Bearer"}, 401),
     ({"Authorization": "Bearer \xe9"}, 401), ({"Authorization": "Basic eDp5"}, 401)],
    ids=str,
)  # fmt: skip
def test_without_a_valid_key(client, header, status):
    answer = client.post(URL, body(), headers=header)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert not Case.objects.exists()


def test_revoked_and_inactive_keys(client, partner):
    key, text = factories.partner_key(partner)
    auth = {"Authorization": f"Bearer {text}"}
    partner.active = False
    partner.save()
    assert client.post(URL, body(), headers=auth).status_code == 401
    partner.active = True
    partner.save()
    partner_key_revoke(key=key)
    assert client.post(URL, body(), headers=auth).status_code == 401


def test_a_key_without_the_scope_learns_its_name(client, partner):
    _key, text = factories.partner_key(partner, scopes=["analysis:read"])
    answer = client.post(URL, body(), headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 403
    assert "analysis:write" in answer.json()["detail"]
    assert not Case.objects.exists()


def test_a_signed_in_patient_is_not_a_partner(client):
    client.force_login(factories.PatientFactory())
    assert client.post(URL, body()).status_code == 401


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"answers": "{"}, "/answers"),
        ({"answers": "[" * 5000}, "/answers"),
        ({"answers": "[]"}, "/answers"),
        ({"answers": '{"site": "moon"}'}, "/answers/site"),
        ({"answers": json.dumps({**factories.ANSWERS, "extra": 1})}, "/answers/extra"),
        ({"external_patient": "name@example.org"}, "/external_patient"),
        ({"photos": []}, "/photos"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_fields_are_named_and_leave_nothing(client, auth, changes, pointer):
    answer = client.post(URL, body(**changes), headers=auth)
    assert answer.status_code == 400
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert not Case.objects.exists()


@pytest.mark.parametrize("data", [b"", b"no photo", photos.skin()[:2000]], ids=["empty", "text", "cut"])
def test_a_photo_that_cannot_be_used_is_422(client, auth, data):
    answer = client.post(URL, body(photos.skin(), data), headers=auth)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"].startswith("Photo 2:")
    assert not Case.objects.exists()


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense"])
def test_another_content_type_is_415(client, auth, kind):
    answer = client.post(URL, "answers={}", content_type=kind, headers=auth)
    assert answer.status_code == 415
    assert answer["Content-Type"] == "application/problem+json"


def test_too_many_requests(client, auth, settings):
    settings.PARTNER_PLANS = {"standard": {"requests_per_minute": 2, "analyses_per_month": 9, "concurrent": 9}}
    url = f"{URL}/{factories.case_done().analyses.get().pk}"
    with time_machine.travel("2026-11-23T10:00:15Z", tick=False):
        answers = [client.get(url, headers=auth) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert [answer["RateLimit"] for answer in answers] == [f'"requests";r={left};t=45' for left in (1, 0, 0)]
    assert answers[0]["RateLimit-Policy"] == '"requests";q=2;w=60'
    assert answers[2]["Retry-After"] == "45"
    with time_machine.travel("2026-11-23T10:01:00Z", tick=False):
        assert client.get(url, headers=auth).status_code == 404


def test_schema_and_docs_are_public_and_load_nothing_from_outside(client):
    schema = client.get(reverse("schema"), headers={"Accept": "application/json"})
    assert schema.status_code == 200
    assert "/api/v1/analyses" in schema.content.decode()
    page = client.get(reverse("docs")).content.decode()
    assert "//cdn" not in page
    assert "https://" not in page.replace("https://json-schema.org", "")
