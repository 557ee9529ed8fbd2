"""Cases and everything that happens to them. Writes go through services/, reads through access.py."""

from diagnosis.models.analyses import Analysis, AnalysisQuerySet, FindingQuerySet, PhotoFinding, Prediction, heatmap_key
from diagnosis.models.cases import (
    Case,
    CaseEvent,
    CaseImage,
    CaseQuerySet,
    EventKind,
    Outcome,
    PendingDeletion,
    Shot,
    Tier,
    VisibleQuerySet,
    photo_key,
)
from diagnosis.models.lesions import Lesion, LesionNote, LesionQuerySet, Reminder
from diagnosis.models.messages import AttachmentQuerySet, Message, MessageAttachment, MessageQuerySet, attachment_key
from diagnosis.models.notifications import MutedNotice, Notice, NoticeKind, NoticeQuerySet
from diagnosis.models.reviews import Review
from diagnosis.models.uploads import OwnedQuerySet, Upload, UploadPart, owner_fields
from diagnosis.models.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent

__all__ = [
    "Analysis",
    "AnalysisQuerySet",
    "AttachmentQuerySet",
    "Case",
    "CaseEvent",
    "CaseImage",
    "CaseQuerySet",
    "EventKind",
    "FindingQuerySet",
    "Lesion",
    "LesionNote",
    "LesionQuerySet",
    "Message",
    "MessageAttachment",
    "MessageQuerySet",
    "MutedNotice",
    "Notice",
    "NoticeKind",
    "NoticeQuerySet",
    "Outcome",
    "OwnedQuerySet",
    "PendingDeletion",
    "PhotoFinding",
    "Prediction",
    "Reminder",
    "Review",
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
    "owner_fields",
    "photo_key",
]
