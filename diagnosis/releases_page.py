"""What operators see of releases: which there are, which runs, how a candidate compares. Figures only, no case."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from django.conf import settings
from django.db.models import Count, OuterRef, Q, Subquery
from django.utils.translation import gettext as _

from accounts.recent import confirm_address, is_recently_authenticated
from accounts.requests import PersonRequest
from diagnosis.active_release import active_release
from diagnosis.models import ModelRelease, OperatorEvent, Review, ShadowRun, Tier
from diagnosis.names import condition_label
from diagnosis.numbers.statistics import Estimate
from diagnosis.presentation import accuracy_text
from diagnosis.release_forms import ActivateForm, ShadowForm
from diagnosis.release_page import measure
from diagnosis.services.releases import is_way_back
from diagnosis.shadow_numbers import Answer, Both, Comparison, Pair, compare
from ml.releases.loader import ReleaseError, list_releases, release_info

NEWEST = 5000  # runs that a comparison looks at
EVENTS = 30
Kind = OperatorEvent.Kind
CHANGES = (Kind.ACTIVATED, Kind.ROLLED_BACK)
OF_RELEASES = (*CHANGES, Kind.CHECK_ASKED, Kind.CHECKED, Kind.REFUSED, Kind.NOT_LOADED, Kind.SHADOW)


def releases_page(request: PersonRequest, *, name: str = "", form: ActivateForm | None = None) -> dict[str, Any]:
    """The values of templates/diagnosis/release_list.html; `form`: one that was refused, of release `name`."""
    active = active_release()
    known = {row.name: row for row in ModelRelease.objects.all()}
    names = sorted({*list_releases(), *known}, key=lambda one: (one != active, one))
    return {
        "active": active,
        "installed": active in list_releases(),
        "override": settings.RELEASE_OVERRIDE,
        "not_loaded": _not_loaded(active),
        "releases": [_row(one, known.get(one), active, form if one == name else None) for one in names],
        "events": OperatorEvent.objects.filter(kind__in=OF_RELEASES).select_related("actor")[:EVENTS],
        "recent": is_recently_authenticated(request),
        "confirm_address": confirm_address(request),
    }


def _row(name: str, row: ModelRelease | None, active: str, form: ActivateForm | None) -> dict[str, Any]:
    is_active = name == active
    good = row is not None and row.check_state == ModelRelease.Check.GOOD and not is_active
    return {
        "name": name,
        "active": is_active,
        "row": row,
        "good": good,
        "earlier": good and is_way_back(name=name, replaces=active),
        "form": form or ActivateForm(initial={"replaces": active}, auto_id=f"id_{name}_%s"),
        "open": form is not None,
        "shadow": _shadow_form(row) if good and row else None,
        **_said_of(name),
    }


def _shadow_form(row: ModelRelease) -> ShadowForm:
    return ShadowForm(initial={"percent": row.shadow_percent or 10}, auto_id=f"id_{row.name}_%s")


def _said_of(name: str) -> dict[str, Any]:
    try:
        info = release_info(name)
    except ReleaseError as error:
        return {"unreadable": str(error), "non_commercial": False}
    return {"accuracy": accuracy_text(info), "non_commercial": info.non_commercial}


def _not_loaded(active: str) -> OperatorEvent | None:
    """What a worker said that could not load the active release, since it is active."""
    last = OperatorEvent.objects.filter(release=active, kind__in=[*CHANGES, Kind.NOT_LOADED]).first()
    return last if last and last.kind == Kind.NOT_LOADED else None


# --- a candidate beside the active release -------------------------------------------------------------------------
def shadow_page(name: str) -> dict[str, Any] | None:
    """The values of templates/diagnosis/shadow_comparison.html; None for a release that was never checked."""
    row = ModelRelease.objects.filter(name=name).first()
    if row is None:
        return None
    active = active_release()
    runs = ShadowRun.objects.filter(release=name)
    counted = runs.aggregate(
        asked=Count("pk"),
        waiting=Count("pk", filter=Q(status__in=["queued", "running"])),
        failed=Count("pk", filter=Q(status="failed")),
        others=Count("pk", filter=Q(status="done") & ~Q(active_answer__release=active)),
    )
    found = compare(_pairs(name, active))
    return {"candidate": row, "active": active, "counted": counted, "found": found, **_tables(found)}


def _pairs(name: str, active: str) -> list[Pair]:
    """The newest runs that were compared with the release that is active now."""
    signed = Review.objects.filter(case=OuterRef("analysis__case")).order_by("-version").values("diagnosis")[:1]
    runs = (
        ShadowRun.objects.filter(release=name, status=ShadowRun.Status.DONE, active_answer__release=active)
        .annotate(signed=Subquery(signed))
        .order_by("-finished_at")
        .values_list("active_answer", "candidate_answer", "signed", "analysis__case__skin_type")
    )
    return [Pair(_answer(old), _answer(new), _class_of(diagnosis), skin) for old, new, diagnosis, skin in runs[:NEWEST]]


def _answer(stored: dict[str, Any]) -> Answer:
    return Answer(**{field.name: stored[field.name] for field in fields(Answer)})


def _class_of(diagnosis: str | None) -> str:
    """A signed diagnosis that a release could have given."""
    return "" if diagnosis in (None, "other", "cannot_judge") else str(diagnosis)


def _tables(found: Comparison) -> dict[str, Any]:
    labels = [condition_label(slug) for slug in found.classes]
    return {
        "agreement": _measure(found.agreement),
        "columns": labels,
        "matrix": [
            (label, [found.matrix.get((one, other), 0) for other in found.classes])
            for label, one in zip(labels, found.classes, strict=True)
        ],
        "tier_columns": Tier.labels,
        "tiers": [
            (old.label, [(found.tiers.get((old.value, new.value), 0), _way(old, new)) for new in Tier]) for old in Tier
        ],
        "shares": [
            (_("Gave no answer"), _shown(found.abstained)),
            (_("Photo unlike those it learned from"), _shown(found.strange)),
        ],
        "signed_rows": [
            (_("Likeliest condition is the signed one"), _shown(found.accuracy)),
            (_("Signed melanomas that set off its alarm"), _shown(found.sensitivity)),
            *((_skin_label(group), _shown(both)) for group, both in found.accuracy_by_skin.items()),
        ],
    }


def _shown(both: Both) -> dict[str, Any]:
    n = both.active.n if both.active else 0
    return {"active": _measure(both.active), "candidate": _measure(both.candidate), "n": n, "is_small": both.is_small}


def _measure(estimate: Estimate | None) -> dict[str, Any] | None:
    """As components/measure.html shows it."""
    return measure(asdict(estimate)) if estimate else None


def _way(old: Tier, new: Tier) -> str:
    order = list(Tier)
    return "same" if old == new else ("raised" if order.index(new) > order.index(old) else "lowered")


def _skin_label(group: str) -> str:
    if not group:
        return _("Likeliest condition is the signed one, skin type not given")
    return _("Likeliest condition is the signed one, skin type %(type)s") % {"type": group}
