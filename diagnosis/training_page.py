"""What operators see of exports for training: counts and reasons in words."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from diagnosis.models import OperatorEvent, TrainingExport
from diagnosis.names import condition_label

NEWEST = 20
REASONS = {
    "not_signed": _("Not signed by a dermatologist"),
    "sandbox": _("Made with a sandbox key"),
    "partner": _("Sent by a partner, whose patients were not asked"),
    "demo": _("Demo account"),
    "no_consent": _("No consent to research, or taken back"),
    "being_read_again": _("Being read by another dermatologist"),
    "cannot_judge": _("The dermatologist could not judge the photos"),
    "other_diagnosis": _("Signed diagnosis is no condition of a release"),
    "no_photos": _("The photos are gone"),
    "face_kept": _("The face stays in the photo."),
    "face_unknown": _("Nobody has looked for faces in the photo"),
    "other_release": _("Judged by another release"),
}
Kind = OperatorEvent.Kind


def training_page() -> dict[str, Any]:
    """The values of templates/diagnosis/training_exports.html, the form aside."""
    kinds = [Kind.EXPORT_ASKED, Kind.EXPORT_READY, Kind.EXPORT_FAILED, Kind.EXPORT_FETCHED, Kind.EXPORT_DROPPED]
    return {
        "exports": [_export(row) for row in TrainingExport.objects.select_related("requested_by")[:NEWEST]],
        "events": OperatorEvent.objects.filter(kind__in=kinds).select_related("actor")[:NEWEST],
        "hours": settings.EXPORT_HOURS,
    }


def _export(row: TrainingExport) -> dict[str, Any]:
    left_out = row.counts.get("left_out", {})
    return {
        "row": row,
        "labels": [(condition_label(slug), n) for slug, n in row.counts.get("labels", {}).items()],
        "left_out": [(REASONS.get(reason, reason), n) for reason, n in left_out.items()],
    }
