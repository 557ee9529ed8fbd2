"""The sandbox: every named photo has its outcome, every error comes when asked for, and nothing of it counts."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from diagnosis import sandbox, services
from diagnosis.models import Analysis, Case
from diagnosis.sandbox import SCENARIOS
from diagnosis.tasks import run_bulk_analysis_task
from tests.diagnosis.test_api_resources import post
from tests.kit import factories

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
SENT = [scenario for scenario in SCENARIOS if not scenario.expect.startswith("422")]
OVER = [scenario for scenario in SENT if not scenario.stuck]


@pytest.fixture
def auth(partner) -> dict[str, str]:
    _key, text = factories.partner_key(partner, sandbox=True)
    assert text.startswith("sd_test_")
    return {"Authorization": f"Bearer {text}"}


def send(client, auth, data: bytes, **fields):
    body = {"photos": [SimpleUploadedFile("p.png", data)], "answers": json.dumps(factories.ANSWERS), **fields}
    return client.post(f"{V1}/analyses", body, headers=auth)


def result(client, auth, name: str) -> dict:
    job = send(client, auth, client.get(f"{V1}/sandbox/photos/{name}", headers=auth).content).json()
    assert (job["status"], job["sandbox"]) == ("queued", True)
    run_bulk_analysis_task(job["id"])
    return client.get(job["links"]["self"], headers=auth).json()


@pytest.mark.parametrize("scenario", OVER, ids=lambda scenario: scenario.name)
def test_each_named_photo_has_its_outcome(client, auth, scenario, monkeypatch):
    monkeypatch.setattr("diagnosis.sandbox.time.sleep", lambda _seconds: None)
    body = result(client, auth, scenario.name)
    if scenario.failure:
        assert (body["status"], body["failure"]) == ("failed", scenario.failure)
        return
    assert (body["status"], body["outcome"]) == ("succeeded", scenario.outcome)
    assert body["reasons"] == list(scenario.reasons)
    if scenario.outcome == "assessed":
        assert body["predictions"][0]["condition"] == scenario.condition
        assert body["predictions"][0]["probability"] == pytest.approx(0.82)
    else:
        assert body["predictions"] == []


def test_the_same_photo_always_gives_the_same_answer(client, auth):
    first = result(client, auth, "melanoma")
    job = send(client, auth, sandbox.BY_NAME["melanoma"].png(), force="true").json()
    run_bulk_analysis_task(job["id"])
    second = client.get(job["links"]["self"], headers=auth).json()
    same = ("tier", "outcome", "predictions", "prediction_set", "needs_review", "release")
    assert {name: first[name] for name in same} == {name: second[name] for name in same}
    assert first["tier"] in {"soon", "urgent"}


def test_a_stuck_photo_stays_queued(client, auth):
    assert result(client, auth, "stuck")["status"] == "queued"


@pytest.mark.parametrize("name", ["too-small", "damaged"])
def test_refused_photos_are_refused(client, auth, name):
    answer = send(client, auth, sandbox.BY_NAME[name].png())
    assert answer.status_code == 422
    assert not Case.objects.exists()


@pytest.mark.parametrize("status", sandbox.ERRORS)
def test_every_error_on_request(client, auth, status):
    answer = client.get(f"{V1}/cases", headers={**auth, "Sandbox-Error": str(status)})
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert answer.has_header("Retry-After") == (status in {409, 429, 503})


def test_a_live_key_gets_no_error_on_request(client, partner):
    _key, text = factories.partner_key(partner)
    headers = {"Authorization": f"Bearer {text}", "Sandbox-Error": "500"}
    assert client.get(f"{V1}/cases", headers=headers).status_code == 200


def test_reviews_of_the_sandbox_are_signed_at_once(client, auth):
    body = result(client, auth, "melanoma")
    for version, standing in ((1, "final"), (2, "amended")):
        asked = post(client, "/reviews", {"case_id": body["case_id"]}, auth)
        assert (asked.status_code, asked.json()["standing"]) == (202, standing)
        review = client.get(f"{V1}/reviews/{asked.json()['review_ids'][0]}", headers=auth).json()
        assert (review["version"], review["diagnosis"]) == (version, "melanoma")
        assert review["reviewer_licence"] == "XX SANDBOX"
    assert client.get(body["links"]["report"], headers=auth).json()["standing"] == "amended"


def test_nothing_of_the_sandbox_is_seen_or_counted_elsewhere(client, auth, partner):
    body = result(client, auth, "melanoma")
    post(client, "/reviews", {"case_id": body["case_id"]}, auth)
    Case.objects.update(review_state="waiting")  # even one that waits
    reader = factories.DermatologistFactory()
    assert not Case.objects.visible_to(reader).exists()
    assert not Case.objects.awaiting_review().exists()
    _key, text = factories.partner_key(partner)
    live = {"Authorization": f"Bearer {text}"}
    assert client.get(body["links"]["self"], headers=live).status_code == 404
    assert client.get(f"{V1}/usage", headers=live).json()["analyses_this_month"] == 0
    assert client.get(f"{V1}/usage", headers=auth).json()["analyses_this_month"] == 1


def test_uploads_of_the_sandbox_and_live_ones_do_not_meet(client, auth, partner):
    _key, text = factories.partner_key(partner)
    live, body = {"Authorization": f"Bearer {text}"}, {"length": 5, "sha256": "0" * 64}
    made = {name: post(client, "/images", body, headers) for name, headers in (("live", live), ("sandbox", auth))}
    assert [answer.status_code for answer in made.values()] == [201, 201]
    assert client.get(made["live"]["Location"], headers=auth).status_code == 404
    assert client.get(made["sandbox"]["Location"], headers=live).status_code == 404
    wanted = {"upload_id": made["live"].json()["id"], "answers": factories.ANSWERS}
    assert post(client, "/analyses", wanted, auth).status_code == 404


def test_the_sandbox_is_erased_after_a_day(client, auth):
    send(client, auth, sandbox.BY_NAME["eczema"].png())
    with time_machine.travel(timezone.now() + timedelta(days=1, hours=1)):
        assert services.cases_expire() == 1
    assert not Analysis.objects.exists()


def test_the_list_of_named_photos(client, auth):
    listed = client.get(f"{V1}/sandbox/photos", headers=auth).json()
    assert [row["name"] for row in listed] == list(sandbox.NAMES)
    picture = client.get(listed[0]["link"], headers=auth)
    assert (picture["Content-Type"], picture.content[:4]) == ("image/png", b"\x89PNG")
