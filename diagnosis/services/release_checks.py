"""Checks of releases whose message was lost."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from diagnosis.models import ModelRelease
from diagnosis.services.releases import release_check_send

LOST_AFTER = timedelta(minutes=15)  # a check takes six at most, and then leaves the state WAITING


def release_checks_sweep() -> int:
    """Ask again for checks that nobody has done; a second message of one does no harm. Returns how many."""
    now = timezone.now()
    waiting = ModelRelease.objects.filter(check_state=ModelRelease.Check.WAITING)
    lost = list(waiting.filter(asked_at__lt=now - LOST_AFTER))
    for release in lost:
        waiting.filter(pk=release.pk).update(asked_at=now)
        release_check_send(release_id=release.pk)
    return len(lost)
