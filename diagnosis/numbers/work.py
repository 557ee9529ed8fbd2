"""How fast and how alike the readers work: turnaround, backlog, reader against reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from diagnosis.models import Tier
from diagnosis.numbers import queries
from diagnosis.numbers.queries import MINUTES, Group
from diagnosis.numbers.scope import Scope
from diagnosis.numbers.statistics import quantile
from diagnosis.numbers.tables import Cell, Column, Count, Duration, Nothing, Table, Words, kappa_of, percent, share_of

AGES = ("day", "three", "week", "older")


def work_tables(scope: Scope) -> list[Table]:
    second = queries.second_reads(scope)
    return [
        turnaround_table(queries.turnaround(scope)),
        backlog_table(queries.backlog(scope, timezone.now())),
        readers_table(second),
        adjudication_table(second),
    ]


def turnaround_table(groups: Iterable[Group]) -> Table:
    """By tier, the most urgent first, and over all."""
    groups = list(groups)
    rows = [
        _turnaround_row(str(tier.label), [group for group in groups if group["urgency"] == tier], tier)
        for tier in reversed(Tier)
    ]
    return Table(
        "turnaround",
        _("From the request to the signature"),
        [
            Column(_("Urgency")),
            Column(_("Signed")),
            Column(_("Half within"), unit=_("hours")),
            Column(_("9 of 10 within"), unit=_("hours")),
            Column(_("Deadline"), unit=_("hours")),
            percent(_("In time")),
        ],
        [*rows, _turnaround_row(_("All"), groups, None)],
        note=_(
            "From the moment a case was sent to the dermatologists to the first signed version, the wait for new "
            "photos included. A case that was flagged for review has no longer than the deadline for flagged cases."
        ),
        chart="bars",
        charted=(2, 3),
    )


def _turnaround_row(label: str, groups: list[Group], tier: Tier | None) -> list[Cell]:
    times: Counter[int] = Counter()
    for group in groups:
        times[group["steps"]] += group["n"]
    n, in_time = times.total(), sum(group["in_time"] for group in groups)
    deadline = Duration(3600 * settings.REVIEW_DEADLINE_HOURS[tier], n=100) if tier else Nothing()
    return [Words(label), Count(n), _duration(times, 0.5), _duration(times, 0.9), deadline, share_of(in_time, n)]


def _duration(times: Counter[int], part: float) -> Cell:
    """A time is counted by its step of MINUTES, and shown as the end of it."""
    step = quantile(times, part)
    return Nothing() if step is None else Duration(60 * MINUTES * (step + 1), times.total())


def backlog_table(groups: Iterable[Group]) -> Table:
    groups = list(groups)
    rows = [_backlog_row(str(tier.label), [one for one in groups if one["tier"] == tier]) for tier in reversed(Tier)]
    labels = (_("Urgency"), _("Up to 1 day"), _("1 to 3 days"), _("3 to 7 days"), _("Over 7 days"))
    return Table(
        "backlog",
        _("Waiting now, by how long"),
        [*map(Column, labels), Column(_("All")), Column(_("Late")), Column(_("Waiting for the patient's photos"))],
        [*rows, _backlog_row(_("All"), groups)],
        note=_("Since the case was sent to the dermatologists. The period does not count here."),
        chart="bars",
        charted=(1, 2, 3, 4),
    )


def _backlog_row(label: str, groups: list[Group]) -> list[Cell]:
    open_ones = [group for group in groups if not group["asked"]]
    ages = [sum(group["n"] for group in open_ones if group["age"] == age) for age in AGES]
    late, asked = sum(group["late"] for group in open_ones), sum(group["n"] for group in groups if group["asked"])
    return [Words(label), *map(Count, ages), Count(sum(ages)), Count(late), Count(asked)]


def readers_table(groups: Iterable[Group]) -> Table:
    groups = list(groups)
    diagnoses: Counter[tuple[str, str]] = Counter()
    tiers: Counter[tuple[str, str]] = Counter()
    for group in groups:
        diagnoses[group["first_diagnosis"], group["second_diagnosis"]] += group["n"]
        tiers[group["first_tier"], group["second_tier"]] += group["n"]
    return Table(
        "readers",
        _("Reader against reader"),
        [Column(_("Compared")), Column(_("Cases")), percent(_("Same")), Column(_("Kappa"), ranged=True)],
        [_pair_row(_("Diagnosis"), diagnoses), _pair_row(_("Urgency"), tiers)],
        note=_(
            "Cases that two dermatologists read without seeing each other. Kappa is 1 when they always agree, and 0 "
            "when they agree no more often than by chance."
        ),
        chart="bars",
        charted=(2,),
        most=100,
    )


def _pair_row(label: str, pairs: Counter[tuple[str, str]]) -> list[Cell]:
    same = sum(n for (one, other), n in pairs.items() if one == other)
    return [Words(label), Count(pairs.total()), share_of(same, pairs.total()), kappa_of(pairs)]


def adjudication_table(groups: Iterable[Group]) -> Table:
    """What came of two reads."""
    found: Counter[str] = Counter()
    for group in groups:
        found["agreed"] += group["agreed"]
        found[_outcome(group)] += group["n"] - group["agreed"]
    labels = {
        "agreed": _("The readers agreed"),
        "first": _("A third decided for the first reader"),
        "second": _("A third decided for the second reader"),
        "neither": _("A third decided for neither"),
        "open": _("A third has not read yet"),
    }
    whole = found.total()
    rows = [[Words(label), Count(found[key]), share_of(found[key], whole)] for key, label in labels.items()]
    columns = [Column(_("What came of it")), Column(_("Cases")), percent(_("Share"))]
    return Table("adjudication", _("When a second reader looked"), columns, rows, chart="bars", charted=(2,), most=100)


def _outcome(group: Group) -> str:
    """Whom the third read followed; a diagnosis with another urgency is another opinion."""
    first, second, third = ((group[f"{who}_diagnosis"], group[f"{who}_tier"]) for who in ("first", "second", "third"))
    if third == (None, None):
        return "open"
    if third in (first, second):
        return "first" if third == first else "second"
    return "neither"
