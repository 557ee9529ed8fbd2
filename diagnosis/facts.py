"""What is known of a case, as plain values: the one input of the result page, the PDF, the API and the command line.

Built from rows (`facts_of_case`) or from an assessment that was never stored (`facts_of_assessment`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from accounts.models import DermatologistProfile
from diagnosis.models import Analysis, Case, CaseImage, PhotoFinding, Review

if TYPE_CHECKING:
    from diagnosis.assessment import Assessment
    from ml.serving import PhotoResult


@dataclass(frozen=True)
class PhotoFacts:
    """One photo. `read` and `read_heatmap` give bytes (JPEG; grey PNG or b"") when asked, not before."""

    number: int
    read: Callable[[], bytes]
    read_heatmap: Callable[[], bytes]
    outcome: str = ""
    quality: Mapping[str, Any] = field(default_factory=dict)
    focus: str = ""
    image_id: str = ""
    finding_id: int | None = None
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class ReviewFacts:
    """The last signed opinion of a dermatologist."""

    version: int
    name: str
    licence: str
    diagnosis: str
    diagnosis_text: str
    tier: str
    note: str
    signed_at: datetime
    amendment_reason: str
    icd10: str = ""
    follow_up_weeks: int | None = None
    confirmed_by: str = ""
    severity: str = ""
    plan: str = ""
    differential: Sequence[str] = ()


@dataclass(frozen=True)
class CaseFacts:
    """A case without its database. `status` is that of the last analysis; `outcome` is "" until it is done.

    ``dermatologists``: was a dermatologist asked already, or is there a verified one here who could be?
    """

    reference: str
    created_at: datetime
    country: str
    answers: Mapping[str, Any]
    tier: str
    status: str
    outcome: str = ""
    fired: Sequence[Mapping[str, str]] = ()
    needs_review: bool = False
    review_reasons: Sequence[str] = ()
    review_requested_at: datetime | None = None
    review_due_at: datetime | None = None
    photos: Sequence[PhotoFacts] = ()
    reasons: Sequence[str] = ()
    probabilities: Mapping[str, float] = field(default_factory=dict)
    prediction_set: Sequence[str] = ()
    members: Sequence[Mapping[str, Any]] = ()
    disagreement: float | None = None
    release: str = ""
    weights_sha256: str = ""
    pseudonym: str = ""
    dermatologists: bool = False
    sandbox: bool = False
    review: ReviewFacts | None = None

    @property
    def standing(self) -> str:
        """preliminary until signed, then final, amended after a later version."""
        if self.review is None:
            return "preliminary"
        return "final" if self.review.version == 1 else "amended"


def facts_of_case(case: Case, analysis: Analysis | None = None) -> CaseFacts:
    """The facts of a stored case; use `access.case_get`, which prefetches what this reads. Default: last analysis."""
    analysis = analysis or case.latest_analysis
    return CaseFacts(
        reference=case.reference,
        created_at=case.created_at,
        country=case.country,
        answers=case.answers,
        tier=case.tier,
        fired=case.fired_rules,
        needs_review=case.needs_review,
        review_reasons=case.review_reasons,
        review_requested_at=case.review_requested_at,
        review_due_at=case.review_due_at,
        photos=_photos_of_case(case, analysis),
        pseudonym=case.patient.pseudonym if case.patient else case.external_patient,
        dermatologists=case.review_requested_at is not None or DermatologistProfile.objects.verified().exists(),
        sandbox=case.sandbox,
        review=_review_facts(case.latest_review),
        **_analysis_facts(analysis),
    )


def _analysis_facts(analysis: Analysis | None) -> dict[str, Any]:
    if analysis is None:
        return {"status": "none"}
    done = analysis.status == Analysis.Status.DONE  # nothing else has rows to look for
    return {
        "status": analysis.status,
        "outcome": analysis.outcome,
        "reasons": analysis.reasons,
        "probabilities": analysis.probabilities if done else {},
        "prediction_set": analysis.prediction_set,
        "members": analysis.members,
        "disagreement": analysis.disagreement,
        "release": analysis.release,
        "weights_sha256": analysis.weights_sha256,
    }


def _photos_of_case(case: Case, analysis: Analysis | None) -> list[PhotoFacts]:
    findings = {f.image_id: f for f in analysis.findings.all()} if analysis else {}
    return [_photo_of_row(image, findings.get(image.pk)) for image in case.images.all() if image.file]


def _photo_of_row(image: CaseImage, finding: PhotoFinding | None) -> PhotoFacts:
    has_map = bool(finding and finding.heatmap)
    return PhotoFacts(
        number=image.position + 1,
        read=lambda: _read(image.file),
        read_heatmap=lambda: _read(finding.heatmap) if finding and finding.heatmap else b"",
        outcome=finding.outcome if finding else "",
        quality=finding.quality if finding else {},
        focus=finding.focus if finding else "",
        image_id=str(image.pk),
        finding_id=finding.pk if finding and has_map else None,
        width=image.width,
        height=image.height,
    )


def _review_facts(review: Review | None) -> ReviewFacts | None:
    if review is None:
        return None
    return ReviewFacts(
        version=review.version,
        name=review.reviewer_name,
        licence=review.reviewer_licence,
        diagnosis=review.diagnosis,
        diagnosis_text=review.diagnosis_text,
        tier=review.tier,
        note=review.note_to_patient,
        signed_at=review.signed_at,
        amendment_reason=review.amendment_reason,
        icd10=review.icd10,
        follow_up_weeks=review.follow_up_weeks,
        confirmed_by=review.confirmed_by_name,
        severity=review.severity,
        plan=review.plan,
        differential=review.differential,
    )


def facts_of_assessment(*, photos: Sequence[bytes], answers: Mapping[str, Any], assessment: Assessment) -> CaseFacts:
    """The facts of photos that were assessed without being stored (`manage.py diagnose`)."""
    from diagnosis.services import png_of_heatmap

    def photo_facts(number: int, data: bytes, found: PhotoResult) -> PhotoFacts:
        heatmap = found.heatmaps.get("ensemble")
        return PhotoFacts(
            number=number,
            read=lambda: data,
            read_heatmap=lambda: b"" if heatmap is None else png_of_heatmap(heatmap),
            outcome=found.outcome,
            quality=asdict(found.quality) if found.quality else {},
            focus=found.focus,
        )

    result, verdict = assessment.result, assessment.triage
    return CaseFacts(
        reference="",
        created_at=timezone.now(),
        country=answers.get("country", ""),
        answers=answers,
        tier=verdict.tier,
        status=Analysis.Status.DONE,
        outcome=assessment.outcome,
        fired=[{"code": rule.code, "tier": rule.tier, "detail": rule.detail} for rule in verdict.fired],
        needs_review=verdict.needs_review,
        review_reasons=verdict.review_reasons,
        photos=[photo_facts(n, *pair) for n, pair in enumerate(zip(photos, result.photos, strict=True), start=1)],
        reasons=result.reasons,
        probabilities=result.probabilities,
        prediction_set=result.prediction_set,
        members=[{"name": m.name, "weight": m.weight, "probabilities": m.probabilities} for m in result.members],
        disagreement=result.disagreement,
        release=result.release,
        weights_sha256=result.weights_sha256,
    )


def _read(field) -> bytes:
    with field.open("rb") as file:
        return file.read()
