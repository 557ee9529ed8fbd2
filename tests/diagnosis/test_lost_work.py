"""Candidates, checks and exports that nobody finished: brought back without a flood, and ended without harm."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone

from accounts.tasks import build_export_task
from deploy.stack import commands
from diagnosis import assessment, services
from diagnosis.models import Analysis, ModelRelease, ShadowRun
from diagnosis.services import analyses
from diagnosis.tasks import (
    build_training_export_task,
    check_release_task,
    find_faces_task,
    run_bulk_analysis_task,
    run_shadow_task,
    sweep_analyses_task,
    sweep_operations_task,
)
from smartderma.celery import app
from tests.kit import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy_release")]
LONG_AGO = timedelta(hours=1)


def waiting_run(ago: timedelta = LONG_AGO) -> ShadowRun:
    case = factories.case_in_review()
    return ShadowRun.objects.create(
        analysis=case.analyses.get(), release="candidate", queued_at=timezone.now() - ago, active_answer={}
    )


@pytest.fixture
def shadows_queue():
    """The broker in memory, empty before and after."""
    app.control.purge()
    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue("shadows")
        queue.clear()
        yield queue
        queue.clear()


def test_a_long_queue_of_candidates_is_not_sent_again(shadows_queue, django_capture_on_commit_callbacks):
    runs = [waiting_run(LONG_AGO + timedelta(minutes=number)) for number in range(4)]
    for _message in range(3):
        shadows_queue.put("one")
    with django_capture_on_commit_callbacks() as sent:
        sweep_operations_task()
    assert len(sent) == 1, "three of four messages are there"
    moved = ShadowRun.objects.filter(queued_at__gt=timezone.now() - timedelta(minutes=1))
    assert list(moved) == [runs[-1]], "the oldest"


def test_queues():
    """Photos of batches are counted by their messages; what takes minutes stands before no sweep and no mail."""

    def queue(task):
        return app.amqp.router.route({}, task.name)["queue"].name

    assert queue(run_bulk_analysis_task) == "bulk"
    assert [route["queue"] for route in settings.CELERY_TASK_ROUTES.values()].count("bulk") == 1
    assert {queue(run_shadow_task), queue(check_release_task)} == {"shadows"}
    assert {queue(build_export_task), queue(build_training_export_task)} == {"slow"}
    assert {queue(find_faces_task), queue(sweep_analyses_task), queue(sweep_operations_task)} == {"default"}


def test_every_queue_has_a_worker(tmp_path):
    served = {
        queue
        for command in commands(tmp_path, "http://localhost", "inference").values()
        for queue in command.partition("--queues ")[2].partition(" ")[0].split(",")
    }
    assert {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()} | {"default"} == served - {""}


def test_a_lost_check_is_asked_again(django_capture_on_commit_callbacks):
    old, new = (ModelRelease.objects.create(name=name) for name in ("old", "new"))
    ModelRelease.objects.filter(pk=old.pk).update(asked_at=timezone.now() - LONG_AGO)
    with django_capture_on_commit_callbacks() as sent:
        assert services.release_checks_sweep() == 1
        assert services.release_checks_sweep() == 0, "once in its time"
    assert len(sent) == 1
    assert new.check_state == "waiting"


@pytest.mark.parametrize("error", [SoftTimeLimitExceeded, MemoryError])
def test_out_of_time_or_memory_ends_the_process(error, monkeypatch):
    def judge(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(assessment, "assess", judge)
    patient = factories.PatientFactory(consents=["care", "storage", "research"])
    case = factories.case_queued(patient=patient)
    run = ShadowRun.objects.create(analysis=case.analyses.get(), release="toy", active_answer={})
    with pytest.raises(SystemExit):
        run_shadow_task(str(run.pk))
    run.refresh_from_db()
    assert (run.status, run.failure) == ("failed", "memory" if error is MemoryError else "timeout")
    release = ModelRelease.objects.create(name="toy")
    with pytest.raises(SystemExit):
        check_release_task(str(release.pk))
    release.refresh_from_db()
    assert (release.check_state, release.problem) == ("bad", error.__name__)


def test_a_case_that_was_erased_meanwhile_has_no_failure():
    case = factories.case_running()
    analysis = case.analyses.get()
    services.case_erase(case=case)
    assert not analyses.analysis_fail(analysis=analysis, failure="error")
    assert not Analysis.objects.exists()
