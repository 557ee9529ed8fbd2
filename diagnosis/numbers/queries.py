"""Counts from the database, grouped there: each function is one question, and walks an index on time where it can.

A group is a dict of what it is grouped by, with `n` for how many.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Case as Choice
from django.db.models import CharField, Count, Exists, F, FilteredRelation, Func, IntegerField, OuterRef, Q, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import TruncWeek

from diagnosis.models import Analysis, Case, PhotoFinding, PhotoRequest, Read, Review, ReviewState, Tier
from diagnosis.numbers.scope import Scope
from diagnosis.triage import review_deadline

Group = dict[str, Any]
MINUTES = 10  # times are counted in steps of this length
AGES = ((1, "day"), (3, "three"), (7, "week"))
PUBLISHED = (Read.Kind.FIRST, Read.Kind.THIRD)  # the read that became the first signed version


class Seconds(Func):
    """Whole seconds up to the first moment from the second."""

    output_field = IntegerField()
    template = "CAST(EXTRACT(EPOCH FROM (%(expressions)s)) AS INTEGER)"
    arg_joiner = " - "

    def as_sqlite(self, compiler, connection, **context):
        template = "CAST(ROUND(86400 * (%(expressions)s)) AS INTEGER)"
        days = [Func(moment, function="JULIANDAY") for moment in self.get_source_expressions()]
        copy = self.copy()
        copy.set_source_expressions(days)
        return copy.as_sql(compiler, connection, template=template, **context)


def turnaround(scope: Scope) -> list[Group]:
    """First signatures of the period by urgency and by `steps` of MINUTES from the request on; `in_time` of them."""
    seconds = Seconds(F("signed_at"), F("case__review_requested_at"))
    signed = scope.within(Review.objects.filter(version=1), "signed_at").annotate(seconds=seconds)
    grouped = signed.values(urgency=F("case__tier"), steps=F("seconds") / Value(60 * MINUTES))
    in_time = Count("pk", filter=Q(seconds__lte=_allowed()))
    return list(grouped.annotate(n=Count("pk"), in_time=in_time))


def _allowed() -> Choice:
    """The seconds that a case of its tier may wait, by the rule that sets its deadline."""
    start, hours = datetime(2000, 1, 1, tzinfo=UTC), settings.REVIEW_DEADLINE_HOURS
    cases = [
        When(
            case__tier=tier,
            case__needs_review=flagged,
            then=Value(int((review_deadline(tier, start=start, flagged=flagged, hours=hours) - start).total_seconds())),
        )
        for tier in Tier.values
        for flagged in (False, True)
    ]
    return Choice(*cases, output_field=IntegerField())


def backlog(scope: Scope, now: datetime) -> list[Group]:
    """Cases without a signature by tier, `age` and `asked` (they wait for the patient's photos); `late` of them."""
    waiting = scope.of(Case.objects.filter(review_state__in=[*ReviewState.OPEN, ReviewState.PHOTOS]), case="")
    since = [When(review_requested_at__gt=now - timedelta(days=days), then=Value(age)) for days, age in AGES]
    age = Choice(*since, default=Value("older"), output_field=CharField())
    asked = Choice(When(review_state=ReviewState.PHOTOS, then=Value(1)), default=Value(0), output_field=IntegerField())
    late = Count("pk", filter=Q(review_due_at__lt=now) & ~Q(review_state=ReviewState.PHOTOS))
    return list(waiting.values("tier", age=age, asked=asked).annotate(n=Count("pk"), late=late))


def second_reads(scope: Scope) -> list[Group]:
    """Second reads of the period: what each reader said, and the third where there was one."""
    rows = scope.within(Read.objects.filter(kind=Read.Kind.SECOND), "signed_at").annotate(
        first=FilteredRelation("case__reads", condition=Q(case__reads__kind=Read.Kind.FIRST)),
        third=FilteredRelation("case__reads", condition=Q(case__reads__kind=Read.Kind.THIRD)),
    )
    said = {f"{who}_{what}": F(f"{who}__{what}") for who in ("first", "third") for what in ("diagnosis", "tier")}
    same = {"second_diagnosis": F("diagnosis"), "second_tier": F("tier")}
    return list(rows.values(**said, **same).annotate(n=Count("pk"), agreed=Count("review")))


def signed_reads(scope: Scope) -> list[Group]:
    """Reads that were published in the period, beside what the model had said; `top3`: it had it among three."""
    rows = scope.within(Read.objects.filter(kind__in=PUBLISHED, review__isnull=False), "signed_at")
    grouped = _of_release(rows, scope, "analysis__release").values(
        "diagnosis",
        "override_reason",
        model=F("analysis__top_condition"),
        outcome=F("analysis__outcome"),
        release=F("analysis__release"),
        skin=F("case__skin_type"),
    )
    return list(grouped.annotate(n=Count("pk"), top3=Count("pk", filter=Q(model_rank__lte=3))))


def blind_reads(scope: Scope) -> list[Group]:
    """Reads that began with a blind first opinion and whose case is signed: first, then, signed, and the model."""
    begun_blind = Read.objects.exclude(kind=Read.Kind.AMENDMENT).filter(first_opinion__isnull=False)
    rows = scope.within(begun_blind, "signed_at").filter(case__reviews__version=1)
    others = Read.objects.filter(case=OuterRef("case"), kind=Read.Kind.SECOND)
    grouped = _of_release(rows, scope, "analysis__release").values(
        "diagnosis",
        "changed",
        first=F("first_opinion__diagnosis"),
        signed=F("case__reviews__diagnosis"),
        model=F("analysis__top_condition"),
        outcome=F("analysis__outcome"),
        several=Exists(others),
    )
    return list(grouped.annotate(n=Count("pk")))


def checks(scope: Scope) -> list[Group]:
    """Finished checks by week, outcome with its reasons, likeliest condition, skin type; with the period before."""
    grouped = _two_periods(Analysis.objects.all(), scope, "", "case__").values(
        "week", "now", "outcome", "reasons", model=F("top_condition"), skin=F("case__skin_type")
    )
    return list(grouped.annotate(n=Count("pk")))


def photos(scope: Scope) -> list[Group]:
    """Checked photos by week and quality; with the period before."""
    rows = _two_periods(PhotoFinding.objects.all(), scope, "analysis__", "analysis__case__")
    return list(rows.values("week", "now", band=KeyTextTransform("band", "quality")).annotate(n=Count("pk")))


def _two_periods(rows: Any, scope: Scope, analysis: str, case: str) -> Any:
    """Rows of analyses done in the period (`now` 1) and in the one before it (0), with their `week`."""
    moment = f"{analysis}finished_at"
    between = {f"{analysis}status": "done", f"{moment}__gte": scope.earlier, f"{moment}__lt": scope.end}
    now = Choice(When(**{f"{moment}__gte": scope.start}, then=Value(1)), default=Value(0), output_field=IntegerField())
    found = _of_release(scope.of(rows, case).filter(**between), scope, f"{analysis}release")
    return found.annotate(week=TruncWeek(moment), now=now)


def _of_release(rows: Any, scope: Scope, path: str) -> Any:
    return rows.filter(**{path: scope.release}) if scope.release else rows


def reader_abstentions(scope: Scope) -> Group:
    """First reads of the period, and how many of them say that it cannot be judged."""
    rows = scope.within(Read.objects.filter(kind=Read.Kind.FIRST), "signed_at")
    return rows.aggregate(n=Count("pk"), cannot=Count("pk", filter=Q(diagnosis="cannot_judge")))


def photo_requests(scope: Scope) -> list[Group]:
    """Requests for new photos of the period by what was missing."""
    rows = scope.within(PhotoRequest.objects.all(), "asked_at")
    return list(rows.values("missing").annotate(n=Count("pk")))
