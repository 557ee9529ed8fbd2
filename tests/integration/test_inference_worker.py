"""Workers for photos: several at once, dying decoders, floods, and worker processes that refuse to start."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from pathlib import Path

import pytest
import redis

from diagnosis import services, tasks
from diagnosis.models import Analysis, Case, IntakePhoto
from reports.models import Report
from reports.tasks import render_report_task
from tests.integration.test_worker_crash import SHORT, assert_each_done_once, states
from tests.kit import factories, fragile, photos
from tests.kit.processes import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

SEVERAL = {"ANALYSIS_BATCH_SIZE": "8"}
SKIN = photos.skin(size=(320, 240))


def spoil(case: Case, word: bytes) -> Case:
    """Put a word behind the photo's pixels; `tests.kit.fragile` knows what it does to a decoder."""
    file = case.images.get().file
    Path(file.path).write_bytes(Path(file.path).read_bytes() + word)
    return case


def failure(case: Case) -> str:
    return case.analyses.get().failure


def test_several_analyses_share_one_call_of_the_engine(stack):
    patient = factories.PatientFactory()
    cases = [factories.case_queued(patient=patient) for _ in range(8)]
    Path(cases[3].images.get().file.path).write_bytes(b"no photo any more")
    cases[5].images.get().file.storage.delete(cases[5].images.get().file.name)
    worker = stack.worker("inference", **SEVERAL)
    wait_for(lambda: states() == {"done": 6, "failed": 2}, what="all eight")
    assert (failure(cases[3]), failure(cases[5])) == ("unreadable", "error")
    starts = Counter(Analysis.objects.values_list("started_at", flat=True))
    assert max(starts.values()) == 7, "the first message takes one, and all that are left come along"
    wait_for(lambda: "FileNotFoundError" in worker.output(), what="the traceback")


def test_worker_killed_in_the_middle_of_a_batch_loses_nothing_and_doubles_nothing(stack):
    stack.environment |= SHORT | SEVERAL
    stack.worker("default")
    stack.beat()
    patient = factories.PatientFactory()
    for _ in range(30):
        factories.case_queued(patient=patient)
    worker = stack.worker("inference")
    wait_for(lambda: states()["running"] >= 2, what="a batch that is running")
    worker.kill()
    assert states()["running"] >= 1, "the kill came too late to prove anything"
    worker.start()
    wait_for(lambda: states()["done"] == 30, seconds=90, what="all 30 cases")
    assert_each_done_once(30)


@pytest.mark.parametrize("several", [{}, SEVERAL], ids=["one by one", "in batches"])
def test_a_photo_that_crashes_the_decoder_fails_alone(stack, several, monkeypatch):
    """SIGSEGV, exit, a hang and no memory: four photos fail after bounded attempts, their neighbours are done."""
    for name, seconds in (("soft_time_limit", 4), ("time_limit", 5), ("_exec_options", None)):  # who sends sets them
        monkeypatch.setattr(tasks.run_analysis_task, name, seconds)
    stack.environment |= SHORT | {"ANALYSIS_MAX_ATTEMPTS": "2"} | several
    patient = factories.PatientFactory()
    words = [fragile.DIES, b"", fragile.EXITS, b"", fragile.HANGS, b"", fragile.EATS_MEMORY, b""]
    cases = {word: spoil(factories.case_queued(patient=patient), word) for word in words}
    whole = [case for case in Case.objects.all() if case not in [cases[word] for word in words if word]]
    stack.worker("default")
    stack.beat()
    stack.worker("inference", app="tests.kit.fragile")
    wait_for(lambda: states() == {"done": 4, "failed": 4}, seconds=100, what="an end for every case")
    assert {case.analyses.get().status for case in whole} == {"done"}
    assert failure(cases[fragile.DIES]) == failure(cases[fragile.EXITS]) == "crashed"
    assert failure(cases[fragile.HANGS]) in {"timeout", "crashed"}
    assert failure(cases[fragile.EATS_MEMORY]) == "error"
    assert max(Analysis.objects.values_list("attempts", flat=True)) <= 2


def test_such_a_photo_keeps_nobody_else_from_faces_and_reports(stack, broker):
    """The worker of `default`: its processes die over two photos and two reports, a bounded number of times."""
    for word in (fragile.DIES, fragile.EATS_MEMORY, b""):
        photo = waiting_photo()
        Path(photo.file.path).write_bytes(Path(photo.file.path).read_bytes() + word)
        render_report_task.delay_on_commit(str(spoil(factories.case_done(), word).pk))
    worker = stack.worker("default", app="tests.kit.fragile")
    with redis.Redis.from_url(broker) as client:
        wait_for(lambda: Report.objects.exists() and looked_at(photo), seconds=60, what="the whole photo and case")
        wait_for(lambda: not client.exists("default", "unacked"), seconds=60, what="an end for every message")
    assert worker.process.poll() is None, "the main process lives on"
    assert Report.objects.count() == IntakePhoto.objects.exclude(faces=None).count() == 1


def looked_at(photo: IntakePhoto) -> bool:
    photo.refresh_from_db()
    return photo.faces is not None


def waiting_photo() -> IntakePhoto:
    """A photo of a check that nobody has sent yet; a worker is asked to look for faces."""
    patient = factories.PatientFactory()
    return services.photo_take_in(patient=patient, submission_key=uuid.uuid4(), shot="close_up", data=SKIN)


def test_pools_that_ignore_time_limits_are_refused(stack):
    for pool, name in (("solo", "solo"), ("threads", "thread")):
        said = stack.refused_worker(pool=pool)
        assert said.strip().endswith(f"photos need --pool prefork, because the pool {name} ignores time limits.")
        assert "Traceback" not in said


def damaged(folder: Path, toy_release_folder: Path, harm) -> dict[str, str]:
    """The environment of a worker whose release was harmed."""
    shutil.copytree(toy_release_folder / "toy", folder / "toy")
    harm(next((folder / "toy").glob("*.onnx")))
    return {"SMARTDERMA_RELEASE_DIR": str(folder)}


def test_damaged_releases_and_what_is_missing_stop_the_worker_with_one_sentence(stack, toy_release_folder, tmp_path):
    missing = damaged(tmp_path / "a", toy_release_folder, Path.unlink)
    assert "The worker does not start: Release toy:" in stack.refused_worker(**missing)
    corrupt = damaged(tmp_path / "b", toy_release_folder, lambda file: file.write_bytes(b"no graph"))
    said = stack.refused_worker(**corrupt)
    assert "The worker does not start: Release toy:" in said
    assert "Traceback" not in said
    said = stack.refused_worker(INFERENCE_DEVICE="cuda")
    assert "The worker does not start: INFERENCE_DEVICE=cuda" in said
    assert "Traceback" not in said
    said = stack.refused_worker(DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3")
    assert "The worker does not start: is the database running, and migrated?" in said
    assert "Traceback" not in said
