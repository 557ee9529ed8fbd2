"""Steps that several services share: the error of a wrong state, the tier of a case, the report to send."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db.models import Model

from diagnosis import triage
from diagnosis.models import Case, WebhookEndpoint, WebhookEvent
from ml.taxonomy import TIERS


class WrongState(Exception):
    """The row is not in a state that allows this step; the message says so in plain words."""


def case_apply_triage(*, case: Case, result: triage.Triage) -> None:
    """Raise the case to the new tier; nothing lowers it."""
    rank = max(TIERS.index(result.tier), case.tier_rank or 0)
    case.tier, case.tier_rank = TIERS[rank], rank
    case.fired_rules = [{"code": rule.code, "tier": rule.tier, "detail": rule.detail} for rule in result.fired]
    case.needs_review = case.needs_review or result.needs_review
    case.review_reasons = sorted(set(case.review_reasons) | set(result.review_reasons))
    if case.review_requested_at and case.review_due_at:
        case.review_due_at = min(case.review_due_at, review_due(case=case, start=case.review_requested_at))


def review_due(*, case: Case, start: datetime) -> datetime:
    """By when a dermatologist should have looked at a case that is theirs since `start`."""
    hours = settings.REVIEW_DEADLINE_HOURS
    return triage.review_deadline(case.tier, start=start, flagged=case.needs_review, hours=hours)


def fields_check(*, row: Model) -> None:
    """`full_clean` without a query: relations, uniqueness and constraints are the database's. Raises
    ValidationError.
    """
    relations = [field.name for field in row._meta.concrete_fields if field.is_relation]
    row.full_clean(exclude=relations, validate_unique=False, validate_constraints=False)


def report_owners(endpoints: Iterable[WebhookEndpoint]) -> set[tuple[uuid.UUID | None, bool]]:
    """(partner, sandbox) of those whose reports are made unasked: patients, and who hears of `report.ready`.

    `endpoints`: the active ones. Other partners fetch few of their reports; drawing one costs several times the work of
    judging the photo, and is done when it is asked for (docs/decisions/0020).
    """
    hearing = [endpoint for endpoint in endpoints if endpoint.wants(WebhookEvent.REPORT_READY)]
    return {(None, False), *((endpoint.partner_id, endpoint.sandbox) for endpoint in hearing)}


def report_send(*, case: Case) -> None:
    """Have the report made, after commit."""
    from reports.tasks import render_report_task  # reports import diagnosis

    render_report_task.delay_on_commit(str(case.pk))
