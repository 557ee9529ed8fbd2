"""Celery tasks: thin, ids in, safe to run twice (rule 4 of the design)."""

from __future__ import annotations

import structlog
from celery import shared_task

from accounts import services_export
from accounts.models import DataExport

log = structlog.get_logger(__name__)


@shared_task(soft_time_limit=600, time_limit=630)
def build_export_task(export_id: str) -> None:
    """Claim, write, store. What fails is marked and raised again; the person may ask once more."""
    export = DataExport.objects.claim(export_id)
    if export is None:
        log.info("export_already_taken")
        return
    try:
        services_export.export_build(export=export)
    except Exception:
        services_export.export_fail(export=export)
        raise


@shared_task(soft_time_limit=120, time_limit=150)
def sweep_exports_task() -> None:
    """Beat calls this; see `services_export.exports_sweep`."""
    counts = services_export.exports_sweep()
    if any(counts.values()):
        log.info("exports_swept", **counts)
