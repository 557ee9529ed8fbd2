"""Cases and everything that happens to them. Writes go through services/, reads through access.py."""

from diagnosis.models.analyses import (
    Analysis,
    AnalysisQuerySet,
    FindingQuerySet,
    Lane,
    MemberMap,
    PhotoFinding,
    Prediction,
    heatmap_key,
)
from diagnosis.models.cases import (
    Case,
    CaseEvent,
    CaseImage,
    CaseQuerySet,
    EventKind,
    Outcome,
    PendingDeletion,
    ReviewState,
    Shot,
    Tier,
    VisibleQuerySet,
    photo_key,
)
from diagnosis.models.desk import NoteTemplate, SavedView
from diagnosis.models.intake import FaceChoice, IntakePhoto, IntakePhotoQuerySet, intake_key
from diagnosis.models.lesions import Lesion, LesionNote, LesionQuerySet, Reminder
from diagnosis.models.messages import AttachmentQuerySet, Message, MessageAttachment, MessageQuerySet, attachment_key
from diagnosis.models.notifications import MutedNotice, Notice, NoticeKind, NoticeQuerySet
from diagnosis.models.partner_api import AnsweredRequest, Batch, BatchItem, PartnerRowQuerySet
from diagnosis.models.reviews import FirstOpinion, PhotoRequest, Read, Review
from diagnosis.models.uploads import OwnedQuerySet, Upload, UploadPart, owner_fields
from diagnosis.models.vectors import AnalysisVector
from diagnosis.models.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent

__all__ = [
    "Analysis",
    "AnalysisQuerySet",
    "AnalysisVector",
    "AnsweredRequest",
    "AttachmentQuerySet",
    "Batch",
    "BatchItem",
    "Case",
    "CaseEvent",
    "CaseImage",
    "CaseQuerySet",
    "EventKind",
    "FaceChoice",
    "FindingQuerySet",
    "FirstOpinion",
    "IntakePhoto",
    "IntakePhotoQuerySet",
    "Lane",
    "Lesion",
    "LesionNote",
    "LesionQuerySet",
    "MemberMap",
    "Message",
    "MessageAttachment",
    "MessageQuerySet",
    "MutedNotice",
    "NoteTemplate",
    "Notice",
    "NoticeKind",
    "NoticeQuerySet",
    "Outcome",
    "OwnedQuerySet",
    "PartnerRowQuerySet",
    "PendingDeletion",
    "PhotoFinding",
    "PhotoRequest",
    "Prediction",
    "Read",
    "Reminder",
    "Review",
    "ReviewState",
    "SavedView",
    "Shot",
    "Tier",
    "Upload",
    "UploadPart",
    "VisibleQuerySet",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "attachment_key",
    "heatmap_key",
    "intake_key",
    "owner_fields",
    "photo_key",
]
