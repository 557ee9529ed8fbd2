"""What a worker does with waiting analyses: claim, predict, store. The tasks of all lanes come through here.

One analysis at a time by default. With `ANALYSIS_BATCH_SIZE` above 1 (GPU workers) the worker takes others along that
wait in the same lane and gives all their photos to the engine in one call; see docs/decisions/0014.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from diagnosis import access, assessment, sandbox, services
from diagnosis.active_release import may_use, usable_release
from diagnosis.assessment import PhotosUnreadable
from diagnosis.models import Analysis

log = structlog.get_logger(__name__)
Photos = Sequence[bytes]


class _LoadingTookTooLong(Exception):
    """The time of the task went by while a changed release was loaded: no photo is to blame."""


class _Failures(list[Exception]):
    """Unexpected errors of single analyses: each marks its own row, all are raised when the others are done."""

    @contextmanager
    def of(self, analysis: Analysis) -> Iterator[None]:
        """An expected failure is a state of this analysis; an unexpected one marks its row and is kept."""
        try:
            yield
        except PhotosUnreadable:
            services.analysis_fail(analysis=analysis, failure="unreadable")
        except sandbox.ScenarioStuck:
            services.analysis_put_back(analysis=analysis)
        except sandbox.ScenarioFails as script:
            services.analysis_fail(analysis=analysis, failure=str(script))
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            services.analysis_fail(analysis=analysis, failure="error")
            self.append(error)

    def raise_all(self) -> None:
        """Raise what was kept. A MemoryError ends this process only: as itself it would end Celery's main process."""
        if any(isinstance(error, MemoryError) for error in self):
            log.error("out_of_memory")
            raise SystemExit("There was not enough memory.")
        if len(self) > 1:
            raise ExceptionGroup("several analyses failed", self)
        if self:
            raise self[0]


def run_analysis(analysis_id: str) -> None:
    """Claim this analysis, and its neighbours where the worker takes several; predict and store each exactly once.

    Raises SystemExit after the soft time limit, because a thread of this process may hang in a decoder for ever, and
    when memory ran out: the pool starts a new process. Raises unexpected errors once their rows are marked.
    """
    first = Analysis.objects.claim(analysis_id)
    if first is None:
        log.info("analysis_already_taken", analysis=analysis_id)
        return
    taken = [first, *_neighbours(first)]
    failures = _Failures()
    try:
        _run(taken, failures)
    except _LoadingTookTooLong as error:
        for analysis in taken:
            services.analysis_release(analysis=analysis)
        raise SystemExit("The model was not loaded in time: the next process loads it first.") from error
    except SoftTimeLimitExceeded as error:
        _time_is_up(taken)
        raise SystemExit("The soft time limit has passed.") from error
    except Exception:  # no release can be loaded: the sweeper sends them again in its time
        for analysis in taken:
            services.analysis_put_back(analysis=analysis)
        raise
    failures.raise_all()


def _neighbours(first: Analysis) -> list[Analysis]:
    """Others of the lane that wait for the first time. Whatever a worker died of before runs alone."""
    room = _batch_size() - 1
    if not room or first.attempts > 1 or first.case.sandbox:
        return []
    waiting = Analysis.objects.untried(first.lane)
    if waiting.count() < room:
        time.sleep(settings.ANALYSIS_BATCH_WAIT_SECONDS)
    return waiting.claim_some(room)


def _batch_size() -> int:
    """ANALYSIS_BATCH_SIZE, or what fits the device that answers here."""
    from ml.serving.devices import choose_device  # a worker's import

    return settings.ANALYSIS_BATCH_SIZE or (16 if choose_device(settings.INFERENCE_DEVICE) == "cuda" else 1)


def _time_is_up(taken: Sequence[Analysis]) -> None:
    """One alone took too long: it failed. Of several nobody knows which did, so each gets a try of its own."""
    if len(taken) == 1:
        services.analysis_fail(analysis=taken[0], failure="timeout")
        return
    for analysis in taken:
        services.analysis_release(analysis=analysis)


def _run(taken: Sequence[Analysis], failures: _Failures) -> None:
    made_up = [analysis for analysis in taken if analysis.case.sandbox]
    for analysis in made_up:
        with failures.of(analysis):
            services.analysis_complete(analysis=analysis, assessment=sandbox.assess(analysis))
    by_release = sorted((one for one in taken if one not in made_up), key=lambda one: one.pinned_release)
    for release, group in groupby(by_release, key=lambda one: one.pinned_release):
        waiting = list(group)
        if release and not may_use(release):  # it could be asked for, and was refused or changed meanwhile
            for analysis in waiting:
                services.analysis_fail(analysis=analysis, failure="error")
            continue
        _predict_and_store(waiting, release or _release_in_memory(), failures)


def _release_in_memory() -> str:
    try:
        return usable_release()
    except SoftTimeLimitExceeded as error:
        raise _LoadingTookTooLong from error


def _predict_and_store(group: Sequence[Analysis], release: str, failures: _Failures) -> None:
    photos: dict[Analysis, Photos] = {}
    for analysis in group:
        with failures.of(analysis):
            photos[analysis] = access.photo_bytes(analysis.case)
    together = _predicted_together(photos, release) if len(photos) > 1 else {}
    for analysis, own in photos.items():
        with failures.of(analysis):
            result = together.get(analysis) or assessment.predict(own, release)
            judged = assessment.judge(result, analysis.case.answers)
            if services.analysis_complete(analysis=analysis, assessment=judged):
                services.shadow_ask(analysis=analysis, assessment=judged)


def _predicted_together(photos: dict[Analysis, Photos], release: str) -> dict[Analysis, assessment.CaseResult]:
    """One call of the engine for all. Where it fails, each is predicted alone, and the one that is to blame fails."""
    try:
        results = assessment.predict_cases(list(photos.values()), release)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        log.exception("batch_predicted_one_by_one")
        return {}
    return dict(zip(photos, results, strict=True))
