"""Cases and everything that happens to them. Writes go through services/, reads through access.py."""

from diagnosis.models.analyses import Analysis, AnalysisQuerySet, FindingQuerySet, PhotoFinding, Prediction, heatmap_key
from diagnosis.models.cases import (
    Case,
    CaseEvent,
    CaseImage,
    CaseQuerySet,
    EventKind,
    Lesion,
    Outcome,
    PendingDeletion,
    Shot,
    Tier,
    VisibleQuerySet,
    photo_key,
)
from diagnosis.models.reviews import Review
from diagnosis.models.uploads import OwnedQuerySet, Upload, UploadPart, owner_fields
from diagnosis.models.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent

__all__ = [
    "Analysis",
    "AnalysisQuerySet",
    "Case",
    "CaseEvent",
    "CaseImage",
    "CaseQuerySet",
    "EventKind",
    "FindingQuerySet",
    "Lesion",
    "Outcome",
    "OwnedQuerySet",
    "PendingDeletion",
    "PhotoFinding",
    "Prediction",
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
    "heatmap_key",
    "owner_fields",
    "photo_key",
]
