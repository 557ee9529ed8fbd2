"""The queue of cases, page by page. A page starts after the last row of the one before: no OFFSET, no COUNT, so that
the first page costs the same with a million cases.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import User
from diagnosis import access
from diagnosis.models import Case, CaseQuerySet, Review, ReviewState
from ml.taxonomy import TIERS

PAGE_SIZE = 25
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIELDS = {"site": "body_site", "skin": "skin_type", "language": "language", "partner": "partner"}


@dataclass(frozen=True)
class QueuePage:
    """Some cases in order. `after` leads to the next page, "" on the last."""

    cases: list[Case]
    after: str


def queue_page(user: User, filters: Mapping[str, Any], after: str = "") -> QueuePage:
    """The cases after the mark `after` ("" or nonsense: from the start). `filters`: cleaned data of `QueueForm`."""
    cases = _filtered(access.case_list(user), user, filters)
    by_time = filters.get("show") in {"signed", "photos"}
    rows = _newest(cases, after) if by_time else _most_urgent(cases, after)
    shown = rows[:PAGE_SIZE]
    more = len(rows) > PAGE_SIZE
    return QueuePage(cases=shown, after=(_time_mark if by_time else _queue_mark)(shown[-1]) if more else "")


def _filtered(cases: CaseQuerySet, user: User, filters: Mapping[str, Any]) -> CaseQuerySet:
    if filters.get("q"):
        return cases.filter(pk__range=_ids_of(filters["q"]))
    show = filters.get("show") or "waiting"
    cases = _shown(cases, user, show)
    cases = cases.filter(**{field: filters[name] for name, field in FIELDS.items() if filters.get(name)})
    if filters.get("tier"):
        cases = _of_tier(cases, filters["tier"], may_be_signed=show in {"mine", "signed"})
    if filters.get("read"):
        cases = cases.filter(review_state=filters["read"])
    if filters.get("signs"):
        cases = cases.filter(warning_signs=True)
    if filters.get("late"):
        cases = cases.filter(review_due_at__lt=timezone.now())
    return cases.select_related("partner", "review_holder__dermatologist").prefetch_related("images", "reviews")


def _of_tier(cases: CaseQuerySet, tier: str, *, may_be_signed: bool) -> CaseQuerySet:
    """By the tier that the row wears: of a signed case the signed one, see `Case.standing_tier`."""
    if not may_be_signed:
        return cases.filter(tier_rank=TIERS.index(tier))  # the first column of the index
    signed = Review.objects.filter(case=OuterRef("pk")).order_by("-version").values("tier")[:1]
    return cases.annotate(worn=Coalesce(Subquery(signed), F("tier"))).filter(worn=tier)


def _ids_of(reference: str) -> tuple[uuid.UUID, uuid.UUID]:
    """The first and the last id whose first eight digits are a reference: found through the primary key."""
    return uuid.UUID(f"{reference}{'0' * 24}"), uuid.UUID(f"{reference}{'F' * 24}")


def _shown(cases: CaseQuerySet, user: User, show: str) -> CaseQuerySet:
    if show == "mine":
        return cases.filter(review_holder=user, review_lease_until__gt=timezone.now())
    if show == "photos":
        return cases.filter(review_state=ReviewState.PHOTOS)
    if show == "signed":
        return cases.filter(review_state=ReviewState.DONE)
    return cases.awaiting_review()


def _most_urgent(cases: CaseQuerySet, after: str) -> list[Case]:
    """One row more than a page. Two questions instead of one with OR: each walks the index from a known place."""
    wanted = PAGE_SIZE + 1
    mark = _parsed(after, 3)
    if mark is None:
        return list(cases.urgent_first()[:wanted])
    rank, due, pk = mark
    same = cases.filter(tier_rank=rank, review_due_at__gte=due).exclude(review_due_at=due, pk__lte=pk)
    rows = list(same.urgent_first()[:wanted])
    if len(rows) < wanted:
        rows += cases.filter(tier_rank__lt=rank).urgent_first()[: wanted - len(rows)]
    return rows


def _newest(cases: CaseQuerySet, after: str) -> list[Case]:
    mark = _parsed(after, 2)
    if mark:
        at, pk = mark
        cases = cases.filter(created_at__lte=at).exclude(created_at=at, pk__gte=pk)
    return list(cases.order_by("-created_at", "-pk")[: PAGE_SIZE + 1])


def _queue_mark(case: Case) -> str:
    return f"{case.tier_rank}.{_micros(case.review_due_at)}.{case.pk.hex}"


def _time_mark(case: Case) -> str:
    return f"{_micros(case.created_at)}.{case.pk.hex}"


def _micros(at: datetime | None) -> int:
    return ((at or EPOCH) - EPOCH) // timedelta(microseconds=1)


def _parsed(mark: str, parts: int) -> tuple | None:
    """(rank, due, id) or (time, id); None for an empty or broken mark."""
    try:
        *numbers, pk = mark.split(".")
        values = [int(number) for number in numbers]
        if len(values) != parts - 1:
            return None
        return *values[:-1], EPOCH + timedelta(microseconds=values[-1]), uuid.UUID(pk)
    except (ValueError, OverflowError):
        return None
