"""The list of a patient's checks: where each stands, filters, pages by position."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.views.decorators.http import require_safe

from accounts.decorators import patient_required
from accounts.requests import PersonRequest
from diagnosis import access
from diagnosis.history import TONES, Stage, in_stage, stage_of, with_history
from diagnosis.models import CaseQuerySet
from diagnosis.questions import option_label
from smartderma.keyset import keyset_page

PAGE_SIZE = 20


@patient_required
@require_safe
def case_list(request: PersonRequest) -> HttpResponse:
    """The person's checks, newest first; `?stage=` and `?site=` narrow them down."""
    own = access.case_list(request.user)
    stage, site = request.GET.get("stage", ""), request.GET.get("site", "")
    cases = in_stage(with_history(own), stage)
    cases = cases.filter(body_site=site) if site else cases
    parts = ("analyses", "reviews", "lesion")
    page = keyset_page(cases.prefetch_related(*parts), cursor=request.GET.get("at", ""), size=PAGE_SIZE)
    for case in page.object_list:
        case.stage = stage_of(case)
        case.stage_tone = TONES.get(case.stage, "")
    chosen = {key: value for key, value in (("stage", stage), ("site", site)) if value}
    context = {"page": page, "chosen": chosen, "stages": Stage.choices, "sites": _sites(own)}
    return render(request, "diagnosis/case_list.html", {**context, "extra": f"&{urlencode(chosen)}" if chosen else ""})


def _sites(cases: CaseQuerySet) -> list[tuple[str, str | Promise]]:
    """The body sites that this person has checks of, in words."""
    codes = cases.order_by("body_site").values_list("body_site", flat=True).distinct()
    return sorted(((code, option_label("site", code)) for code in codes), key=lambda pair: str(pair[1]))
