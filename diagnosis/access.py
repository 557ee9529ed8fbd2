"""The one door: views, API and tasks reach a case, photo, heat map or report only through here.

What one may not see does not exist (404); every read of a case or file is written to the access log.
Pattern: sissbruecker/linkding `bookmarks/views/access.py`.
"""

from __future__ import annotations

import uuid

from django.db.models import QuerySet
from django.http import Http404

from accounts.models import Partner, PartnerKey, User
from accounts.services import access_record
from diagnosis.models import (
    Analysis,
    Case,
    CaseImage,
    CaseQuerySet,
    IntakePhoto,
    PhotoFinding,
    Upload,
    WebhookDelivery,
    WebhookEndpoint,
)
from reports.models import Report
from smartderma.storage import file_response as file_response

CASE_PARTS = ("images", "analyses__predictions", "analyses__findings__image", "reviews", "events", "reports")


def case_list(user: User) -> CaseQuerySet:
    """The cases a person may open, newest first."""
    return Case.objects.visible_to(user)


def case_get(user: User, case_id: uuid.UUID) -> Case:
    """A case with all its parts, for a person who may see it. Raises Http404 otherwise."""
    case = _one(Case.objects.visible_to(user).select_related("patient").prefetch_related(*CASE_PARTS), case_id)
    access_record(actor=user, subject=case.patient, action="open", obj=case)
    return case


def case_status(user: User, case_id: uuid.UUID) -> Case:
    """A case for its progress line; polled, hence not logged each time. Raises Http404."""
    return _one(Case.objects.visible_to(user).prefetch_related("analyses"), case_id)


def case_for_task(case_id: uuid.UUID | str) -> Case | None:
    """A case with all its parts for a worker, None when it was erased meanwhile. No person reads: nothing is logged."""
    return Case.objects.select_related("patient").prefetch_related(*CASE_PARTS).filter(pk=case_id).first()


def partner_analysis_get(key: PartnerKey, analysis_id: uuid.UUID) -> Analysis:
    """An analysis of the key's partner. Raises Http404 otherwise."""
    analyses = Analysis.objects.of_key(key).select_related("case").prefetch_related("predictions", "findings")
    return _one(analyses, analysis_id)


def image_get(user: User, image_id: uuid.UUID) -> CaseImage:
    image = _one(CaseImage.objects.visible_to(user).select_related("case__patient"), image_id)
    access_record(actor=user, subject=image.case.patient, action="photo", obj=image)
    return image


def heatmap_get(user: User, finding_id: int) -> PhotoFinding:
    findings = PhotoFinding.objects.visible_to(user).exclude(heatmap="").select_related("image__case__patient")
    finding = _one(findings, finding_id)
    access_record(actor=user, subject=finding.image.case.patient, action="heatmap", obj=finding)
    return finding


def report_get(user: User, report_id: uuid.UUID) -> Report:
    report = _one(Report.objects.visible_to(user).select_related("case__patient"), report_id)
    access_record(actor=user, subject=report.case.patient, action="report", obj=report)
    return report


def upload_get(owner: User | Partner, upload_id: uuid.UUID) -> Upload:
    """A file that this person or partner is sending. Raises Http404, also once its time is over."""
    return _one(Upload.objects.owned_by(owner).alive(), upload_id)


def report_to_verify(*, code: str = "", sha256: str = "") -> Report | None:
    """A report for the public check, which says nothing of its case: by its code, or by the hash of its file.

    Whoever holds either holds the report. No person and no health data is shown, so nothing is logged.
    """
    wanted = {"code": code} if code else {"sha256": sha256}
    return Report.objects.filter(**wanted).first()


def intake_photos(user: User, submission_key: uuid.UUID) -> list[IntakePhoto]:
    """The photos of a person that wait under this key, in the order they came."""
    return list(IntakePhoto.objects.owned_by(user).alive().of_submission(submission_key))


def intake_photo_get(user: User, photo_id: uuid.UUID) -> IntakePhoto:
    """A waiting photo of this person; nobody else may see it. Raises Http404."""
    return _one(IntakePhoto.objects.owned_by(user).alive(), photo_id)


def intake_photo_of_upload(user: User, upload_id: uuid.UUID) -> IntakePhoto | None:
    """The photo that an upload has become, None while it has not."""
    return IntakePhoto.objects.owned_by(user).alive().filter(source=upload_id).first()


def case_sent(user: User, submission_key: uuid.UUID) -> Case | None:
    """The case that this person already sent under this key."""
    return Case.objects.visible_to(user).filter(submission_key=submission_key).first()


def webhook_endpoints(who: PartnerKey | User) -> QuerySet[WebhookEndpoint]:
    """The endpoints that a key may manage, or those of the partners whose contact a person is; newest first."""
    endpoints = WebhookEndpoint.objects
    return endpoints.of_key(who) if isinstance(who, PartnerKey) else endpoints.of_contact(who)


def webhook_endpoint_get(who: PartnerKey | User, endpoint_id: uuid.UUID) -> WebhookEndpoint:
    """One of `webhook_endpoints`. Raises Http404 otherwise."""
    return _one(webhook_endpoints(who), endpoint_id)


def webhook_deliveries(who: PartnerKey | User) -> QuerySet[WebhookDelivery]:
    """The messages to those endpoints, with their tries; newest first."""
    found = WebhookDelivery.objects.filter(endpoint__in=webhook_endpoints(who))
    return found.select_related("endpoint").prefetch_related("tries")


def webhook_delivery_get(who: PartnerKey | User, delivery_id: uuid.UUID) -> WebhookDelivery:
    """One of `webhook_deliveries`. Raises Http404 otherwise."""
    return _one(webhook_deliveries(who), delivery_id)


def photo_bytes(case: Case) -> list[bytes]:
    """The stored photos of a case in order, for the worker."""
    return [_read(image) for image in case.images.all()]


def _one(queryset: QuerySet, pk: uuid.UUID | int):
    found = queryset.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def _read(image: CaseImage) -> bytes:
    with image.file.open("rb") as file:
        return file.read()
