"""The resources of the partner API beside analyses: cases, images, reviews, reports, releases, usage, finder."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone, translation

from accounts.models import AccessLog, KeyUsage
from diagnosis import services
from diagnosis.models import Analysis, Case, CaseImage, PendingDeletion, Upload
from tests.kit import factories, photos

pytestmark = pytest.mark.django_db
V1 = "/api/v1"


def post(client, path, body, auth, **headers):
    return client.post(f"{V1}{path}", body, content_type="application/json", headers={**auth, **headers})


def send(client, auth, *, photo: bytes | None = None, headers: dict | None = None, **fields):
    uploads = [SimpleUploadedFile("photo.jpg", photo or photos.skin(size=(320, 240)))]
    body = {"photos": uploads, "answers": json.dumps(factories.ANSWERS), **fields}
    return client.post(f"{V1}/analyses", body, headers={**auth, **(headers or {})})


@pytest.fixture(autouse=True)
def short_parts(settings) -> None:
    """The files of these tests are small."""
    settings.MIN_PART_BYTES = 1


def upload(client, auth, data: bytes, *, part: int = 4000, purpose: str = "photo") -> str:
    """Send a file in parts; gives the id of the upload."""
    body = {"length": len(data), "sha256": hashlib.sha256(data).hexdigest(), "purpose": purpose}
    started = post(client, "/images", body, auth)
    assert started.status_code == 201, started.json()
    for offset in range(0, len(data), part):
        answer = client.patch(
            started["Location"],
            data[offset : offset + part],
            content_type="application/offset+octet-stream",
            headers={**auth, "Upload-Offset": str(offset)},
        )
        assert answer.status_code == 204, answer.content
    return started.json()["id"]


# --- analyses ------------------------------------------------------------------------------------------------------
def test_pages_of_analyses_go_through_all_of_them_once(client, auth, partner):
    made = [factories.case_done(partner=partner) for _ in range(5)]
    url, seen = f"{V1}/analyses?limit=2", []
    while url:
        page = client.get(url, headers=auth).json()
        seen += [job["id"] for job in page["results"]]
        url = page["next"]
    newest_first = sorted(made, key=lambda case: case.created_at, reverse=True)
    assert seen == [str(case.analyses.get().pk) for case in newest_first]


def test_analyses_of_one_patient_and_status(client, auth, partner):
    factories.case_done(partner=partner)
    failed = factories.case_failed(partner=partner)
    Case.objects.filter(pk=failed.pk).update(external_patient="p-9")

    def ids(query: str) -> set[str]:
        return {job["id"] for job in client.get(f"{V1}/analyses?{query}", headers=auth).json()["results"]}

    assert ids("external_patient=p-9") == ids("status=failed") == {str(failed.analyses.get().pk)}
    assert client.get(f"{V1}/analyses?status=nonsense", headers=auth).status_code == 400


def test_the_same_photo_answers_and_patient_give_the_earlier_analysis(client, auth):
    first = send(client, auth, external_patient="p-1")
    again = send(client, auth, external_patient="p-1", photo=photos.skin(kind="PNG", size=(320, 240)))
    assert again.status_code == 202  # other pixels: JPEG loses some
    same = send(client, auth, external_patient="p-1")
    assert same.status_code == 200
    assert same.json()["duplicate_of"] == same.json()["id"] == first.json()["id"]
    assert send(client, auth, external_patient="p-2").status_code == 202
    assert send(client, auth, external_patient="p-1", force="true").status_code == 202
    assert Case.objects.count() == 4


def test_other_answers_are_never_a_duplicate(client, auth):
    send(client, auth)
    other = json.dumps({**factories.ANSWERS, "site": "leg"})
    assert send(client, auth, answers=other).status_code == 202


def test_a_failed_analysis_is_no_duplicate(client, auth, partner):
    assert send(client, auth).status_code == 202
    Analysis.objects.update(status="failed", failure="error")
    assert send(client, auth).status_code == 202


def test_a_photo_that_must_not_be_stored_is_gone_with_the_result(client, auth, django_capture_on_commit_callbacks):
    job = send(client, auth, store_image="false").json()
    image = CaseImage.objects.get()
    storage, name = image.file.storage, image.file.name
    assert storage.exists(name)
    analysis = Analysis.objects.claim(job["id"])
    with django_capture_on_commit_callbacks(execute=True):
        services.analysis_fail(analysis=analysis, failure="unreadable")
    assert not storage.exists(name)
    assert not PendingDeletion.objects.exists()
    body = client.get(f"{V1}/images/{image.pk}", headers=auth).json()
    assert (body["status"], "content" in body["links"]) == ("deleted", False)
    assert client.get(f"{V1}/images/{image.pk}/content", headers=auth).status_code == 404


def test_retention_of_a_request_and_of_the_partner(client, auth, partner):
    days = {None: partner.retention_days, "5": 5, "400": partner.retention_days}
    for asked, expected in days.items():
        fields = {"retention_days": asked} if asked else {}
        body = send(client, auth, force="true", **fields).json()
        left = Case.objects.get(pk=body["case_id"]).expires_at - timezone.now()
        assert timedelta(days=expected, minutes=-1) < left <= timedelta(days=expected)
    services.partner_retention_set(partner=partner, days=3)
    assert all(case.expires_at - case.created_at <= timedelta(days=3) for case in Case.objects.all())
    with time_machine.travel(timezone.now() + timedelta(days=3, hours=1)):
        assert services.cases_expire() == 3
    assert not Case.objects.exists()


def test_a_pinned_release_must_exist(client, auth, settings):
    assert send(client, auth, release="no-such").json()["errors"][0]["pointer"] == "/release"
    job = send(client, auth, release=settings.MODEL_RELEASE).json()
    assert Analysis.objects.get(pk=job["id"]).pinned_release == settings.MODEL_RELEASE


def test_labels_follow_the_language_and_codes_stay(client, auth, partner):
    case = factories.case_done(partner=partner, top="melanoma")
    url = f"{V1}/analyses/{case.analyses.get().pk}"
    english = client.get(url, headers=auth).json()
    spanish = client.get(url, headers={**auth, "Accept-Language": "es"}).json()
    assert english["predictions"][0]["icd10"] == spanish["predictions"][0]["icd10"] == "C43.9"
    with translation.override("es"):
        assert spanish["tier_label"] != english["tier_label"]


# --- Prefer: wait --------------------------------------------------------------------------------------------------
def test_wait_answers_200_when_the_result_comes_in_time(client, auth, monkeypatch):
    def finish(*_args):
        Analysis.objects.update(status="failed", failure="error", finished_at=timezone.now())

    monkeypatch.setattr("diagnosis.api.waiting.time.sleep", finish)
    answer = send(client, auth, headers={"Prefer": "respond-async, wait=10"})
    assert (answer.status_code, answer["Preference-Applied"], answer.json()["status"]) == (200, "wait=10", "failed")


def test_wait_falls_back_to_202(client, auth):
    answer = send(client, auth, headers={"Prefer": "wait=0"})
    assert (answer.status_code, answer.has_header("Preference-Applied")) == (202, False)
    late = send(client, auth, force="true", headers={"Prefer": "wait=1"})
    assert (late.status_code, late["Preference-Applied"], late["Retry-After"]) == (202, "wait=1", "2")


def test_only_a_share_of_the_threads_waits(client, auth, settings):
    from diagnosis.api.waiting import waiting_places

    settings.WEB_THREADS, settings.API_WAIT_SHARE = 4, 0.25
    place = waiting_places(1)
    with place:  # somebody else waits
        answer = send(client, auth, headers={"Prefer": "wait=10"})
    assert (answer.status_code, answer.has_header("Preference-Applied")) == (202, False)
    settings.API_WAIT_SHARE = 0
    assert not send(client, auth, force="true", headers={"Prefer": "wait=10"}).has_header("Preference-Applied")


# --- idempotency ---------------------------------------------------------------------------------------------------
def test_the_same_key_and_body_replay_the_answer(client, auth):
    first = send(client, auth, headers={"Idempotency-Key": "k1"})
    again = send(client, auth, headers={"Idempotency-Key": "k1"})
    assert (again.status_code, again.json(), again["Location"]) == (202, first.json(), first["Location"])
    assert again["Idempotency-Replayed"] == "true"
    assert Case.objects.count() == 1


def test_the_same_key_with_another_body_is_422(client, auth):
    send(client, auth, headers={"Idempotency-Key": "k1"})
    answer = send(client, auth, external_patient="other", headers={"Idempotency-Key": "k1"})
    assert (answer.status_code, Case.objects.count()) == (422, 1)


def test_a_running_request_is_409_and_a_dead_one_is_taken_over(client, auth, partner):
    first = send(client, auth, headers={"Idempotency-Key": "k1"})
    row = partner.answered_requests.get()
    partner.answered_requests.update(finished_at=None, status=0, body=None, case=None)  # its process died
    busy = send(client, auth, headers={"Idempotency-Key": "k1"})
    assert (busy.status_code, busy["Retry-After"]) == (409, "1")
    with time_machine.travel(row.lease_until + timedelta(seconds=1)):
        again = send(client, auth, headers={"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert Case.objects.count() == 1
    assert KeyUsage.objects.get().analyses == 1


def test_a_refused_request_does_not_use_its_key_up(client, auth):
    assert send(client, auth, answers="{", headers={"Idempotency-Key": "k1"}).status_code == 400
    assert send(client, auth, headers={"Idempotency-Key": "k1"}).status_code == 202


@pytest.mark.parametrize(("fault", "wait"), [(RuntimeError, 0), (SystemExit, 91)])
def test_what_broke_after_the_case_was_stored_does_not_make_two(client, auth, monkeypatch, fault, wait):
    def broken(_case):
        raise fault

    client.raise_request_exception = False
    ask = {"force": "true", "headers": {"Idempotency-Key": "k1"}}
    with monkeypatch.context() as patch:
        patch.setattr("diagnosis.api.analyses.first_analysis", broken)
        if fault is SystemExit:  # gunicorn ends a worker that takes too long
            with pytest.raises(SystemExit):
                send(client, auth, **ask)
            assert send(client, auth, **ask).status_code == 409
        else:
            assert send(client, auth, **ask).status_code == 500
    with time_machine.travel(timezone.now() + timedelta(seconds=wait)):
        assert send(client, auth, **ask).status_code == 202
    assert Case.objects.count() == 1


def test_a_duplicate_with_stricter_terms_makes_the_first_one_strict(client, auth):
    first = send(client, auth).json()
    services.analysis_fail(analysis=Analysis.objects.claim(first["id"]), failure="error")
    Analysis.objects.update(status="done", failure="", release="toy", weights_sha256="0" * 64, outcome="assessed")
    case = Case.objects.get()
    again = send(client, auth, store_image="false", retention_days="1").json()
    assert again["id"] == first["id"]
    stricter = Case.objects.get()
    assert stricter.expires_at < timezone.now() + timedelta(days=1, minutes=1) < case.expires_at
    assert (stricter.keep_photos, stricter.images.get().file.name) == (False, "")
    send(client, auth, store_image="true", retention_days="20")
    assert Case.objects.get().expires_at == stricter.expires_at


def test_what_was_erased_does_not_come_back(client, auth, partner):
    job = send(client, auth, headers={"Idempotency-Key": "k1"}).json()
    assert client.delete(job["links"]["self"], headers=auth).status_code == 204
    answer = send(client, auth, headers={"Idempotency-Key": "k1"})
    assert (answer.status_code, Case.objects.count()) == (410, 0)
    assert partner.answered_requests.get().body is None


def test_answers_are_kept_for_a_day(client, auth, partner):
    send(client, auth, headers={"Idempotency-Key": "k1"})
    assert services.requests_expire() == 0
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        assert services.requests_expire() == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256])
def test_an_unusable_idempotency_key_is_400(client, auth, key):
    assert send(client, auth, headers={"Idempotency-Key": key}).status_code == 400
    assert not Case.objects.exists()


def test_two_partners_may_use_the_same_key(client, auth):
    send(client, auth, headers={"Idempotency-Key": "k1"})
    _key, text = factories.partner_key()
    assert send(client, {"Authorization": f"Bearer {text}"}, headers={"Idempotency-Key": "k1"}).status_code == 202
    assert Case.objects.count() == 2


# --- plans ---------------------------------------------------------------------------------------------------------
def test_analyses_of_a_month_and_at_one_time(client, auth, partner, settings):
    settings.PARTNER_PLANS = {"standard": {"requests_per_minute": 99, "analyses_per_month": 3, "concurrent": 2}}
    assert [send(client, auth, force="true").status_code for _ in range(3)] == [202, 202, 429]
    busy = send(client, auth, force="true")
    assert (busy["Retry-After"], Case.objects.count()) == ("5", 2)
    Analysis.objects.update(status="failed", failure="error", finished_at=timezone.now())
    assert send(client, auth, force="true").status_code == 202
    Analysis.objects.update(status="failed", failure="error", finished_at=timezone.now())
    used_up = send(client, auth, force="true")
    assert used_up.status_code == 429
    assert 0 < int(used_up["Retry-After"]) <= 31 * 86400
    usage = client.get(f"{V1}/usage?days=2", headers=auth).json()
    assert (usage["analyses_this_month"], usage["analyses_left"], len(usage["days"])) == (3, 0, 2)
    assert usage["days"][-1] == {"day": str(timezone.now().date()), "requests": 6, "refused": 3, "analyses": 3}


def test_erasing_does_not_give_the_quota_back(client, auth):
    job = send(client, auth).json()
    client.delete(job["links"]["self"], headers=auth)
    assert client.get(f"{V1}/usage", headers=auth).json()["analyses_this_month"] == 1


# --- cases, images, reviews, reports ---------------------------------------------------------------------------------
def test_a_case_with_its_parts(client, auth, partner):
    case = factories.case_done(partner=partner)
    body = client.get(f"{V1}/cases/{case.pk}", headers=auth).json()
    assert body["external_patient"] == "ext-1"
    assert body["analysis_ids"] == [str(case.analyses.get().pk)]
    assert body["review"] == {"state": "none", "requested_at": None, "due_at": None}
    assert client.get(f"{V1}/cases?external_patient=ext-1", headers=auth).json()["results"][0]["id"] == str(case.pk)
    assert client.delete(f"{V1}/cases/{case.pk}", headers=auth).status_code == 204
    assert not Case.objects.exists()


def test_a_photo_is_read_through_the_log(client, auth, partner):
    image = factories.case_done(partner=partner).images.get()
    answer = client.get(f"{V1}/images/{image.pk}/content", headers=auth)
    assert answer["Content-Type"] == "image/jpeg"
    assert answer.getvalue()[:2] == b"\xff\xd8"
    assert AccessLog.objects.filter(partner=partner, action="photo", object_id=str(image.pk)).count() == 1


def test_a_photo_in_parts(client, auth, partner):
    data = photos.skin(size=(320, 240))
    pk = upload(client, auth, data)
    state = client.get(f"{V1}/images/{pk}", headers=auth)
    assert (state.json()["status"], state["Upload-Offset"]) == ("whole", str(len(data)))
    assert client.head(f"{V1}/images/{pk}", headers=auth)["Upload-Offset"] == str(len(data))
    answer = post(client, "/analyses", {"upload_id": pk, "answers": factories.ANSWERS}, auth)
    assert answer.status_code == 202
    assert not Upload.objects.exists()
    assert CaseImage.objects.get().case.partner == partner


def test_a_part_at_the_wrong_place_says_where_to_go_on(client, auth):
    data = b"x" * 100
    started = post(client, "/images", {"length": 100, "sha256": hashlib.sha256(data).hexdigest()}, auth)

    def patch(offset: str, part: bytes, kind: str = "application/offset+octet-stream"):
        return client.patch(started["Location"], part, content_type=kind, headers={**auth, "Upload-Offset": offset})

    assert patch("0", data[:60]).status_code == 204
    wrong = patch("0", data[:60])
    assert (wrong.status_code, wrong["Upload-Offset"]) == (409, "60")
    assert patch("60", data).status_code == 422
    assert patch("nonsense", data).status_code == 400
    assert patch("60", data[60:], kind="image/jpeg").status_code == 415
    early = post(client, "/analyses", {"upload_id": started.json()["id"], "answers": factories.ANSWERS}, auth)
    assert early.status_code == 409
    assert client.delete(started["Location"], headers=auth).status_code == 204
    assert client.get(started["Location"], headers=auth).status_code == 404


def test_an_upload_that_is_too_large_is_not_begun(client, auth, settings):
    body = {"length": settings.MAX_PHOTO_BYTES + 1, "sha256": "0" * 64}
    assert post(client, "/images", body, auth).status_code == 422
    assert not Upload.objects.exists()


def test_a_review_is_asked_for_and_read(client, auth, partner):
    case = factories.case_done(partner=partner)
    assert post(client, "/reviews", {"case_id": str(case.pk)}, auth).status_code == 409  # nobody works here
    factories.DermatologistFactory()
    asked = post(client, "/reviews", {"case_id": str(case.pk)}, auth)
    assert (asked.status_code, asked.json()["review"]["state"]) == (202, "waiting")
    signed = factories.case_in_review(partner=partner)
    more = {"differential": ["Tinea"], "severity": "mild", "plan": "Emollient.", "follow_up_weeks": 4}
    review = services.review_sign(
        case=signed, reviewer=factories.DermatologistFactory(), diagnosis="eczema", tier="routine",
        note_to_patient="Use it twice a day.", private_note="Not for others.", **more,
    )  # fmt: skip
    body = client.get(f"{V1}/reviews/{review.pk}", headers=auth).json()
    assert (body["standing"], body["diagnosis"], body["icd10"]) == ("final", "eczema", "L30.9")
    assert {name: body[name] for name in more} == more
    assert "private_note" not in body
    assert [row["id"] for row in client.get(f"{V1}/reviews", headers=auth).json()["results"]] == [str(review.pk)]


def test_a_report_in_json_and_pdf(client, auth, partner):
    case = factories.case_done(partner=partner)
    made = post(client, "/reports", {"case_id": str(case.pk), "language": "es"}, auth)
    assert made.status_code == 201
    assert (made.json()["language"], made.json()["standing"]) == ("es", "preliminary")
    pdf = client.get(made["Location"], headers={**auth, "Accept": "application/pdf"})
    assert pdf.getvalue()[:5] == b"%PDF-"
    assert client.get(made["Location"], headers={**auth, "Accept": "image/png"}).status_code == 406
    analysis = case.analyses.get()
    again = client.get(f"{V1}/analyses/{analysis.pk}/report", headers={**auth, "Accept-Language": "es"})
    assert again.json()["id"] == made.json()["id"]
    fhir = client.get(f"{V1}/analyses/{analysis.pk}/report", headers={**auth, "Accept": "application/fhir+json"})
    assert fhir.json()["resourceType"] == "Bundle"


def test_a_report_before_the_result_is_409(client, auth, partner):
    case = factories.case_queued(partner=partner)
    answer = client.get(f"{V1}/analyses/{case.analyses.get().pk}/report", headers=auth)
    assert answer.status_code == 409


def test_releases_with_their_cards(client, auth, settings):
    listed = client.get(f"{V1}/releases", headers=auth).json()
    active = next(release for release in listed if release["active"])
    assert active["name"] == settings.MODEL_RELEASE
    assert {row["condition"] for row in active["classes"] if row["trained"]}
    card = client.get(f"{V1}/releases/{active['name']}", headers=auth).json()["card"]
    assert card["members"]
    assert client.get(f"{V1}/releases/nope", headers=auth).status_code == 404


def test_finder_by_place_and_position(client, auth):
    by_name = post(client, "/finder", {"place": "Pune", "radius_km": 10}, auth)
    assert by_name.status_code == 200
    assert set(by_name.json()) == {"source", "attribution", "results", "notes", "choices"}
    assert post(client, "/finder", {"latitude": 18.52, "longitude": 73.85}, auth).status_code == 200
    for wrong in ({}, {"place": "Pune", "latitude": 1.0}, {"latitude": 91, "longitude": 0}, {"place": "\x00"}):
        assert post(client, "/finder", wrong, auth).status_code == 400, wrong
    assert post(client, "/finder", {"place": "Nowherexyz"}, auth).status_code == 422
