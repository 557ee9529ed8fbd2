"""What comes in: how often nobody can judge, and whether photos, skin types and conditions drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from diagnosis.active_release import active_release
from diagnosis.models import Outcome, PhotoRequest
from diagnosis.names import condition_label
from diagnosis.numbers import queries
from diagnosis.numbers.charts import SERIES
from diagnosis.numbers.queries import Group
from diagnosis.numbers.scope import Scope
from diagnosis.numbers.statistics import Shift, shift
from diagnosis.numbers.tables import Cell, Column, Count, Nothing, Number, Table, Words, percent, share_of
from diagnosis.numbers.words import SKIN_PAIRS, SKIN_TYPES, skin_label, skin_type
from ml.releases.loader import ReleaseError, release_info
from ml.taxonomy import SLUGS

BANDS = {
    "good": gettext_lazy("Good photo"),
    "fair": gettext_lazy("Fair photo"),
    "poor": gettext_lazy("Poor photo"),
    "": gettext_lazy("Not measured"),
}
REASONS = {
    "poor_image": gettext_lazy("The photo is not good enough"),
    "not_skin": gettext_lazy("Not enough skin in the photo"),
    "out_of_distribution": gettext_lazy("Unlike the photos that the model learned from"),
    "wide_prediction_set": gettext_lazy("Too many conditions are possible"),
    "members_disagree": gettext_lazy("The networks disagree"),
}
LEVELS = {
    "none": (gettext_lazy("No more than by chance"), "good"),
    "some": (gettext_lazy("Some change"), "warn"),
    "large": (gettext_lazy("Large change"), "alert"),
}


def inputs_tables(scope: Scope) -> list[Table]:
    checks, photos = queries.checks(scope), queries.photos(scope)
    bands = [{**group, "kind": group["band"] or ""} for group in photos]
    skins = [{**group, "kind": skin_type(group["skin"])} for group in checks]
    models = [{**group, "kind": group["model"] or ""} for group in checks]
    measured = {_("Photo quality"): bands, _("Skin type"): skins, _("Likeliest condition"): models}
    return [
        abstention_table(checks, queries.reader_abstentions(scope)),
        photo_requests_table(queries.photo_requests(scope)),
        drift_table(measured, _release_mixes(scope)),
        weekly_table("quality_by_week", _("Photo quality by week"), _labels(BANDS, _band), bands, scope),
        weekly_table("skin_by_week", _("Skin type by week"), _labels([*SKIN_TYPES, ""], skin_label), skins, scope),
        weekly_table("conditions_by_week", _("Likeliest condition by week"), _conditions(models), models, scope),
    ]


def _labels(kinds: Iterable[str], label: Callable[[str], str]) -> dict[str, str]:
    return {kind: label(kind) for kind in kinds}


def _band(kind: str) -> str:
    return str(BANDS[kind])


def _conditions(groups: Iterable[Group]) -> dict[str, str]:
    """The conditions of the taxonomy, those of a newer release, and no answer."""
    new = sorted({group["kind"] for group in groups} - {*SLUGS, ""})
    return {**_labels([*SLUGS, *new], condition_label), "": _("No answer")}


def abstention_table(checks: Iterable[Group], readers: Group) -> Table:
    """How often the model and the first readers do not judge, and why the model does not."""
    found: Counter[str] = Counter()
    for group in checks:
        if group["now"]:
            found["all"] += group["n"]
            if group["outcome"] == Outcome.INCONCLUSIVE:
                found["cannot"] += group["n"]
                found.update(dict.fromkeys(group["reasons"], group["n"]))
    rows = [(_("Model: cannot be judged"), found["cannot"], found["all"])]
    rows += [(str(label), found[code], found["all"]) for code, label in REASONS.items()]
    rows.append((_("First readers: cannot be judged"), readers["cannot"], readers["n"]))
    return Table(
        "abstention",
        _("Cannot be judged"),
        [Column(_("Who, and why")), Column(_("Cases")), Column(_("Of")), percent(_("Share"))],
        [[Words(label), Count(n), Count(whole), share_of(n, whole)] for label, n, whole in rows],
        note=_("One check can have several reasons."),
        chart="bars",
        charted=(3,),
        most=100,
    )


def photo_requests_table(groups: Iterable[Group]) -> Table:
    groups = list(groups)
    whole = sum(group["n"] for group in groups)
    missing: Counter[str] = Counter()
    for group in groups:
        missing.update(dict.fromkeys(group["missing"], group["n"]))
    labels = dict(PhotoRequest.Missing.choices)
    rows = [[Words(str(labels.get(code, code))), Count(n), share_of(n, whole)] for code, n in missing.most_common()]
    return Table(
        "photo_requests",
        _("New photos asked for"),
        [Column(_("What was missing")), Column(_("Requests")), percent(_("Share"))],
        [[Words(_("All")), Count(whole), share_of(whole, whole)], *rows] if rows else [],
        note=_("One request can name several things."),
        chart="bars",
        charted=(2,),
        most=100,
        rows_vary=True,
    )


def drift_table(measured: Mapping[str, list[Group]], of_release: Mapping[str, Mapping[str, int]]) -> Table:
    """Each mix against the period before, and against the test photos of the release where it counts them."""
    rows = []
    for label, groups in measured.items():
        now, before = _mix(groups, 1), _mix(groups, 0)
        rows.append(_drift_row(_("%(mix)s, against the same time before") % {"mix": label}, shift(now, before)))
        if label in of_release:
            name = _("%(mix)s, against the test photos of the release") % {"mix": label}
            rows.append(_drift_row(name, _release_shift(now, of_release[label])))
    return Table(
        "drift",
        _("Drift"),
        [
            Column(_("What")),
            Column(_("Stability index")),
            Column(_("By chance up to")),
            Column(_("Observed")),
            Column(_("In the comparison")),
            Column(_("Reading")),
        ],
        rows,
        note=_(
            "Population stability index: 0 when the mix is the same, from 0.1 some change, from 0.25 a large one. With "
            "few photos it moves by chance; what stays below that is no drift. The test photos of a release are a "
            "choice and not the patients that come: a difference says for whom the figures of the model may not hold."
        ),
        chart="bars",
        charted=(1,),
        most=0.25,
    )


def _mix(groups: Iterable[Group], now: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for group in groups:
        if group["now"] == now:
            found[group["kind"]] += group["n"]
    return found


def _drift_row(label: str, found: Shift | None) -> list[Cell]:
    if found is None:
        return [Words(label), *(Nothing() for _column in range(5))]
    text, tone = LEVELS[found.level]
    fewer = min(found.now, found.before)
    numbers = [Number(found.psi, fewer), Number(found.chance, fewer), Count(found.now), Count(found.before)]
    return [Words(label), *numbers, Words(str(text), tone)]


def _release_shift(now: Mapping[str, int], of_release: Mapping[str, int]) -> Shift | None:
    """Only kinds that the release counts: it has no photos of "no answer"."""
    pairs: Counter[str] = Counter()
    for kind, n in now.items():
        name = kind if kind in of_release else SKIN_PAIRS.get(kind, "")
        if name in of_release:
            pairs[name] += n
    return shift(pairs, of_release)


def _release_mixes(scope: Scope) -> dict[str, dict[str, int]]:
    """Test photos of the release by skin type and by what it said of them; empty without a release."""
    try:
        test = release_info(scope.release or active_release()).document["metrics"].get("test", {})
    except ReleaseError:
        return {}
    predicted = map(sum, zip(*test.get("confusion", []), strict=True))  # its columns are what the release said
    classes = dict(zip(test.get("per_class", {}), predicted, strict=False))
    by_skin = test.get("fitzpatrick", {})
    skins = {pair: by_skin[pair].get("n") or 0 for pair in dict.fromkeys(SKIN_PAIRS.values()) if pair in by_skin}
    return {_("Skin type"): skins, _("Likeliest condition"): classes}


def weekly_table(key: str, title: str, labels: Mapping[str, str], groups: list[Group], scope: Scope) -> Table:
    """A row for each week of the period with a count for each kind that occurs, in the order of `labels`."""
    before, total = _mix(groups, 0), _mix(groups, 1)
    kinds = [kind for kind in labels if total[kind]]
    by_week: dict[datetime, list[Group]] = {}
    for group in groups:
        by_week.setdefault(group["week"], []).append(group)
    return Table(
        key,
        title,
        [*map(Column, (_("Week from"), _("All"), *(labels[kind] for kind in kinds), _("Stability index")))],
        [_week_row(week, kinds, _mix(by_week.get(week, []), 1), before) for week in scope.weeks] if kinds else [],
        note=_("The index compares each week with the period before."),
        chart="columns",
        charted=_charted(kinds, total),
        columns_vary=True,
    )


def _week_row(week: datetime, kinds: list[str], found: Counter[str], before: Counter[str]) -> list[Cell]:
    moved = shift(found, before)
    index = Number(moved.psi, min(moved.now, moved.before)) if moved else Nothing()
    name = Words(date_format(week, "SHORT_DATE_FORMAT"))
    return [name, Count(found.total()), *(Count(found[kind]) for kind in kinds), index]


def _charted(kinds: list[str], total: Mapping[str, int]) -> list[int]:
    """The columns of the commonest kinds, as many as there are colours, in the order of the table."""
    commonest = sorted(kinds, key=lambda kind: -total[kind])[:SERIES]
    return [number for number, kind in enumerate(kinds, start=2) if kind in commonest]
