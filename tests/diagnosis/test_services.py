"""Changes of state: one service each, guarded in the database, nothing left behind."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import Purpose
from accounts.services import consent_set
from diagnosis import images, services
from diagnosis.models import Analysis, Case, CaseImage, EventKind, Review
from diagnosis.questions import clean_answers
from tests.kit import factories, photos

pytestmark = pytest.mark.django_db


def submit(patient, **changes):
    fields = {
        "photos": [images.inspect_upload(photos.skin(size=(320, 240)))],
        "answers": clean_answers(factories.ANSWERS),
        "language": "en",
        "patient": patient,
    }
    return services.case_submit(**{**fields, **changes})


def stored_files() -> set[str]:
    return {
        f"{folder}/{name}"
        for folder in ("photos", "heatmaps", "reports")
        if default_storage.exists(folder)
        for name in default_storage.listdir(folder)[1]
    }


def test_submit_stores_everything_once():
    case = submit(factories.PatientFactory())
    assert case.images.get().file.name in stored_files()
    assert case.analyses.get().status == Analysis.Status.QUEUED
    assert [event.kind for event in case.events.all()] == [EventKind.SUBMITTED]
    assert "patient" not in case.images.get().file.name


def test_same_submission_twice_is_one_case():
    patient, key = factories.PatientFactory(), uuid.uuid4()
    first = submit(patient, submission_key=key)
    files = stored_files()
    assert submit(patient, submission_key=key) == first
    assert stored_files() == files
    assert submit(factories.PatientFactory(), submission_key=key) != first


def test_a_failing_submit_leaves_no_row_and_no_file(monkeypatch):
    patient, files = factories.PatientFactory(), stored_files()
    good = images.inspect_upload(photos.skin(size=(320, 240)))
    bad = images.InspectedPhoto(jpeg=good.jpeg, sha256="x" * 65, pixel_sha256="", width=1, height=1)
    with pytest.raises(ValidationError):
        submit(patient, photos=[good, bad])
    assert not Case.objects.filter(patient=patient).exists()
    assert not CaseImage.objects.filter(case__patient=patient).exists()
    assert stored_files() == files


def test_red_flag_is_an_emergency_before_any_analysis():
    case = submit(factories.PatientFactory(), answers=clean_answers({**factories.ANSWERS, "red_flags": ["swelling"]}))
    assert (case.tier, case.tier_rank) == ("emergency", 4)


def test_claim_is_for_one():
    case = factories.case_queued()
    pk = case.analyses.get().pk
    assert Analysis.objects.claim(pk).attempts == 1
    assert Analysis.objects.claim(pk) is None


def test_a_worker_that_lost_its_claim_changes_nothing():
    case = factories.case_abandoned()
    late = case.analyses.get()
    assert services.analysis_requeue(analysis=late)
    assert not services.analysis_fail(analysis=late, failure="error")
    assert case.analyses.get().status == Analysis.Status.QUEUED


def test_sweep_requeues_then_gives_up():
    case = factories.case_abandoned()
    assert services.analyses_sweep() == {"requeued": 1, "failed": 0, "resent": 0}
    Analysis.objects.claim(case.analyses.get().pk)
    case.analyses.update(lease_until=timezone.now() - timedelta(seconds=1), attempts=3)
    assert services.analyses_sweep() == {"requeued": 0, "failed": 1, "resent": 0}
    case.refresh_from_db()
    assert case.analyses.get().failure == "crashed"
    assert case.needs_review
    assert "analysis_failed" in case.review_reasons


def test_sweep_leaves_a_living_worker_alone():
    case = factories.case_running()
    assert services.analyses_sweep() == {"requeued": 0, "failed": 0, "resent": 0}
    assert case.analyses.get().status == Analysis.Status.RUNNING


def test_sweep_sends_a_lost_message_again(settings, empty_broker):
    case = factories.case_queued()
    case.analyses.update(queued_at=timezone.now() - timedelta(seconds=settings.ANALYSIS_LEASE_SECONDS + 1))
    assert services.analyses_sweep()["resent"] == 1
    assert services.analyses_sweep()["resent"] == 0


def test_retry_only_after_a_failure():
    case = factories.case_failed()
    services.analysis_retry(case=case, actor=case.patient)
    assert [a.status for a in case.analyses.all()] == ["queued", "failed"]
    with pytest.raises(services.WrongState):
        services.analysis_retry(case=case, actor=case.patient)


@pytest.mark.parametrize(
    ("tier", "flagged", "hours"),
    [
        ("emergency", False, 24),
        ("urgent", False, 24),
        ("soon", False, 72),
        ("routine", False, 168),
        ("routine", True, 72),
    ],
)
def test_review_deadline(tier, flagged, hours):
    case = factories.case_done()
    Case.objects.filter(pk=case.pk).update(tier=tier, needs_review=bool(flagged))
    case = services.review_request(case=case, actor=case.patient)
    assert case.review_due_at - case.review_requested_at == timedelta(hours=hours)


def test_review_is_requested_once():
    case = factories.case_in_review()
    first = case.review_requested_at
    assert services.review_request(case=case, actor=case.patient).review_requested_at == first
    assert case.events.filter(kind=EventKind.REVIEW_REQUESTED).count() == 1


OPINION = {"diagnosis": "eczema", "tier": "routine", "note_to_patient": "Use a moisturiser."}


def test_amendment_is_a_new_version_with_a_reason():
    reviewer = factories.DermatologistFactory()
    case = factories.case_signed(reviewer=reviewer)
    with pytest.raises((ValidationError, IntegrityError)), transaction.atomic():
        services.review_sign(case=case, reviewer=reviewer, seen_version=1, **OPINION)
    services.review_sign(case=case, reviewer=reviewer, seen_version=1, amendment_reason="Second look.", **OPINION)
    assert [review.version for review in case.reviews.all()] == [2, 1]


def test_nobody_overwrites_an_opinion_that_they_have_not_seen():
    case = factories.case_signed()
    with pytest.raises(services.WrongState, match="while you were reading"):
        services.review_sign(case=case, reviewer=factories.DermatologistFactory(), seen_version=0, **OPINION)
    assert Review.objects.filter(case=case).count() == 1


def test_only_a_verified_dermatologist_signs():
    case = factories.case_in_review()
    for user in (
        factories.DermatologistFactory(verified=False),
        factories.PatientFactory(),
        factories.OperatorFactory(),
    ):
        with pytest.raises(PermissionError):
            services.review_sign(case=case, reviewer=user, **OPINION)


def test_a_case_that_nobody_sent_is_not_signed():
    with pytest.raises(services.WrongState, match="Nobody asked"):
        services.review_sign(case=factories.case_done(), reviewer=factories.DermatologistFactory(), **OPINION)


def test_erase_leaves_no_file(django_capture_on_commit_callbacks):
    case = factories.case_done()
    names = {image.file.name for image in case.images.all()}
    with django_capture_on_commit_callbacks(execute=True):
        certificate = services.case_erase(case=case)
    assert certificate.files == len(names)
    assert not names & stored_files()
    assert not Case.objects.filter(pk=case.pk).exists()


def test_cases_without_storage_consent_expire(settings):
    keeps, leaves = factories.PatientFactory(), factories.PatientFactory()
    old = timezone.now() - timedelta(days=settings.RETENTION_DAYS_WITHOUT_STORAGE_CONSENT + 1)
    cases = {user: factories.case_done(patient=user) for user in (keeps, leaves)}
    fresh = factories.case_done(patient=leaves)
    Case.objects.filter(pk__in=[case.pk for case in cases.values()]).update(created_at=old)
    consent_set(user=leaves, purposes=[Purpose.CARE], language="en")
    assert services.cases_expire() == 1
    assert set(Case.objects.filter(patient__in=[keeps, leaves])) == {cases[keeps], fresh}


@pytest.mark.parametrize(
    "change",
    [
        {"tier": "lowest"},
        {"tier_rank": 9},
        {"patient": None},
        {"review_requested_at": timezone.now()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_database_refuses_an_impossible_case(change):
    case = factories.case_queued()
    with pytest.raises(IntegrityError), transaction.atomic():
        Case.objects.filter(pk=case.pk).update(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "done"},
        {"status": "running", "claim_token": None},
        {"status": "failed", "failure": ""},
        {"status": "dreaming"},
    ],
    ids=str,
)
def test_database_refuses_an_impossible_analysis(change):
    case = factories.case_queued()
    with pytest.raises(IntegrityError), transaction.atomic():
        case.analyses.update(**change)


def test_database_refuses_a_second_open_analysis():
    case = factories.case_queued()
    with pytest.raises(IntegrityError), transaction.atomic():
        Analysis.objects.bulk_create([Analysis(case=case)])


def test_of_two_erasures_one_gives_the_proof():
    case = factories.case_done()
    assert services.case_erase(case=case)
    assert services.case_erase(case=case) is None


def test_one_case_that_cannot_go_keeps_no_other():
    cases = [factories.case_done(patient=factories.PatientFactory(consents=[Purpose.CARE])) for _ in range(2)]
    Case.objects.update(created_at=timezone.now() - timedelta(days=400))
    trigger = f"CREATE TRIGGER keep BEFORE DELETE ON diagnosis_case WHEN OLD.id = '{cases[1].pk.hex}' "
    with connection.cursor() as cursor:
        cursor.execute(trigger + "BEGIN SELECT RAISE(ABORT, 'kept'); END")
    assert services.cases_expire() == 1
    assert Case.objects.get() == cases[1]


def test_of_two_who_start_a_check_again_one_does():
    case = factories.case_failed()
    services.analysis_retry(case=case, actor=case.patient)
    with pytest.raises(services.WrongState):
        services.analysis_retry(case=case, actor=case.patient)
    assert case.analyses.count() == 2
