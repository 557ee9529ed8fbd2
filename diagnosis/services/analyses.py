"""Changes of state of an analysis: queued, claimed elsewhere, complete, failed, brought back."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from PIL import Image

from accounts.models import User
from diagnosis import bell
from diagnosis.models import (
    Analysis,
    Case,
    CaseEvent,
    EventKind,
    Lane,
    MemberMap,
    NoticeKind,
    PhotoFinding,
    Prediction,
    ReviewState,
    WebhookEvent,
)
from diagnosis.services.files import case_photos_forget, files_vanish_on_failure
from diagnosis.services.notices import case_notice
from diagnosis.services.steps import WrongState, case_apply_triage, fields_check
from diagnosis.services.vectors import vector_store
from diagnosis.services.webhook_deliveries import event_publish, result_publish
from smartderma.leases import lost_work, send_again

if TYPE_CHECKING:
    from diagnosis.assessment import Assessment
    from ml.serving import PhotoResult
    from smartderma.celery import RowTask


@transaction.atomic
def analysis_queue(*, case: Case, lane: str = Lane.PATIENT, release: str = "") -> Analysis:
    """A new analysis of a case, sent to the workers once the transaction is over; `release`: one that is pinned."""
    analysis = Analysis(case=case, lane=lane, pinned_release=release)
    fields_check(row=analysis)
    analysis.save()
    analysis_send(analysis=analysis)
    return analysis


def analysis_send(*, analysis: Analysis) -> None:
    """Tell the workers of its lane, after commit. Losing the message is harmless: the sweeper sends it again."""
    _task_of(analysis.lane).delay_on_commit(str(analysis.pk))


def _task_of(lane: str) -> RowTask:
    from diagnosis import tasks  # tasks import services

    return {
        Lane.PATIENT: tasks.run_analysis_task,
        Lane.PARTNER: tasks.run_partner_analysis_task,
        Lane.BULK: tasks.run_bulk_analysis_task,
    }[Lane(lane)]


def analysis_complete(*, analysis: Analysis, assessment: Assessment) -> bool:
    """Store what the model and the rules said. False when this worker has lost its claim meanwhile."""
    with files_vanish_on_failure() as stored, transaction.atomic():
        case = Case.objects.select_for_update().filter(pk=analysis.case_id).first()
        if case is None or not _analysis_finish(analysis, assessment):
            return False  # erased, or another worker has it
        bell.ring_on_commit(analysis.pk)
        _predictions_create(analysis, assessment)
        _findings_create(analysis, assessment.result.photos, stored)
        vector_store(analysis_id=analysis.pk, embedding=_embedding(assessment.result.photos))
        case.review_reasons = [reason for reason in case.review_reasons if reason != "analysis_failed"]
        case_apply_triage(case=case, result=assessment.triage)
        case.save()
        CaseEvent.objects.create(case=case, kind=EventKind.ANALYSED)
        result_publish(event=WebhookEvent.ANALYSIS_SUCCEEDED, case=case, analysis_id=analysis.pk)
        case_notice(case=case, kind=NoticeKind.RESULT_READY, event=analysis)
        photos_forget_if_asked(case=case)
    return True


def photos_forget_if_asked(*, case: Case) -> None:
    """`store_image=false` of a partner: once the result is there the photos go, unless a reader is to see them."""
    unfinished = case.analyses.filter(status__in=[Analysis.Status.QUEUED, Analysis.Status.RUNNING])
    if not case.keep_photos and case.review_state in (ReviewState.NONE, ReviewState.DONE) and not unfinished.exists():
        case_photos_forget(case=case)


def _analysis_finish(analysis: Analysis, assessment: Assessment) -> int:
    """RUNNING -> DONE for the holder of the claim only; 1 when it changed the row."""
    result = assessment.result
    return Analysis.objects.held_by(analysis).update(
        status=Analysis.Status.DONE,
        finished_at=timezone.now(),
        lease_until=None,
        release=result.release,
        weights_sha256=result.weights_sha256,
        release_digest=result.info.digest if result.info else "",
        outcome=assessment.outcome,
        reasons=list(result.reasons),
        prediction_set=list(result.prediction_set),
        top_condition=result.top,
        disagreement=result.disagreement,
        ood_score=result.ood_score,
        members=[{"name": m.name, "weight": m.weight, "probabilities": m.probabilities} for m in result.members],
        embedding=_embedding(result.photos),
        timings=_timings(result.photos),
    )


def _embedding(photos: Sequence[PhotoResult]) -> bytes | None:
    """The mean embedding of the photos, as float32 bytes."""
    vectors = [photo.embedding for photo in photos if photo.embedding is not None]
    return np.mean(vectors, axis=0).astype("<f4").tobytes() if vectors else None


def _timings(photos: Sequence[PhotoResult]) -> dict[str, float]:
    """Milliseconds by stage, summed over the photos."""
    total: Counter[str] = Counter()
    for photo in photos:
        total.update(photo.timings)
    return {stage: round(milliseconds, 2) for stage, milliseconds in total.items()}


def _predictions_create(analysis: Analysis, assessment: Assessment) -> None:
    Prediction.objects.bulk_create(
        Prediction(analysis=analysis, condition=slug, probability=min(max(float(probability), 0.0), 1.0))
        for slug, probability in assessment.result.probabilities.items()
    )


def _findings_create(analysis: Analysis, photos: Sequence[PhotoResult], stored: list[str]) -> None:
    """One row per photo; the names of the heat map files are added to `stored`."""
    for image, photo in zip(analysis.case.images.all(), photos, strict=True):
        finding = PhotoFinding(
            analysis=analysis,
            image=image,
            outcome=photo.outcome,
            reasons=list(photo.reasons),
            quality=asdict(photo.quality) if photo.quality else {},
            focus=photo.focus,
        )
        if "ensemble" in photo.heatmaps:
            finding.heatmap.save("map.png", ContentFile(png_of_heatmap(photo.heatmaps["ensemble"])), save=False)
            stored.append(str(finding.heatmap.name))
        finding.save()
        MemberMap.objects.bulk_create(
            MemberMap(finding=finding, member=name, png=png_of_heatmap(heatmap))
            for name, heatmap in photo.heatmaps.items()
            if name != "ensemble"
        )


def png_of_heatmap(heatmap) -> bytes:
    """A class activation map (uint8, height x width) as a grey PNG."""
    buffer = io.BytesIO()
    Image.fromarray(heatmap).save(buffer, format="PNG")
    return buffer.getvalue()


@transaction.atomic
def analysis_fail(*, analysis: Analysis, failure: str) -> bool:
    """RUNNING -> FAILED for the holder of the claim. The case is flagged: a person should look."""
    case = Case.objects.select_for_update().filter(pk=analysis.case_id).first()  # first, as `analysis_complete` does
    if case is None:
        return False  # erased
    changed = Analysis.objects.held_by(analysis).update(
        status=Analysis.Status.FAILED, failure=failure, finished_at=timezone.now(), lease_until=None
    )
    if changed:
        bell.ring_on_commit(analysis.pk)
        _case_flag_failed(case)
        event_publish(event=WebhookEvent.ANALYSIS_FAILED, case=case, analysis_id=analysis.pk)
        case_notice(case=case, kind=NoticeKind.RESULT_READY, event=analysis)
        photos_forget_if_asked(case=case)
    return bool(changed)


def _case_flag_failed(case: Case) -> None:
    case.needs_review = True
    case.review_reasons = sorted({*case.review_reasons, "analysis_failed"})
    case.save(update_fields=["needs_review", "review_reasons"])
    CaseEvent.objects.create(case=case, kind=EventKind.ANALYSIS_FAILED)


@transaction.atomic
def analysis_retry(*, case: Case, actor: User) -> Analysis:
    """A new analysis after a failed one. Raises WrongState when the last one did not fail."""
    Case.objects.select_for_update().get(pk=case.pk)  # of two who ask at once the second finds the first one's row
    latest = Analysis.objects.filter(case=case).order_by("-queued_at").first()
    if latest is None or latest.status != Analysis.Status.FAILED:
        raise WrongState(_("This check has not failed, so there is nothing to start again."))
    CaseEvent.objects.create(case=case, kind=EventKind.ANALYSIS_RETRIED, actor=actor)
    return analysis_queue(case=case)


def analyses_sweep() -> dict[str, int]:
    """Bring back what a dead worker or a lost message left behind; safe to run at any time, by anybody."""
    counts = {"requeued": 0, "failed": 0, "resent": 0}
    for analysis in Analysis.objects.abandoned():
        if analysis.attempts >= settings.ANALYSIS_MAX_ATTEMPTS:
            counts["failed"] += analysis_fail(analysis=analysis, failure="crashed")
        else:
            counts["requeued"] += analysis_requeue(analysis=analysis)
    for lane in Lane.values:
        lost = lost_work(rows=Analysis.objects.filter(lane=lane), task=_task_of(lane))
        counts["resent"] += send_again(rows=lost, send=lambda analysis: analysis_send(analysis=analysis))
    return counts


def analysis_put_back(*, analysis: Analysis) -> None:
    """RUNNING -> QUEUED by the holder of the claim, who tells nobody: the sweeper sends it again in its time."""
    Analysis.objects.held_by(analysis).put_back(attempts=0)


@transaction.atomic
def analysis_release(*, analysis: Analysis) -> None:
    """RUNNING -> QUEUED by the holder of the claim, sent again; the attempt counts. Changes nothing once it is over."""
    if Analysis.objects.held_by(analysis).put_back():
        analysis_send(analysis=analysis)


@transaction.atomic
def analysis_requeue(*, analysis: Analysis) -> bool:
    """RUNNING with an expired lease -> QUEUED; the old holder's token stops counting."""
    changed = Analysis.objects.abandoned().held_by(analysis).put_back()
    if changed:
        analysis_send(analysis=analysis)
    return bool(changed)
