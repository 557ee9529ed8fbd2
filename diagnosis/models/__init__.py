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
    "PendingDeletion",
    "PhotoFinding",
    "Prediction",
    "Review",
    "Shot",
    "Tier",
    "VisibleQuerySet",
    "heatmap_key",
    "photo_key",
]
