"""The row is the truth: whatever happens to a worker or a message, every case ends exactly once."""

from collections import Counter

import pytest
import redis
from django.utils import timezone

from diagnosis import services
from diagnosis.models import Analysis, CaseEvent, EventKind, PhotoFinding
from ml.taxonomy import SLUGS
from tests.kit import factories
from tests.kit.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

# A lease must outlive the hard limit; all three are seconds here instead of minutes.
SHORT = {
    "ANALYSIS_SOFT_LIMIT_SECONDS": "4",
    "ANALYSIS_HARD_LIMIT_SECONDS": "5",
    "ANALYSIS_LEASE_SECONDS": "6",
    "ANALYSIS_MAX_ATTEMPTS": "5",
    "SWEEP_SECONDS": "1",
}


def states() -> Counter[str]:
    return Counter(Analysis.objects.values_list("status", flat=True))


def assert_each_done_once(number: int) -> None:
    """One finished analysis, one set of predictions, one finding per photo and one event for every case."""
    assert states() == {"done": number}
    for analysis in Analysis.objects.select_related("case"):
        kinds = Counter(analysis.case.events.values_list("kind", flat=True))
        assert kinds == {EventKind.SUBMITTED: 1, EventKind.ANALYSED: 1}
        assert sorted(analysis.predictions.values_list("condition", flat=True)) == sorted(SLUGS)
        assert analysis.findings.count() == analysis.case.images.count()
    assert PhotoFinding.objects.count() == number


@pytest.mark.timeout(180)
def test_killed_worker_loses_no_case_and_doubles_none(stack):
    stack.environment |= SHORT
    stack.worker("default")
    stack.beat()
    worker = stack.worker("inference")
    patient = factories.PatientFactory()
    for _ in range(20):
        factories.case_queued(patient=patient)

    wait_for(lambda: states()["done"] >= 3, what="three finished cases")
    worker.kill()
    left = states()
    assert left["done"] < 20, "the kill came too late to prove anything"
    worker.start()

    wait_for(lambda: states()["done"] == 20, seconds=90, what="all 20 cases")
    assert_each_done_once(20)


@pytest.mark.timeout(120)
def test_case_held_by_a_dead_worker_is_taken_over(stack):
    """The same when the worker dies between claim and result: nobody but the sweeper knows."""
    stack.environment |= SHORT
    case = factories.case_abandoned()
    stack.worker("inference")
    stack.worker("default")
    stack.beat()
    wait_for(lambda: states()["done"] == 1, what="the case")
    assert_each_done_once(1)
    assert case.analyses.get().attempts == 2


@pytest.mark.timeout(120)
def test_lost_message_is_sent_again(stack, settings):
    """A message that the broker lost: the row has been waiting for longer than a lease."""
    case = factories.case_queued()
    with redis.Redis.from_url(stack.environment["REDIS_URL"]) as client:
        assert client.llen("inference") == 1
        client.flushall()
    stale = timezone.now() - timezone.timedelta(seconds=settings.ANALYSIS_LEASE_SECONDS + 1)
    case.analyses.update(queued_at=stale)
    assert services.analyses_sweep() == {"requeued": 0, "failed": 0, "resent": 1}
    stack.worker("inference")
    wait_for(lambda: states()["done"] == 1, what="the case")
    assert_each_done_once(1)


@pytest.mark.timeout(120)
def test_photo_that_cannot_be_read_marks_the_row_and_the_worker_lives_on(stack):
    broken = factories.case_queued()
    file = broken.images.get().file
    with open(file.path, "wb") as photo:
        photo.write(b"no photo any more")
    whole = factories.case_queued()
    stack.worker("inference")
    wait_for(lambda: states() == {"failed": 1, "done": 1}, what="both cases")
    failed = broken.analyses.get()
    assert failed.failure
    assert not failed.predictions.exists()
    assert CaseEvent.objects.filter(case=broken, kind=EventKind.ANALYSIS_FAILED).count() == 1
    assert whole.analyses.get().status == Analysis.Status.DONE


def test_a_long_queue_is_no_lost_message(broker, settings):
    for _ in range(3):
        factories.case_queued()
    Analysis.objects.update(queued_at=timezone.now() - timezone.timedelta(seconds=settings.ANALYSIS_LEASE_SECONDS + 1))
    with redis.Redis.from_url(broker) as client:
        assert services.analyses_sweep()["resent"] == 0
        client.lpop("inference")
        assert services.analyses_sweep()["resent"] == 1
        assert client.llen("inference") == 3


@pytest.mark.timeout(120)
def test_missing_photo_is_an_unexpected_failure_that_is_marked_and_logged(stack):
    """A file that vanished is nobody's expected state: FAILED for the patient, a traceback for the operator."""
    case = factories.case_queued()
    case.images.get().file.storage.delete(case.images.get().file.name)
    worker = stack.worker("inference")
    wait_for(lambda: states()["failed"] == 1, what="the failure")
    assert case.analyses.get().failure == "error"
    wait_for(lambda: "FileNotFoundError" in worker.output(), seconds=10, what="the traceback")
    case.refresh_from_db()
    assert case.needs_review
    assert "analysis_failed" in case.review_reasons


def test_case_that_kills_every_worker_fails_after_the_last_attempt(settings):
    case = factories.case_abandoned()
    case.analyses.update(attempts=settings.ANALYSIS_MAX_ATTEMPTS)
    assert services.analyses_sweep() == {"requeued": 0, "failed": 1, "resent": 0}
    analysis = case.analyses.get()
    assert (analysis.status, analysis.failure) == ("failed", "crashed")


def test_submission_survives_a_dead_broker(use_broker):
    """The request must not fail because the queue does: the sweeper sends the message later."""
    use_broker("redis://127.0.0.1:1/0")
    case = factories.case_queued()
    assert case.analyses.get().status == Analysis.Status.QUEUED
