"""Every change of state of a case: keyword-only, named noun_verb, one transaction each, guarded in the database."""

from __future__ import annotations

import io
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from PIL import Image

from accounts.models import Partner, User
from diagnosis import triage
from diagnosis.images import InspectedPhoto
from diagnosis.models import (
    Analysis,
    Case,
    CaseEvent,
    CaseImage,
    EventKind,
    PendingDeletion,
    PhotoFinding,
    Prediction,
    Review,
)
from ml.taxonomy import TIERS

if TYPE_CHECKING:
    from diagnosis.assessment import Assessment
    from ml.serving import PhotoResult


log = structlog.get_logger(__name__)


class WrongState(Exception):
    """The row is not in a state that allows this step; the message says so in plain words."""


def case_submit(
    *,
    photos: Sequence[InspectedPhoto],
    answers: Mapping[str, Any],
    language: str,
    patient: User | None = None,
    partner: Partner | None = None,
    external_patient: str = "",
    submission_key: uuid.UUID | None = None,
) -> Case:
    """Store a case with its photos and queue its analysis.

    The same `submission_key` of the same owner gives the same case: a double click never doubles a case.
    """
    owner = {"patient": patient, "partner": partner}
    key = submission_key or uuid.uuid4()
    earlier = Case.objects.filter(submission_key=key, **owner).first()
    if earlier:
        return earlier
    try:
        with _files_vanish_on_failure() as stored, transaction.atomic():
            case = _case_create(answers, language, submission_key=key, external_patient=external_patient, **owner)
            for position, photo in enumerate(photos):
                _image_create(case, position, photo, stored)
            CaseEvent.objects.create(case=case, kind=EventKind.SUBMITTED, actor=patient)
            analysis_queue(case=case)
    except IntegrityError:
        return Case.objects.get(submission_key=key, **owner)  # a parallel request was faster
    return case


def _case_create(answers: Mapping[str, Any], language: str, **fields) -> Case:
    """The answers alone already give a tier; the photos can only raise it."""
    first = triage.assess(answers=answers, prediction=None)
    case = Case(
        answers=dict(answers), language=language, country=answers["country"], body_site=answers["site"], **fields
    )
    _apply_triage(case, first)
    case.full_clean(validate_constraints=False)
    case.save()
    return case


def _image_create(case: Case, position: int, photo: InspectedPhoto, stored: list[str]) -> None:
    image = CaseImage(
        case=case,
        position=position,
        shot=photo.shot,
        sha256=photo.sha256,
        pixel_sha256=photo.pixel_sha256,
        width=photo.width,
        height=photo.height,
    )
    image.file.save("photo.jpg", ContentFile(photo.jpeg), save=False)
    stored.append(str(image.file.name))
    image.full_clean()
    image.save()


def _apply_triage(case: Case, result: triage.Triage) -> None:
    """Raise the case to the new tier; nothing lowers it."""
    rank = max(TIERS.index(result.tier), case.tier_rank or 0)
    case.tier, case.tier_rank = TIERS[rank], rank
    case.fired_rules = [{"code": rule.code, "tier": rule.tier, "detail": rule.detail} for rule in result.fired]
    case.needs_review = case.needs_review or result.needs_review
    case.review_reasons = sorted(set(case.review_reasons) | set(result.review_reasons))
    if case.review_requested_at and case.review_due_at:
        case.review_due_at = min(case.review_due_at, case.review_requested_at + review_time(case))


@transaction.atomic
def analysis_queue(*, case: Case) -> Analysis:
    """A new analysis of a case, sent to the workers once the transaction is over."""
    analysis = Analysis(case=case)
    analysis.full_clean()
    analysis.save()
    analysis_send(analysis_id=analysis.pk)
    return analysis


def analysis_send(*, analysis_id: uuid.UUID) -> None:
    """Tell the workers, after commit. Losing the message is harmless: the sweeper sends it again."""
    from diagnosis.tasks import run_analysis_task  # tasks import services

    run_analysis_task.delay_on_commit(str(analysis_id))


def analysis_complete(*, analysis: Analysis, assessment: Assessment) -> bool:
    """Store what the model and the rules said. False when this worker has lost its claim meanwhile."""
    with _files_vanish_on_failure() as stored, transaction.atomic():
        case = Case.objects.select_for_update().filter(pk=analysis.case_id).first()
        if case is None or not _analysis_finish(analysis, assessment):
            return False  # erased, or another worker has it
        _predictions_create(analysis, assessment)
        _findings_create(analysis, assessment.result.photos, stored)
        case.review_reasons = [reason for reason in case.review_reasons if reason != "analysis_failed"]
        _apply_triage(case, assessment.triage)
        case.save()
        CaseEvent.objects.create(case=case, kind=EventKind.ANALYSED)
        _report_send(case)
    return True


def _analysis_finish(analysis: Analysis, assessment: Assessment) -> int:
    """RUNNING -> DONE for the holder of the claim only; 1 when it changed the row."""
    result = assessment.result
    return Analysis.objects.filter(
        pk=analysis.pk, status=Analysis.Status.RUNNING, claim_token=analysis.claim_token
    ).update(
        status=Analysis.Status.DONE,
        finished_at=timezone.now(),
        lease_until=None,
        release=result.release,
        weights_sha256=result.weights_sha256,
        outcome=assessment.outcome,
        reasons=list(result.reasons),
        prediction_set=list(result.prediction_set),
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


def png_of_heatmap(heatmap) -> bytes:
    """A class activation map (uint8, height x width) as a grey PNG."""
    buffer = io.BytesIO()
    Image.fromarray(heatmap).save(buffer, format="PNG")
    return buffer.getvalue()


@transaction.atomic
def analysis_fail(*, analysis: Analysis, failure: str) -> bool:
    """RUNNING -> FAILED for the holder of the claim. The case is flagged: a person should look."""
    changed = Analysis.objects.filter(
        pk=analysis.pk, status=Analysis.Status.RUNNING, claim_token=analysis.claim_token
    ).update(status=Analysis.Status.FAILED, failure=failure, finished_at=timezone.now(), lease_until=None)
    if changed:
        _case_flag_failed(analysis.case_id)
    return bool(changed)


def _case_flag_failed(case_id: uuid.UUID) -> None:
    case = Case.objects.select_for_update().get(pk=case_id)
    case.needs_review = True
    case.review_reasons = sorted({*case.review_reasons, "analysis_failed"})
    case.save(update_fields=["needs_review", "review_reasons"])
    CaseEvent.objects.create(case=case, kind=EventKind.ANALYSIS_FAILED)


@transaction.atomic
def analysis_retry(*, case: Case, actor: User) -> Analysis:
    """A new analysis after a failed one. Raises WrongState when the last one did not fail."""
    latest = Analysis.objects.select_for_update().filter(case=case).order_by("-queued_at").first()
    if latest is None or latest.status != Analysis.Status.FAILED:
        raise WrongState(_("This check has not failed, so there is nothing to start again."))
    CaseEvent.objects.create(case=case, kind=EventKind.ANALYSIS_RETRIED, actor=actor)
    return analysis_queue(case=case)


def may_submit(*, patient: User) -> bool:
    """False for somebody who has sent more cases within an hour than any patient needs."""
    since = timezone.now() - timedelta(hours=1)
    return Case.objects.filter(patient=patient, created_at__gt=since).count() < settings.MAX_CASES_PER_HOUR


def analyses_sweep() -> dict[str, int]:
    """Bring back what a dead worker or a lost message left behind; safe to run at any time, by anybody."""
    counts = {"requeued": 0, "failed": 0, "resent": 0}
    for analysis in Analysis.objects.abandoned():
        if analysis.attempts >= settings.ANALYSIS_MAX_ATTEMPTS:
            counts["failed"] += analysis_fail(analysis=analysis, failure="crashed")
        else:
            counts["requeued"] += analysis_requeue(analysis=analysis)
    for analysis in Analysis.objects.forgotten():
        Analysis.objects.filter(pk=analysis.pk).update(queued_at=timezone.now())
        analysis_send(analysis_id=analysis.pk)
        counts["resent"] += 1
    return counts


@transaction.atomic
def analysis_requeue(*, analysis: Analysis) -> bool:
    """RUNNING with an expired lease -> QUEUED; the old holder's token stops counting."""
    changed = (
        Analysis.objects.abandoned()
        .filter(pk=analysis.pk, claim_token=analysis.claim_token)
        .update(status=Analysis.Status.QUEUED, claim_token=None, lease_until=None, queued_at=timezone.now())
    )
    if changed:
        analysis_send(analysis_id=analysis.pk)
    return bool(changed)


@transaction.atomic
def review_request(*, case: Case, actor: User | None) -> Case:
    """Send a case to the dermatologists. A second request changes nothing."""
    case = Case.objects.select_for_update().get(pk=case.pk)
    if case.review_requested_at is None:
        case.review_requested_at = timezone.now()
        case.review_due_at = case.review_requested_at + review_time(case)
        case.save(update_fields=["review_requested_at", "review_due_at"])
        CaseEvent.objects.create(case=case, kind=EventKind.REVIEW_REQUESTED, actor=actor)
    return case


def review_time(case: Case) -> timedelta:
    """How long a review may take: the tier's deadline, 3 days at most for a flagged case (clinical.md)."""
    hours = settings.REVIEW_DEADLINE_HOURS[case.tier]
    if case.needs_review:
        hours = min(hours, settings.REVIEW_DEADLINE_HOURS["flagged"])
    return timedelta(hours=hours)


@transaction.atomic
def review_sign(*, case: Case, reviewer: User, seen_version: int = 0, **opinion: str) -> Review:
    """Append a signed opinion; `opinion` holds the fields of Review that the reader fills in.

    `seen_version` is the last version that the reader had on the screen. Raises WrongState when somebody else signed
    meanwhile or no review was asked for, ValidationError for bad fields, PermissionError without a verified licence.
    """
    if not reviewer.is_verified_dermatologist:
        raise PermissionError("Only a verified dermatologist signs.")
    case = Case.objects.select_for_update().get(pk=case.pk)
    licence = reviewer.dermatologist
    review = Review(
        case=case,
        version=_next_version(case, seen_version),
        reviewer=reviewer,
        reviewer_name=licence.full_name,
        reviewer_licence=f"{licence.licence_country} {licence.licence_number}",
        **opinion,
    )
    review.full_clean()
    review.save()
    kind = EventKind.REVIEW_SIGNED if review.version == 1 else EventKind.REVIEW_AMENDED
    CaseEvent.objects.create(case=case, kind=kind, actor=reviewer)
    _report_send(case)
    return review


def _next_version(case: Case, seen_version: int) -> int:
    version = (case.reviews.aggregate(last=Max("version"))["last"] or 0) + 1
    if case.review_requested_at is None:
        raise WrongState(_("Nobody asked for a review of this case."))
    if version != seen_version + 1:
        raise WrongState(_("Another dermatologist signed this case while you were reading it. Please read it again."))
    return version


def _report_send(case: Case) -> None:
    from reports.tasks import render_report_task  # reports import diagnosis

    render_report_task.delay_on_commit(str(case.pk))


@transaction.atomic
def case_erase(*, case: Case) -> list[str]:
    """Delete a case with every file made from it; returns the storage keys that go away after commit.

    The keys are written down with the deletion: what a storage refuses now, the sweeper deletes later.
    """
    case = Case.objects.select_for_update().get(pk=case.pk)  # afresh: no prefetched list may hide a new file
    names = [str(image.file.name) for image in case.images.all()]
    names += [str(f.heatmap.name) for f in PhotoFinding.objects.filter(image__case=case) if f.heatmap]
    names += [str(report.file.name) for report in case.reports.all()]
    case.delete()
    PendingDeletion.objects.bulk_create(PendingDeletion(key=name) for name in names)
    transaction.on_commit(files_delete_pending)
    return names


def files_delete_pending() -> int:
    """Delete the files that are written down; one that fails stays for the next time. Returns how many are left."""
    for row in PendingDeletion.objects.all()[:1000]:
        try:
            default_storage.delete(row.key)
        except Exception:  # any storage error: the row stays and says what is still to do
            log.exception("file_not_deleted")
        else:
            row.delete()
    return PendingDeletion.objects.count()


def cases_expire() -> int:
    """Erase what may no longer be kept (see `CaseQuerySet.expired`); returns how many cases went."""
    expired = list(Case.objects.expired()[:500])
    for case in expired:
        case_erase(case=case)
    return len(expired)


def _files_delete(names: Sequence[str]) -> None:
    for name in names:
        default_storage.delete(name)


@contextmanager
def _files_vanish_on_failure():
    """Collects storage keys; on any exception the files go away with the rolled-back rows."""
    names: list[str] = []
    try:
        yield names
    except BaseException:
        _files_delete(names)
        raise
