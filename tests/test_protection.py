"""What keeps strangers, floods and logs in their place."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory
from django.urls import reverse

from diagnosis import services, triage
from diagnosis.forms import EmergencyForm
from diagnosis.models import Case, PendingDeletion
from smartderma.middleware import QuietRequestMiddleware
from tests.kit import factories

pytestmark = pytest.mark.django_db


def test_operators_log_in_where_everybody_does(client):
    answer = client.get(reverse("admin:login"), follow=True)
    assert answer.redirect_chain[0][0].startswith(reverse("account_login"))


def test_second_factors_are_not_on_the_operators_pages():
    from django.contrib import admin

    assert "authenticator" not in {model._meta.model_name for model in admin.site._registry}


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [("/account/login/", 3_000_000, 413), ("/cases/new/", 3_000_000, 302), ("/cases/new/", 200_000_000, 413)],
)
def test_a_body_that_no_form_sends_is_not_read(client, path, length, status):
    answer = client.post(path, {}, CONTENT_LENGTH=str(length)) if status == 413 else client.post(path, {})
    assert answer.status_code == status


def test_logs_have_no_query_and_no_key():
    request = RequestFactory().get("/account/password/reset/key/1-secret/?place=home")
    assert QuietRequestMiddleware.format_request(request) == "GET /account/password/reset/key/…/"


def test_a_flood_of_checks_is_stopped_before_photos_are_opened(client, settings):
    settings.MAX_CASES_PER_HOUR = 1
    patient = factories.PatientFactory()
    factories.case_queued(patient=patient)
    client.force_login(patient)
    answer = client.post(reverse("case_create"), {"step": "send", "photo_close_up": SimpleUploadedFile("a", b"x")})
    assert answer.status_code == 422
    assert "wait an hour" in answer.content.decode()
    assert Case.objects.count() == 1


def test_a_warning_sign_beside_none_is_still_an_emergency():
    form = EmergencyForm({"country": ["GB"], "red_flags": ["swelling", "none"]})
    form.is_valid()
    assert form.is_emergency


def test_a_file_that_the_storage_keeps_is_deleted_later(monkeypatch, django_capture_on_commit_callbacks):
    case = factories.case_done()
    name = case.images.get().file.name
    monkeypatch.setattr("diagnosis.services.files.default_storage.delete", lambda key: 1 / 0)
    with django_capture_on_commit_callbacks(execute=True):
        services.case_erase(case=case)
    assert [row.key for row in PendingDeletion.objects.all()] == [name]
    monkeypatch.undo()
    assert services.files_delete_pending() == 0
    assert not case.images.model.objects.filter(file=name).exists()


def test_a_rising_tier_shortens_the_deadline():
    case = factories.case_failed()
    case = services.review_request(case=case, actor=case.patient)
    before = case.review_due_at
    services.case_apply_triage(case=case, result=triage.assess(answers={"red_flags": ["swelling"]}, prediction=None))
    assert case.review_due_at < before


def test_no_review_is_promised_where_nobody_reads(client, toy_release):
    case = factories.case_done()
    client.force_login(case.patient)
    client.post(reverse("case_review_request", args=[case.pk]))
    case.refresh_from_db()
    assert case.review_requested_at is None


@pytest.mark.parametrize("make", [factories.case_queued, factories.case_failed, factories.case_inconclusive])
def test_api_names_nothing_that_nobody_judged(client, make):
    partner = factories.PartnerFactory()
    _key, text = factories.partner_key(partner)
    case = make(partner=partner)
    url = f"/api/v1/analyses/{case.analyses.get().pk}"
    result = client.get(url, headers={"Authorization": f"Bearer {text}"}).json()
    assert (result["tier"], result["predictions"], result["prediction_set"]) == (None, [], [])


@pytest.mark.parametrize("answers", ['{"size_mm": ' + "9" * 5000 + "}", '{"\\ud800": 1}'], ids=["digits", "surrogate"])
def test_api_takes_odd_json_calmly(client, answers):
    _key, text = factories.partner_key()
    photo = SimpleUploadedFile("photo.jpg", b"x")
    headers = {"Authorization": f"Bearer {text}"}
    answer = client.post("/api/v1/analyses", {"photos": [photo], "answers": answers}, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"].startswith("/answers")
