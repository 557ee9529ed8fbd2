"""What comes in: how often nobody can judge, and whether photos, skin types and conditions drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from diagnosis.models import Outcome, PhotoRequest
from diagnosis.names import condition_label
from diagnosis.numbers import queries
from diagnosis.numbers.charts import SERIES
from diagnosis.numbers.queries import Group
from diagnosis.numbers.scope import Scope
from diagnosis.numbers.statistics import Shift, shift
from diagnosis.numbers.tables import Cell, Column, Count, Nothing, Number, Table, Words, percent, share_of
from diagnosis.numbers.words import SKIN_TYPES, skin_label, skin_type
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
# The release counts its photos by pairs of skin types.
SKIN_PAIRS = {"I": "I-II", "II": "I-II", "III": "III-IV", "IV": "III-IV", "V": "V-VI", "VI": "V-VI"}


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
        weekly_table("quality_by_week", _("Photo quality by week"), _label_with(BANDS), bands, list(BANDS)),
        weekly_table("skin_by_week", _("Skin type by week"), skin_label, skins, [*SKIN_TYPES, ""]),
        weekly_table("conditions_by_week", _("Likeliest condition by week"), _condition, models, [*SLUGS, ""]),
    ]


def _label_with(labels: Mapping[str, Any]) -> Callable[[str], str]:
    return lambda kind: str(labels.get(kind, kind))


def _condition(slug: str) -> str:
    return condition_label(slug) if slug else _("No answer")


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
    )


def drift_table(measured: Mapping[str, list[Group]], of_release: Mapping[str, Mapping[str, int]]) -> Table:
    """Each mix against the period before, and against the test photos of the release where it counts them."""
    rows = []
    for label, groups in measured.items():
        now, before = _mix(groups, 1), _mix(groups, 0)
        rows.append(_drift_row(label, _("The same time before"), shift(now, before)))
        if label in of_release:
            rows.append(_drift_row(label, _("Test photos of the release"), _release_shift(now, of_release[label])))
    return Table(
        "drift",
        _("Drift"),
        [
            Column(_("What")),
            Column(_("Compared with")),
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
        charted=(2,),
    )


def _mix(groups: Iterable[Group], now: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for group in groups:
        if group["now"] == now:
            found[group["kind"]] += group["n"]
    return found


def _drift_row(label: str, compared: str, found: Shift | None) -> list[Cell]:
    if found is None:
        return [Words(label), Words(compared), *(Nothing() for _column in range(5))]
    text, tone = LEVELS[found.level]
    fewer = min(found.now, found.before)
    numbers = [Number(found.psi, fewer), Number(found.chance, fewer), Count(found.now), Count(found.before)]
    return [Words(label), Words(compared), *numbers, Words(str(text), tone)]


def _release_shift(now: Mapping[str, int], of_release: Mapping[str, int]) -> Shift | None:
    """Only kinds that the release counts: it has no photos of "no answer"."""
    pairs: Counter[str] = Counter()
    for kind, n in now.items():
        name = kind if kind in of_release else SKIN_PAIRS.get(kind, "")
        if name in of_release:
            pairs[name] += n
    return shift(pairs, of_release)


def _release_mixes(scope: Scope) -> dict[str, dict[str, int]]:
    """Test photos of the release by skin type and condition; empty without a release."""
    try:
        test = release_info(scope.release or settings.MODEL_RELEASE).document["metrics"].get("test", {})
    except ReleaseError:
        return {}
    classes = {slug: found.get("n") or 0 for slug, found in test.get("per_class", {}).items()}
    skins = {
        name: found.get("n") or 0
        for name, found in test.get("fitzpatrick", {}).items()
        if name in set(SKIN_PAIRS.values())
    }
    return {_("Skin type"): skins, _("Likeliest condition"): classes}


def weekly_table(key: str, title: str, label: Callable[[str], str], groups: list[Group], order: list[str]) -> Table:
    """A row for each week of the period with a count for each kind that occurs, the oldest week first."""
    before = _mix(groups, 0)
    groups = [group for group in groups if group["now"]]
    total = _mix(groups, 1)
    kinds = sorted(total, key=lambda kind: (order.index(kind) if kind in order else len(order), kind))
    weeks = sorted({group["week"] for group in groups})
    return Table(
        key,
        title,
        [
            Column(_("Week from")),
            Column(_("All")),
            *(Column(label(kind)) for kind in kinds),
            Column(_("Stability index")),
        ],
        [_week_row(week, kinds, _mix((one for one in groups if one["week"] == week), 1), before) for week in weeks],
        note=_("The index compares each week with the period before."),
        chart="columns",
        charted=_charted(kinds, total),
    )


def _week_row(week: Any, kinds: list[str], found: Counter[str], before: Counter[str]) -> list[Cell]:
    moved = shift(found, before)
    index = Number(moved.psi, min(moved.now, moved.before)) if moved else Nothing()
    name = Words(date_format(week, "SHORT_DATE_FORMAT"))
    return [name, Count(found.total()), *(Count(found[kind]) for kind in kinds), index]


def _charted(kinds: list[str], total: Mapping[str, int]) -> list[int]:
    """The columns of the commonest kinds, as many as there are colours, in the order of the table."""
    commonest = sorted(kinds, key=lambda kind: -total[kind])[:SERIES]
    return [number for number, kind in enumerate(kinds, start=2) if kind in commonest]
