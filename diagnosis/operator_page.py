"""What an operator sees at a glance: licences to check, late reviews, releases, retention. Counts only, no person."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import DermatologistProfile
from diagnosis.active_release import active_release
from diagnosis.models import Case, PendingDeletion, ReviewState, Tier
from diagnosis.presentation import accuracy_text
from ml.releases.loader import ReleaseError, list_releases, release_info


def operator_page() -> dict[str, Any]:
    """The values of templates/diagnosis/operator_overview.html."""
    waiting = Case.objects.awaiting_review()
    return {
        "licences": DermatologistProfile.objects.filter(verified_at=None, refused_at=None).count(),
        "waiting": waiting.count(),
        "late": waiting.filter(review_due_at__lt=timezone.now()).count(),
        "asked": Case.objects.filter(review_state=ReviewState.PHOTOS).count(),
        "blind": settings.BLIND_FIRST_READ,
        "second_read": [_tier(one) for one in settings.SECOND_READ_TIERS],
        "hours": [(_tier(one), hours) for one, hours in settings.REVIEW_DEADLINE_HOURS.items()],
        "retention_days": settings.RETENTION_DAYS_WITHOUT_STORAGE_CONSENT,
        "expired": Case.objects.expired().count(),
        "pending_files": PendingDeletion.objects.count(),
        "releases": [_release(name) for name in list_releases()],
    }


def _tier(code: str) -> str:
    """The name of a tier, or of what is none: the cases that were flagged for review."""
    return str(Tier(code).label) if code in Tier.values else _("Flagged cases")


def _release(name: str) -> dict[str, Any]:
    try:
        info = release_info(name)
    except ReleaseError as error:
        return {"name": name, "active": False, "unreadable": str(error), "non_commercial": False}
    return {
        "name": name,
        "active": name == active_release(),
        "accuracy": accuracy_text(info),
        "non_commercial": info["licence"]["non_commercial"],
    }
