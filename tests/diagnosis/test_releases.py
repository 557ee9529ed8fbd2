"""Releases change without a restart: checked by a worker, activated, rolled back; nobody's photo fails for it."""

from __future__ import annotations

import hashlib
import json
import threading
from functools import partial
from pathlib import Path

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from diagnosis import active_release, assessment, inference, services, worker
from diagnosis.demo import draw_jpeg
from diagnosis.models import Analysis, ModelRelease, OperatorEvent, TrainingExport
from diagnosis.partner_request import Asked, RequestFields
from diagnosis.services import WrongState
from diagnosis.tasks import check_release_task, run_analysis_task
from ml.releases.loader import ReleaseError, release_info
from ml.serving import devices, engine
from tests.kit import factories
from tests.kit.releases import CANCER_THRESHOLDS, write_toy_release

Kind = OperatorEvent.Kind


@pytest.fixture
def folder(tmp_path: Path, settings, monkeypatch) -> Path:
    """A folder with the releases `toy`, which serves, `next` and `third`."""
    monkeypatch.setenv("SMARTDERMA_RELEASE_DIR", str(tmp_path))
    settings.MODEL_RELEASE = "toy"
    engine._load_engine.cache_clear()
    monkeypatch.setattr(active_release, "_last_good", "")
    monkeypatch.setattr(active_release, "_refused", {})
    for name in ("toy", "next", "third"):
        write_toy_release(tmp_path, name)
    yield tmp_path
    engine._load_engine.cache_clear()


@pytest.fixture
def operator(db):
    return factories.OperatorFactory()


def checked(name: str, operator) -> ModelRelease:
    release = services.release_check_ask(name=name, operator=operator)
    check_release_task(str(release.pk))
    release.refresh_from_db()
    return release


def activate(name: str, replaces: str, operator, reason="It was better in shadow.") -> ModelRelease:
    return services.release_activate(name=name, replaces=replaces, operator=operator, reason=reason)


def judged_by() -> str:
    """The release that a new case is judged by."""
    case = factories.case_queued()
    run_analysis_task(str(case.analyses.get().pk))
    analysis = case.analyses.get()
    assert analysis.status == Analysis.Status.DONE
    assert analysis.release_digest == release_info(analysis.release).digest, "which names the thresholds in force"
    return analysis.release


def kinds() -> list[str]:
    return list(OperatorEvent.objects.order_by("pk").values_list("kind", flat=True))


@pytest.mark.django_db
def test_a_release_is_checked_activated_and_rolled_back_without_a_restart(folder, operator):
    assert judged_by() == "toy"
    assert checked("next", operator).check_state == "good"
    activate("next", "toy", operator)
    assert judged_by() == "next"
    assert "next" in Client().get(reverse("release_card")).content.decode()
    activate("toy", "next", operator, reason="More wrong alarms than before.")
    assert judged_by() == "toy"
    assert kinds() == [Kind.CHECK_ASKED, Kind.CHECKED, Kind.ACTIVATED, Kind.ROLLED_BACK]
    last = OperatorEvent.objects.first()
    assert (last.actor, last.release, last.replaced) == (operator, "toy", "next")
    assert last.reason == "More wrong alarms than before."
    assert set(Analysis.objects.values_list("release", flat=True)) == {"toy", "next"}, "results name their release"


@pytest.mark.django_db
def test_what_was_not_checked_or_has_no_reason_is_not_activated(folder, operator):
    with pytest.raises(WrongState, match="has to check"):
        activate("next", "toy", operator)
    checked("next", operator)
    with pytest.raises(ValidationError):
        activate("next", "toy", operator, reason="")
    with pytest.raises(PermissionError):
        activate("next", "toy", factories.DermatologistFactory())
    assert active_release.active_release() == "toy"
    assert not ModelRelease.objects.filter(active=True).exists()


@pytest.mark.django_db
def test_an_operator_who_saw_another_active_release_loses(folder, operator):
    for name in ("next", "third"):
        checked(name, operator)
    activate("next", "toy", operator)
    with pytest.raises(WrongState, match="Another operator"):
        activate("third", "toy", operator)
    assert active_release.active_release() == "next"


def test_two_operators_race_and_one_wins(folder, on_postgres, django_db_blocker):
    """On PostgreSQL, where both really run at once: first with no active row, then with one."""
    with django_db_blocker.unblock():
        operator = factories.OperatorFactory()
        for name in ("toy", "next", "third"):
            checked(name, operator)
        first = race(("next", "toy"), ("third", "toy"), operator)
        assert sorted(first) == ["lost", "won"]
        now = active_release.active_release()
        other = "third" if now == "next" else "next"
        assert sorted(race((other, now), ("toy", now), operator)) == ["lost", "won"]
        assert ModelRelease.objects.filter(active=True).count() == 1
        assert OperatorEvent.objects.filter(kind__in=[Kind.ACTIVATED, Kind.ROLLED_BACK]).count() == 2
        first, *others = ModelRelease.objects.order_by("pk")
        ModelRelease.objects.update(active=False)
        waiting = threading.Thread(target=together, args=[partial(shadow, first.name, operator)])
        with transaction.atomic():
            ModelRelease.objects.select_for_update().get(pk=first.pk)
            waiting.start()
            waiting.join(0.5)
            free = ModelRelease.objects.select_for_update(skip_locked=True).exclude(pk=first.pk)
            assert len(free) == len(others), "who waits for the first row holds none: no deadlock"
        waiting.join()
        assert ModelRelease.objects.get(pk=first.pk).shadow_percent == 10


def shadow(name: str, operator) -> None:
    services.release_shadow_set(name=name, percent=10, operator=operator)


def race(*moves_and_operator) -> list[str]:
    *moves, operator = moves_and_operator
    return together(*(partial(activate, name, replaces, operator) for name, replaces in moves))


def together(*steps) -> list[str]:
    start, results = threading.Barrier(len(steps)), []

    def move(step) -> None:
        try:
            start.wait()
            step()
            results.append("won")
        except WrongState:
            results.append("lost")
        finally:
            connection.close()

    threads = [threading.Thread(target=move, args=[one]) for one in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda path: (path / "mobilenetv3.onnx").write_bytes(b"no graph"), "does not match its checksum"),
        (lambda path: (path / "mobilenetv3.onnx").unlink(), "is missing"),
        (lambda path: (path / "release.json").write_text("{"), "is damaged"),
    ],
)
def test_a_damaged_release_is_refused_with_a_sentence(folder, operator, harm, sentence):
    harm(folder / "next")
    release = checked("next", operator)
    assert (release.check_state, sentence in release.problem) == ("bad", True), release.problem
    assert kinds()[-1] == Kind.REFUSED
    with pytest.raises(WrongState):
        activate("next", "toy", operator)


@pytest.mark.django_db
def test_research_only_weights_are_refused_where_they_may_not_be_used(folder, operator, settings):
    settings.ACCEPT_NON_COMMERCIAL_RELEASE = False
    document = json.loads((folder / "next" / "release.json").read_text())
    document["licence"]["non_commercial"] = True
    (folder / "next" / "release.json").write_text(json.dumps(document))
    assert "may not be used commercially" in checked("next", operator).problem


@pytest.mark.django_db
def test_a_worker_that_cannot_load_the_new_release_serves_the_old_one(folder, operator):
    """It was good where it was checked; on this worker's disk it is not. No patient waits for that."""
    assert judged_by() == "toy"
    checked("next", operator)
    activate("next", "toy", operator)
    engine._load_engine.cache_clear()
    (folder / "next" / "densenet121.onnx").write_bytes(b"half a file")
    assert [judged_by(), judged_by()] == ["toy", "toy"]
    told = OperatorEvent.objects.filter(kind=Kind.NOT_LOADED)
    assert [event.release for event in told] == ["next"], "said once"
    assert "checksum" in told[0].reason
    (folder / "next" / "densenet121.onnx").unlink()
    write_toy_release(folder / "repaired", "next")
    (folder / "repaired" / "next" / "densenet121.onnx").rename(folder / "next" / "densenet121.onnx")
    active_release._refused.clear()  # a minute later
    assert judged_by() == "next"


@pytest.mark.django_db
def test_other_weights_under_the_same_name_do_not_serve(folder, operator):
    checked("next", operator)
    activate("next", "toy", operator)
    ModelRelease.objects.filter(name="next").update(digest="1" * 64)
    assert judged_by() == "toy"
    assert "not those that were checked" in OperatorEvent.objects.get(kind=Kind.NOT_LOADED).reason
    checked("third", operator)
    ModelRelease.objects.filter(name="third").update(digest="2" * 64)
    with pytest.raises(WrongState, match="was changed after it was checked"):
        activate("third", "next", operator)


@pytest.mark.django_db
def test_the_override_stands_above_the_row(folder, operator, settings):
    checked("next", operator)
    settings.RELEASE_OVERRIDE = "third"
    with pytest.raises(WrongState, match="RELEASE_OVERRIDE"):
        activate("next", "toy", operator)
    assert judged_by() == "third"


def change(folder: Path, name: str, **values) -> None:
    file = folder / name / "release.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.django_db
def test_other_thresholds_after_the_check_do_not_serve(folder, operator):
    high = dict.fromkeys(CANCER_THRESHOLDS, 0.999)
    checked("next", operator)
    change(folder, "next", thresholds=high)
    with pytest.raises(WrongState, match="was changed after it was checked"):
        activate("next", "toy", operator)
    checked("next", operator)
    activate("next", "toy", operator)
    assert judged_by() == "next"
    change(folder, "next", thresholds=CANCER_THRESHOLDS)
    assert judged_by() == "toy"


@pytest.mark.django_db
def test_checked_again_means_loaded_again(folder, operator):
    """The engine of the first check is in memory still; the graph on the disk is another, and its hash agrees."""
    checked("next", operator)
    (folder / "next" / "mobilenetv3.onnx").write_bytes(b"no graph")
    members = json.loads((folder / "next" / "release.json").read_text())["members"]
    members[0]["sha256"] = hashlib.sha256(b"no graph").hexdigest()
    change(folder, "next", members=members)
    assert checked("next", operator).check_state == "bad"


def test_triage_compares_with_the_thresholds_of_the_engine_that_answered(folder):
    result = assessment.predict([draw_jpeg()], "toy")
    change(folder, "toy", thresholds=dict.fromkeys(CANCER_THRESHOLDS, 0.999))
    assert assessment.facts_for_triage(result).thresholds == CANCER_THRESHOLDS


@pytest.mark.django_db
def test_partners_pin_what_was_found_good(folder, operator):
    assert active_release.may_use("toy"), "it answers"
    assert not active_release.may_use("next"), "nobody checked it"
    checked("next", operator)
    assert active_release.may_use("next")
    change(folder, "next", created="later")
    assert not active_release.may_use("next")
    change(folder, "third", thresholds={})
    checked("third", operator)
    assert not active_release.may_use("third")


@pytest.mark.django_db
def test_a_pinned_release_that_is_refused_meanwhile_judges_nobody(folder, operator):
    checked("next", operator)
    case = factories.case_queued()
    case.analyses.update(pinned_release="next")
    ModelRelease.objects.filter(name="next").update(check_state="bad", problem="It was changed.")
    run_analysis_task(str(case.analyses.get().pk))
    assert case.analyses.get().status == Analysis.Status.FAILED


@pytest.mark.django_db
def test_another_release_than_the_active_one_is_not_loaded_beside_waiting_people(folder, operator):
    checked("next", operator)
    lanes = {}
    for release in ("", "toy", "next"):
        fields = RequestFields(data={"answers": factories.ANSWERS, "release": release})
        fields.is_valid(raise_exception=True)
        lanes[release] = Asked.of(fields.validated_data, sandbox=False).terms.lane
    assert lanes == {"": "partner", "toy": "partner", "next": "bulk"}


@pytest.mark.django_db
def test_research_only_weights_neither_become_nor_stay_active(folder, operator, settings):
    for name in ("next", "third"):
        change(folder, name, licence={"name": "none", "non_commercial": True, "file": "LICENSE-WEIGHTS.md"})
        checked(name, operator)
    activate("next", "toy", operator)
    assert judged_by() == "next"
    settings.ACCEPT_NON_COMMERCIAL_RELEASE = False
    assert judged_by() == "toy"
    with pytest.raises(WrongState, match="may not be used commercially"):
        activate("third", "next", operator)
    settings.MODEL_RELEASE = "third"
    ModelRelease.objects.update(active=False)
    active_release._last_good = ""  # a worker that starts
    with pytest.raises(ReleaseError, match="may not be used commercially"):
        judged_by()


@pytest.mark.django_db
def test_without_any_release_photos_wait(folder):
    (folder / "toy" / "mobilenetv3.onnx").unlink()
    with pytest.raises(ReleaseError):
        judged_by()
    waiting = Analysis.objects.get()
    assert (waiting.status, waiting.claim_token, waiting.attempts) == ("queued", None, 0)


@pytest.mark.django_db
def test_no_photo_is_to_blame_for_a_slow_disk(folder, monkeypatch):
    """The task's time ends while the release is loaded: the case waits for the next process, which loads it first."""

    def slowly(name: str) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(assessment, "load_engine", slowly)
    with pytest.raises(SystemExit):
        judged_by()
    assert Analysis.objects.get().status == Analysis.Status.QUEUED


@pytest.mark.django_db
def test_going_forward_again_is_no_roll_back(folder, operator):
    for name in ("next", "third"):
        checked(name, operator)
    activate("next", "toy", operator)
    activate("third", "next", operator)
    for name, replaces in (("next", "third"), ("toy", "next"), ("next", "toy")):
        activate(name, replaces, operator)
    assert kinds()[-5:] == [Kind.ACTIVATED, Kind.ACTIVATED, Kind.ROLLED_BACK, Kind.ROLLED_BACK, Kind.ACTIVATED]


def test_auto_that_finds_a_gpu_is_a_gpu(monkeypatch, settings):
    settings.INFERENCE_DEVICE = "auto"
    monkeypatch.setattr(devices, "_cuda_problem", lambda: "this machine has no CUDA device")
    assert (worker._device_problem(2), inference._batch_size()) == ("", 1)
    monkeypatch.setattr(devices, "_cuda_problem", lambda: "")
    assert "--concurrency 1" in worker._device_problem(2)
    assert (worker._device_problem(1), inference._batch_size()) == ("", 16)


# --- the operator's page -------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_activating_and_exporting_ask_who_is_there(folder, operator, settings):
    """As with signing: an open browser is not enough. What was typed stays on the page."""
    settings.SIGN_REAUTH_SECONDS = 900
    checked("next", operator)
    client = Client()
    client.force_login(operator)
    typed = {"replaces": "toy", "reason": "It is better in shadow."}
    answer = client.post(reverse("release_activate", args=["next"]), typed)
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "Please confirm who you are first." in text
    assert "It is better in shadow." in text
    assert client.post(reverse("training_exports")).status_code == 422
    assert active_release.active_release() == "toy"
    assert not TrainingExport.objects.exists()
    client = Client()
    client.post(reverse("account_login"), {"login": operator.email, "password": factories.PASSWORD})
    assert client.post(reverse("release_activate", args=["next"]), typed).status_code == 302
    assert active_release.active_release() == "next"


@pytest.mark.django_db
def test_the_page_says_what_is_wrong(folder, operator):
    client = Client()
    client.force_login(operator)
    assert "Not checked here yet" in client.get(reverse("release_list")).content.decode()
    (folder / "third" / "mobilenetv3.onnx").unlink()
    checked("third", operator)
    checked("next", operator)
    activate("next", "toy", operator)
    services.release_not_loaded(name="next", problem="Release next: a file is missing.")
    text = client.get(reverse("release_list")).content.decode()
    assert "Cannot be used" in text
    assert "mobilenetv3.onnx is missing" in text
    assert "A worker cannot load the active release." in text
    assert "Release next: a file is missing." in text
    late = client.post(reverse("release_activate", args=["toy"]), {"replaces": "third", "reason": "Old."}, follow=True)
    assert "Another operator changed the active release" in late.content.decode()
    assert client.post(reverse("release_check", args=["nosuch"]), follow=True).status_code == 200
    assert client.post(reverse("release_shadow", args=["next"]), {"percent": "200"}, follow=True).status_code == 200
    assert not ModelRelease.objects.filter(shadow_percent__gt=0).exists()
