"""A candidate release judges live cases after the active one did. Its answers are kept apart, for operators' figures.

Nothing here may touch a case: whatever goes wrong with a candidate stays in its own rows.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Consent, Purpose, User
from diagnosis.models import Analysis, Case, ModelRelease, ShadowRun
from diagnosis.shadow_numbers import MELANOMA, Answer
from ml.releases.loader import release_info
from smartderma.leases import lost_work, send_again

if TYPE_CHECKING:
    from diagnosis.assessment import Assessment

log = structlog.get_logger(__name__)
STEPS = 10_000  # a share is drawn in steps of a hundredth of a per cent


def shadow_ask(*, analysis: Analysis, assessment: Assessment) -> ShadowRun | None:
    """After a result is stored: draw whether the candidate judges the case too, and tell a worker.

    Never raises: the patient has a result already. Only cases of patients with consent to research are drawn.
    """
    if analysis.case.patient_id is None:
        return None
    try:
        with transaction.atomic():
            return _ask(analysis, assessment)
    except Exception:
        log.exception("shadow_not_asked")
        return None


def _ask(analysis: Analysis, assessment: Assessment) -> ShadowRun | None:
    candidate = ModelRelease.objects.filter(shadow_percent__gt=0).first()
    if candidate is None or not _is_drawn(analysis.pk, candidate.shadow_percent) or not _may_be_used(analysis.case):
        return None
    if candidate.name == assessment.result.release:
        return None
    run = ShadowRun(analysis=analysis, release=candidate.name, active_answer=answer_of(assessment))
    run.full_clean()
    run.save()
    _send(run)
    return run


def _is_drawn(pk: uuid.UUID, percent: int) -> bool:
    """By the random id of the analysis: the same case is drawn or not however often it is asked."""
    return pk.int % STEPS < percent * STEPS // 100


def _may_be_used(case: Case) -> bool:
    """With the patient's consent to research that is in force."""
    agreed = Consent.objects.in_force().filter(purpose=Purpose.RESEARCH, version=settings.CONSENT_VERSION)
    return agreed.filter(user=case.patient_id).exists()


def answer_of(assessment: Assessment) -> dict[str, Any]:
    """What a release said, as `ShadowRun` keeps it."""
    result = assessment.result
    threshold = (result.info or release_info(result.release)).thresholds.get(MELANOMA)
    answer = Answer(
        release=result.release,
        top=result.top,
        tier=assessment.triage.tier,
        judged=assessment.outcome == "assessed",
        strange="out_of_distribution" in result.reasons,
        alarm=threshold is not None and result.probabilities.get(MELANOMA, 0.0) >= threshold,
        milliseconds=round(sum(sum(photo.timings.values()) for photo in result.photos)),
    )
    return asdict(answer)


def _send(run: ShadowRun) -> None:
    """Tell a worker of the queue that nobody waits for, after commit."""
    from diagnosis.tasks import run_shadow_task  # tasks import services

    run_shadow_task.delay_on_commit(str(run.pk))


def shadow_run(*, run_id: uuid.UUID | str) -> None:
    """A worker's step: the candidate judges the photos of a case. What fails stays in its run.

    Raises SystemExit after the soft time limit and when memory ran out, as `inference.run_analysis` does.
    """
    from diagnosis import access

    run = ShadowRun.objects.claim(run_id)
    if run is None:
        return
    case = access.case_for_task(run.analysis.case_id)
    if case is None or not _may_be_used(case) or not all(image.file for image in case.images.all()):
        ShadowRun.objects.filter(pk=run.pk).delete()  # consent or photos have gone meanwhile
        return
    try:
        _judge(run, case)
    except (SoftTimeLimitExceeded, MemoryError) as error:
        failure = "memory" if isinstance(error, MemoryError) else "timeout"
        _finish(run, status=ShadowRun.Status.FAILED, failure=failure)
        raise SystemExit(f"A candidate in shadow ended this process: {failure}.") from error
    except Exception:
        log.exception("shadow_failed")
        _finish(run, status=ShadowRun.Status.FAILED, failure="error")


def _judge(run: ShadowRun, case: Case) -> None:
    from diagnosis import access, assessment

    photos = access.photo_bytes(case)
    found = assessment.assess(photos, case.answers, run.release)
    _finish(
        run,
        status=ShadowRun.Status.DONE,
        weights_sha256=found.result.weights_sha256,
        candidate_answer=answer_of(found),
    )


def _finish(run: ShadowRun, **values: Any) -> None:
    """RUNNING -> over; nothing when the run was erased or swept meanwhile."""
    running = ShadowRun.objects.filter(pk=run.pk, status=ShadowRun.Status.RUNNING)
    running.update(finished_at=timezone.now(), lease_until=None, **values)


def shadows_sweep() -> int:
    """Runs of dead workers have failed; lost messages are sent again. Returns how many rows changed."""
    from diagnosis.tasks import run_shadow_task  # tasks import services

    dead = ShadowRun.objects.abandoned()
    count = dead.update(status=ShadowRun.Status.FAILED, failure="crashed", finished_at=timezone.now(), lease_until=None)
    return count + send_again(rows=lost_work(rows=ShadowRun.objects.all(), task=run_shadow_task), send=_send)


def shadows_forget(*, patient: User) -> None:
    """Consent to research has ended: what candidates said of this patient's cases goes."""
    ShadowRun.objects.filter(analysis__case__patient=patient).delete()
