"""Celery tasks: thin, ids in, safe to run twice (rule 4 of the design)."""

from __future__ import annotations

import structlog
from celery import shared_task

from diagnosis import access
from reports import services

log = structlog.get_logger(__name__)


@shared_task(soft_time_limit=30, time_limit=45)
def render_report_task(case_id: str) -> None:
    """Make the report of a case in its own language, so that it is there when somebody asks for it."""
    case = access.case_for_task(case_id)
    if case is None:
        log.info("report_case_erased", case=case_id)
        return
    try:
        services.report_render(case=case)
    except services.ReportNotReady:
        log.info("report_not_ready", case=case_id)


@shared_task(soft_time_limit=60, time_limit=90)
def sweep_reports_task() -> None:
    """Beat calls this: reports that a lost message or a dead worker left unmade are asked for again."""
    missing = services.reports_missing()
    for case_id in missing:
        render_report_task.delay_on_commit(str(case_id))
    if missing:
        log.warning("reports_missing", count=len(missing))
