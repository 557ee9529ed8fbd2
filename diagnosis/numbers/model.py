"""Readers and the model: agreement, overrides, and what seeing the model changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from django.utils.translation import gettext as _

from diagnosis.models import Outcome, Read
from diagnosis.names import condition_label
from diagnosis.numbers import queries, statistics
from diagnosis.numbers.queries import Group
from diagnosis.numbers.scope import Scope
from diagnosis.numbers.tables import Column, Count, Table, Words, kappa_of, percent, share_of
from diagnosis.numbers.words import skin_label, skin_order, skin_type
from ml.taxonomy import SLUGS

NO_ANSWER = "no_answer"
KNOWN = [*SLUGS, "other", "cannot_judge", NO_ANSWER]


def model_tables(scope: Scope) -> list[Table]:
    signed, blind = queries.signed_reads(scope), queries.blind_reads(scope)
    return [
        agreement_table(signed, blind),
        by_group_table("agreement_by_skin_type", _("Agreement by skin type"), _("Skin type"), signed, _by_skin),
        by_group_table("agreement_by_release", _("Agreement by release"), _("Release"), signed, _by_release),
        matrix_table(signed),
        overrides_table(signed),
        changes_table(blind),
        changes_that_helped_table(blind),
    ]


def answered(group: Group) -> bool:
    """Did the model name a condition?"""
    return bool(group["model"]) and group["outcome"] == Outcome.ASSESSED


def comparable(group: Group, said: str = "diagnosis") -> bool:
    """Both named something. Who abstains, reader or model, neither agrees nor differs; it is counted by itself."""
    return answered(group) and group[said] != "cannot_judge"


def agreement_table(signed: Iterable[Group], blind: Iterable[Group]) -> Table:
    signed = list(signed)
    first = [{**group, "diagnosis": group["first"]} for group in blind]
    columns = [Column(_("Compared with the model")), *_agreement_columns()]
    return Table(
        "agreement",
        _("Agreement with the model"),
        [*columns[:3], percent(_("Among its first three")), columns[3]],
        [
            _top3_row(_("Signed diagnosis"), signed),
            _top3_row(_("Blind first opinion"), first),
        ],
        note=_(
            "Cases where the model named a condition and the reader did too. Kappa is 1 when they always agree, and 0 "
            "when they agree no more often than by chance. A reader who has seen the model agrees more easily: the "
            "blind first opinion shows how often they agree without."
        ),
        chart="bars",
        charted=(2, 3),
        most=100,
    )


def _agreement_columns() -> list[Column]:
    return [Column(_("Cases")), percent(_("Same diagnosis")), Column(_("Kappa"), ranged=True)]


def _top3_row(label: str, groups: Iterable[Group]) -> list:
    """The blind opinion's rank is not stored; its share among three stays empty."""
    groups = [group for group in groups if comparable(group)]
    name, n, same, kappas = _agreement_row(label, groups)
    whole = sum(group["n"] for group in groups if "top3" in group)
    return [name, n, same, share_of(sum(group.get("top3", 0) for group in groups), whole), kappas]


def _agreement_row(label: str, groups: Iterable[Group]) -> list:
    pairs: Counter[tuple[str, str]] = Counter()
    for group in groups:
        pairs[group["diagnosis"], group["model"]] += group["n"]
    same = sum(n for (reader, model), n in pairs.items() if reader == model)
    return [Words(label), Count(pairs.total()), share_of(same, pairs.total()), kappa_of(pairs)]


def by_group_table(
    key: str, title: str, heading: str, signed: Iterable[Group], by: Callable[[list[Group]], dict[str, list[Group]]]
) -> Table:
    """A row for each group of comparable cases, signed diagnosis against the model."""
    groups = by([group for group in signed if comparable(group)])
    return Table(
        key,
        title,
        [Column(heading), *_agreement_columns(), percent(_("Among its first three"))],
        [[*_agreement_row(label, found), _top3(found)] for label, found in groups.items()],
        chart="bars",
        charted=(2, 4),
        most=100,
        rows_vary=True,
    )


def _top3(groups: Iterable[Group]):
    groups = list(groups)
    return share_of(sum(group["top3"] for group in groups), sum(group["n"] for group in groups))


def _by_skin(groups: list[Group]) -> dict[str, list[Group]]:
    codes = sorted({skin_type(group["skin"]) for group in groups}, key=skin_order)
    return {skin_label(code): [group for group in groups if skin_type(group["skin"]) == code] for code in codes}


def _by_release(groups: list[Group]) -> dict[str, list[Group]]:
    names = sorted({group["release"] for group in groups}, reverse=True)
    return {name: [group for group in groups if group["release"] == name] for name in names}


def matrix_table(signed: Iterable[Group]) -> Table:
    """Readers down, model across, only what occurs; the darker the more."""
    cells: Counter[tuple[str, str]] = Counter()
    for group in signed:
        cells[group["diagnosis"], group["model"] if answered(group) else NO_ANSWER] += group["n"]
    rows, columns = (_ordered({pair[side] for pair in cells}) for side in (0, 1))
    return Table(
        "matrix",
        _("Signed diagnosis against the model"),
        [Column(_("Signed")), *(Column(_label(slug)) for slug in columns)],
        [[Words(_label(row)), *(Count(cells[row, column]) for column in columns)] for row in rows],
        note=_("Rows: what was signed. Columns: what the model had as the likeliest. The darker, the more cases."),
        matrix=True,
        rows_vary=True,
        columns_vary=True,
    )


def _ordered(slugs: set[str]) -> list[str]:
    """In the order of the taxonomy, what is not in it last."""
    return sorted(slugs, key=lambda slug: (KNOWN.index(slug) if slug in KNOWN else len(KNOWN), slug))


def _label(slug: str) -> str:
    return _("No answer") if slug == NO_ANSWER else condition_label(slug)


def overrides_table(signed: Iterable[Group]) -> Table:
    """Why readers signed something else than the model's likeliest."""
    reasons: Counter[str] = Counter()
    for group in signed:
        differs = comparable(group) and group["diagnosis"] != group["model"]
        if differs or group["override_reason"]:
            reasons[group["override_reason"]] += group["n"]
    labels = {**dict(Read.Override.choices), "": _("No reason given")}
    rows = [
        [Words(str(labels.get(code, code))), Count(n), share_of(n, reasons.total())]
        for code, n in sorted(reasons.items(), key=lambda found: -statistics.coarse(found[1]))
    ]
    return Table(
        "overrides",
        _("Why readers differ from the model"),
        [Column(_("Reason")), Column(_("Cases")), percent(_("Share"))],
        rows,
        note=_("Signed reads with another diagnosis than the model's likeliest, or with a reason all the same."),
        chart="bars",
        charted=(2,),
        most=100,
        rows_vary=True,
    )


def changes_table(blind: Iterable[Group]) -> Table:
    """What readers did with their first opinion once they had seen the model."""
    found: Counter[str] = Counter()
    for group in blind:
        found[_change(group)] += group["n"]
    labels = {
        "kept": _("Kept as it was"),
        "urgency": _("Only the urgency changed"),
        "toward": _("Changed to the model's diagnosis"),
        "away": _("Changed away from the model's diagnosis"),
        "else": _("Changed to something else"),
    }
    rows = [[Words(label), Count(found[key]), share_of(found[key], found.total())] for key, label in labels.items()]
    return Table(
        "changes",
        _("The first opinion after the model was shown"),
        [Column(_("What became of it")), Column(_("Reads")), percent(_("Share"))],
        rows,
        note=_("Reads with a first opinion that was stored before the model was shown."),
        chart="bars",
        charted=(2,),
        most=100,
    )


def _change(group: Group) -> str:
    if group["diagnosis"] == group["first"]:
        return "urgency" if group["changed"] else "kept"
    model = group["model"] if answered(group) else None
    if group["diagnosis"] == model:
        return "toward"
    return "away" if group["first"] == model else "else"


def changes_that_helped_table(blind: Iterable[Group]) -> Table:
    """Whether a change led to what was signed in the end, which only other readers can say."""
    found: Counter[str] = Counter()
    for group in blind:
        if group["several"] and group["diagnosis"] != group["first"]:
            found[_led(group)] += group["n"]
    labels = {
        "to": _("To the diagnosis that was signed in the end"),
        "from": _("Away from the diagnosis that was signed in the end"),
        "neither": _("Neither"),
    }
    rows = [[Words(label), Count(found[key]), share_of(found[key], found.total())] for key, label in labels.items()]
    return Table(
        "changes_that_helped",
        _("Where a change of diagnosis led"),
        [Column(_("Where it led")), Column(_("Reads")), percent(_("Share"))],
        rows,
        note=_("Only cases with more than one reader: with one, the changed diagnosis is the signed one."),
        chart="bars",
        charted=(2,),
        most=100,
    )


def _led(group: Group) -> str:
    if group["diagnosis"] == group["signed"]:
        return "to"
    return "from" if group["first"] == group["signed"] else "neither"
