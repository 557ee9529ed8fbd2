"""A case is submitted."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Partner, User
from diagnosis import triage
from diagnosis.images import InspectedPhoto
from diagnosis.models import (
    Case,
    CaseEvent,
    CaseImage,
    EventKind,
    Lane,
)
from diagnosis.services.analyses import analysis_queue
from diagnosis.services.files import files_vanish_on_failure
from diagnosis.services.steps import case_apply_triage, fields_check


@dataclass(frozen=True)
class PartnerTerms:
    """What a partner's request says beside photos and answers; a patient's case has none of this."""

    sandbox: bool = False
    keep_photos: bool = True
    retention_days: int | None = None
    lane: str = Lane.PARTNER
    in_batch: bool = False
    release: str = ""


def case_submit(
    *,
    photos: Sequence[InspectedPhoto],
    answers: Mapping[str, Any],
    language: str,
    patient: User | None = None,
    partner: Partner | None = None,
    external_patient: str = "",
    submission_key: uuid.UUID | None = None,
    terms: PartnerTerms | None = None,
) -> Case:
    """Store a case with its photos and queue its analysis.

    The same `submission_key` of the same owner gives the same case: a double click never doubles a case.
    """
    owner = {"patient": patient, "partner": partner}
    key = submission_key or uuid.uuid4()
    try:
        with files_vanish_on_failure() as stored, transaction.atomic():
            fields = {**owner, **_partner_fields(partner, terms)}
            case = _case_create(answers, language, submission_key=key, external_patient=external_patient, **fields)
            for position, photo in enumerate(photos):
                image_create(case=case, position=position, photo=photo, stored=stored)
            CaseEvent.objects.create(case=case, kind=EventKind.SUBMITTED, actor=patient)
            analysis_queue(case=case, lane=_lane(partner, terms), release=terms.release if terms else "")
    except IntegrityError:  # the constraint knows what was sent before, also by a request that runs beside this one
        return Case.objects.get(submission_key=key, **owner)
    return case


def _partner_fields(partner: Partner | None, terms: PartnerTerms | None) -> dict[str, Any]:
    """A partner's case has an end: the shorter of what the request and the partner's setting say."""
    if partner is None:
        return {}
    terms = terms or PartnerTerms()
    longest = min(settings.SANDBOX_RETENTION_DAYS, partner.retention_days) if terms.sandbox else partner.retention_days
    days = min(longest, terms.retention_days or longest)
    return {
        "sandbox": terms.sandbox,
        "keep_photos": terms.keep_photos,
        "expires_at": timezone.now() + timedelta(days=days),
    }


def _lane(partner: Partner | None, terms: PartnerTerms | None) -> str:
    if partner is None:
        return Lane.PATIENT
    return terms.lane if terms else Lane.PARTNER


def _case_create(answers: Mapping[str, Any], language: str, **fields) -> Case:
    """The answers alone already give a tier; the photos can only raise it."""
    first = triage.assess(answers=answers, prediction=None)
    case = Case(
        answers=dict(answers),
        language=language,
        country=answers["country"],
        body_site=answers["site"],
        skin_type=answers.get("skin_type", ""),
        warning_signs=triage.tier_rank(first.tier) >= triage.tier_rank("urgent"),
        **fields,
    )
    case_apply_triage(case=case, result=first)
    fields_check(row=case)
    case.save()
    return case


def image_create(*, case: Case, position: int, photo: InspectedPhoto, stored: list[str]) -> None:
    """Store one photo of a case; the name of its file is added to `stored`."""
    image = CaseImage(
        case=case,
        position=position,
        shot=photo.shot,
        face=photo.face,
        sha256=photo.sha256,
        pixel_sha256=photo.pixel_sha256,
        width=photo.width,
        height=photo.height,
    )
    image.file.save("photo.jpg", ContentFile(photo.jpeg), save=False)
    stored.append(str(image.file.name))
    fields_check(row=image)
    image.save()


def may_submit(*, patient: User) -> bool:
    """False for somebody who has sent more cases within an hour than any patient needs."""
    since = timezone.now() - timedelta(hours=1)
    return Case.objects.filter(patient=patient, created_at__gt=since).count() < settings.MAX_CASES_PER_HOUR
