"""The one door: views, API and tasks reach a case, photo, heat map or report only through here.

What one may not see does not exist (404); every read of a case or file is written to the access log.
Pattern: sissbruecker/linkding `bookmarks/views/access.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db.models import (
    Count,
    F,
    FilteredRelation,
    Max,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    prefetch_related_objects,
)
from django.db.models.functions import Coalesce
from django.http import Http404

from accounts.models import PartnerKey, Role, User
from accounts.services import access_record
from diagnosis import blind
from diagnosis.models import (
    Analysis,
    AnalysisQuerySet,
    Batch,
    Case,
    CaseImage,
    CaseQuerySet,
    IntakePhoto,
    Lesion,
    LesionQuerySet,
    MemberMap,
    Message,
    MessageAttachment,
    MessageQuerySet,
    NoteTemplate,
    PhotoFinding,
    Review,
    SavedView,
    Upload,
    WebhookDelivery,
    WebhookEndpoint,
)
from reports.models import Report
from smartderma.storage import file_response as file_response

STARTED_PARTS = ("images", "analyses", "reviews")
RESULT_PARTS = (
    "analyses__predictions",
    Prefetch("analyses__findings", PhotoFinding.objects.select_related("image").with_map_names()),
)
CASE_PARTS = (*STARTED_PARTS, *RESULT_PARTS)
PARTNER_PARTS = ("predictions", "findings", "case__reviews")  # what the API shows of an analysis
VISIT_PARTS = ("images", "analyses__predictions", "reviews")  # what a line of a spot's timeline shows


def case_list(user: User) -> CaseQuerySet:
    """The cases a person may open, newest first."""
    return Case.objects.visible_to(user)


def case_get(user: User, case_id: uuid.UUID) -> Case:
    """A case with all its parts, for a person who may see it and the model's result. Raises Http404 otherwise."""
    return _open_only(user, _case_read(user, case_id))


def review_case_get(user: User, case_id: uuid.UUID) -> Case:
    """A case for the review screen, which hides the model itself while `blind.model_is_open` says no."""
    return _case_read(user, case_id)


def related_case_get(user: User, case_id: uuid.UUID) -> Case:
    """A case for what the review screen shows beside it; not logged once more. Raises Http404."""
    return _with_own_first(user, Case.objects.visible_to(user).prefetch_related("images", "analyses"), case_id)


def _case_read(user: User, case_id: uuid.UUID) -> Case:
    cases = Case.objects.visible_to(user).select_related("patient", "review_holder__dermatologist", "lesion")
    case = _with_own_first(user, cases.prefetch_related(*STARTED_PARTS), case_id)
    if any(analysis.outcome for analysis in case.analyses.all()):
        prefetch_related_objects([case], *RESULT_PARTS)
    access_record(actor=user, subject=case.patient, action="open", obj=case)
    return case


def _with_own_first(user: User, cases: CaseQuerySet, case_id: uuid.UUID) -> Case:
    """One of the cases with `own_first`, the first opinion of this person that `blind` asks for; None without one."""
    own = FilteredRelation("first_opinions", condition=Q(first_opinions__reader=user.pk))
    newest_first = cases.annotate(own_first=own).select_related("own_first").order_by("-own_first__photos")
    case = _one(newest_first, case_id)
    case.own_first = getattr(case, "own_first", None)  # a join that finds nothing leaves nothing
    return case


def case_status(user: User, case_id: uuid.UUID) -> Case:
    """A case for its progress line; polled, hence not logged each time. Raises Http404."""
    return _one(Case.objects.visible_to(user).prefetch_related("analyses"), case_id)


def case_for_task(case_id: uuid.UUID | str) -> Case | None:
    """A case with all its parts for a worker, None when it was erased meanwhile. No person reads: nothing is logged."""
    return Case.objects.select_related("patient").prefetch_related(*CASE_PARTS).filter(pk=case_id).first()


def partner_keys(user: User) -> QuerySet[PartnerKey]:
    """The keys of the partners whose contact a person is, newest first."""
    keys = PartnerKey.objects.filter(partner__contact=user, partner__active=True)
    return keys.select_related("partner").order_by("-created_at", "-pk")


def partner_key_get(user: User, key_id: uuid.UUID) -> PartnerKey:
    """One of `partner_keys`. Raises Http404 otherwise."""
    return _one(partner_keys(user), key_id)


def partner_analyses(key: PartnerKey) -> AnalysisQuerySet:
    """The analyses of a key's partner by the age of their cases, newest first, with what a list shows of them."""
    found = Analysis.objects.of_key(key).annotate(sent_at=F("case__created_at"))
    return found.select_related("case").prefetch_related(*PARTNER_PARTS)


def partner_analysis_get(key: PartnerKey, analysis_id: uuid.UUID) -> Analysis:
    """An analysis of the key's partner; polled, hence not logged each time. Raises Http404 otherwise."""
    return _one(partner_analyses(key), analysis_id)


def partner_analysis_if_over(key: PartnerKey, analysis_id: uuid.UUID) -> Analysis | None:
    """The same once there is no more to wait for; None until then, for one query. Raises Http404."""
    analysis = _one(Analysis.objects.of_key(key).select_related("case"), analysis_id)
    if not analysis.is_over:
        return None
    prefetch_related_objects([analysis], *PARTNER_PARTS)
    return analysis


def partner_cases(key: PartnerKey) -> CaseQuerySet:
    """The cases of a key's partner, newest first, with what a list shows of them."""
    return Case.objects.of_key(key).prefetch_related("images", "analyses", "reviews")


def partner_images(key: PartnerKey) -> QuerySet[CaseImage]:
    """The photos of a key's partner, newest first."""
    return CaseImage.objects.of_key(key).order_by("-created_at", "-pk")


def partner_image_get(key: PartnerKey, image_id: uuid.UUID) -> CaseImage:
    """One of `partner_images`. Raises Http404 otherwise."""
    return _one(partner_images(key), image_id)


def partner_image_open(key: PartnerKey, image_id: uuid.UUID) -> CaseImage:
    """The same for reading its pixels, which is logged. Raises Http404 also when the photo is gone."""
    image = _one(partner_images(key).exclude(file=""), image_id)
    access_record(actor=None, partner=key.partner, subject=None, action="photo", obj=image)
    return image


def partner_reviews(key: PartnerKey) -> QuerySet[Review]:
    """Signed opinions on a partner's cases, newest first."""
    return Review.objects.of_key(key).order_by("-signed_at", "-pk")


def partner_review_get(key: PartnerKey, review_id: uuid.UUID) -> Review:
    """One of `partner_reviews`. Raises Http404 otherwise."""
    return _one(partner_reviews(key), review_id)


def partner_reports(key: PartnerKey) -> QuerySet[Report]:
    """The reports of a partner's cases, newest first."""
    return Report.objects.of_key(key).order_by("-created_at", "-pk")


def partner_report_get(key: PartnerKey, report_id: uuid.UUID) -> Report:
    """One of `partner_reports`, logged. Raises Http404 otherwise."""
    report = _one(partner_reports(key), report_id)
    access_record(actor=None, partner=key.partner, subject=None, action="report", obj=report)
    return report


def partner_batches(key: PartnerKey) -> QuerySet[Batch]:
    """The batches of a partner, newest first."""
    return Batch.objects.of_key(key).order_by("-created_at", "-pk")


def partner_batch_get(key: PartnerKey, batch_id: uuid.UUID) -> Batch:
    """One of `partner_batches`. Raises Http404 otherwise."""
    return _one(partner_batches(key), batch_id)


def partner_case_get(key: PartnerKey, case_id: uuid.UUID) -> Case:
    """A case of the key's partner with all its parts. Raises Http404 otherwise."""
    case = _one(Case.objects.of_key(key).prefetch_related(*CASE_PARTS), case_id)
    access_record(actor=None, partner=key.partner, subject=None, action="open", obj=case)
    return case


def linked_file(kind: str, pk: uuid.UUID) -> CaseImage | Report:
    """The photo or report of a signed link (diagnosis/links.py), whose signature is the right to it. Raises Http404."""
    rows = CaseImage.objects.all() if kind == "photo" else Report.objects.all()
    row = _one(rows.select_related("case__partner", "case__patient"), pk)
    access_record(actor=None, partner=row.case.partner, subject=row.case.patient, action=f"{kind}_link", obj=row)
    return row


def image_get(user: User, image_id: uuid.UUID) -> CaseImage:
    image = _one(CaseImage.objects.visible_to(user).select_related("case__patient"), image_id)
    access_record(actor=user, subject=image.case.patient, action="photo", obj=image)
    return image


def heatmap_get(user: User, finding_id: int) -> PhotoFinding:
    findings = PhotoFinding.objects.visible_to(user).exclude(heatmap="").select_related("image__case__patient")
    finding = _one(findings, finding_id)
    _open_only(user, finding.image.case)
    access_record(actor=user, subject=finding.image.case.patient, action="heatmap", obj=finding)
    return finding


def member_map_get(user: User, finding_id: int, member: str) -> MemberMap:
    """Where one network looked on one photo. Raises Http404 where there is no such map for this person."""
    finding = _one(PhotoFinding.objects.visible_to(user).select_related("image__case__patient"), finding_id)
    _open_only(user, finding.image.case)
    access_record(actor=user, subject=finding.image.case.patient, action="heatmap", obj=finding)
    return _found(finding.member_maps.filter(member=member))


def report_get(user: User, report_id: uuid.UUID) -> Report:
    report = _one(Report.objects.visible_to(user).select_related("case__patient"), report_id)
    _open_only(user, report.case)
    access_record(actor=user, subject=report.case.patient, action="report", obj=report)
    return report


def upload_get(owner: User | PartnerKey, upload_id: uuid.UUID) -> Upload:
    """A file that this person or key is sending. Raises Http404, also once its time is over."""
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


def lesion_list(user: User) -> LesionQuerySet:
    """The spots that a person may open, newest first."""
    return Lesion.objects.visible_to(user)


def lesion_get(user: User, lesion_id: uuid.UUID, parts: Sequence[str] = VISIT_PARTS) -> Lesion:
    """A spot with `visits`: those of its cases that this person may see, with their `parts`, oldest first.

    Raises Http404 otherwise.
    """
    lesion = _one(Lesion.objects.visible_to(user).select_related("patient", "reminder"), lesion_id)
    cases = Case.objects.visible_to(user).filter(lesion=lesion).prefetch_related(*parts)
    lesion.visits = list(cases.order_by("created_at", "pk"))
    access_record(actor=user, subject=lesion.patient, action="lesion", obj=lesion)
    return lesion


def thread_get(user: User, case_id: uuid.UUID) -> Case:
    """A case of a patient for its messages. Raises Http404 otherwise; a partner's patient could not read any."""
    case = _one(Case.objects.visible_to(user).filter(patient__isnull=False).select_related("patient"), case_id)
    access_record(actor=user, subject=case.patient, action="messages", obj=case)
    return case


def thread_messages(user: User, case: Case) -> MessageQuerySet:
    """What this person may read in a thread of `thread_get`: not what another reader wrote, while that is closed."""
    messages = Message.objects.visible_to(user).filter(case=case).select_related("author")
    if not blind.reads_are_open(user=user, case=case):
        messages = messages.filter(Q(from_patient=True) | Q(author=user))
    return messages.prefetch_related("attachments")


def thread_list(user: User) -> CaseQuerySet:
    """Cases with messages that concern this person, each with `last_at` and `new_messages` for this person."""
    messages = Message.objects.filter(case=OuterRef("pk")).order_by()
    unread = messages.unread().filter(from_patient=user.role != Role.PATIENT)
    mine = Message.objects.concerning(user).order_by().values("case")
    return (
        Case.objects.visible_to(user)
        .filter(pk__in=mine)
        .annotate(
            last_at=Subquery(messages.values("case").annotate(at=Max("sent_at")).values("at")),
            new_messages=Coalesce(Subquery(unread.values("case").annotate(n=Count("pk")).values("n")), 0),
        )
    )


def attachment_get(user: User, attachment_id: uuid.UUID) -> MessageAttachment:
    attachments = MessageAttachment.objects.visible_to(user).select_related("message__case__patient")
    attachment = _one(attachments, attachment_id)
    _one(thread_messages(user, attachment.message.case), attachment.message_id)
    access_record(actor=user, subject=attachment.message.case.patient, action="attachment", obj=attachment)
    return attachment


def photo_bytes(case: Case) -> list[bytes]:
    """The stored photos of a case in order, for the worker."""
    return [_read(image) for image in case.images.all()]


def saved_view_get(user: User, view_id: int) -> SavedView:
    """A person's own filters. Raises Http404 otherwise."""
    return _found(user.saved_views.filter(pk=view_id))


def saved_views(user: User) -> QuerySet[SavedView]:
    """A person's own filters of the queue."""
    return SavedView.objects.filter(user=user)


def note_templates(user: User) -> QuerySet[NoteTemplate]:
    """Texts for notes: those of the house and the person's own."""
    return NoteTemplate.objects.filter(Q(owner=None) | Q(owner=user))


def note_template_get(user: User, template_id: int) -> NoteTemplate:
    """A person's own text. Raises Http404 otherwise."""
    return _found(user.note_templates.filter(pk=template_id))


def _open_only(user: User, case: Case) -> Case:
    """Blind first read: what shows the model's result does not exist before a first opinion."""
    if not blind.model_is_open(user=user, case=case):
        raise Http404
    return case


def _found(queryset: QuerySet):
    found = queryset.first()
    if found is None:
        raise Http404
    return found


def _one(queryset: QuerySet, pk: uuid.UUID | int):
    found = queryset.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def _read(image: CaseImage) -> bytes:
    with image.file.open("rb") as file:
        return file.read()
