"""The patient's pages. Thin: access through `access`, writes through `services`, words from `presentation`."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from accounts.decorators import care_consent_required, patient_required
from accounts.requests import PersonRequest
from diagnosis import access, services
from diagnosis.emergency import emergency_call
from diagnosis.facts import facts_of_case
from diagnosis.forms import CaseForm, EmergencyForm
from diagnosis.models import Case
from diagnosis.presentation import present
from diagnosis.release_page import release_page

PAGE_SIZE = 20


@require_safe
def home(request: PersonRequest) -> HttpResponse:
    """What this is, for everybody."""
    return render(request, "diagnosis/home.html")


@require_safe
def release_card(request: PersonRequest) -> HttpResponse:
    """The model card: how good the active release is, on what, and what it cannot do."""
    return render(request, "diagnosis/release_card.html", {"card": release_page(settings.MODEL_RELEASE)})


@patient_required
@require_safe
def case_list(request: PersonRequest) -> HttpResponse:
    cases = access.case_list(request.user).prefetch_related("analyses", "reviews", "images")
    page = Paginator(cases, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "diagnosis/case_list.html", {"page": page})


@patient_required
@care_consent_required
@require_http_methods(["GET", "HEAD", "POST"])
def case_create(request: PersonRequest) -> HttpResponse:
    """Warning signs first, then photos and questions on one page; nothing is stored before the last step."""
    step = request.POST.get("step", "")
    if step in {"check", "watch"}:
        return _case_check(request, only_look=step == "watch")
    if step == "continue":
        return _case_form(request, CaseForm(initial=_first_answers(request)))
    if step == "send":
        return _case_send(request)
    return render(request, "diagnosis/case_check.html", {"form": EmergencyForm()})


def _case_check(request: PersonRequest, *, only_look: bool) -> HttpResponse:
    """The answers about warning signs. `only_look`: the page asks at every tick, so that help shows at once."""
    form = EmergencyForm(request.POST)
    valid = form.is_valid()
    call = emergency_call(form.cleaned_data.get("country") or "") if form.is_emergency else None
    context = {"form": form, "call": call, "answers": _first_answers(request)}
    if only_look:
        return render(request, "partials/_emergency.html", context)
    if call:
        return render(request, "diagnosis/case_emergency.html", context)
    if not valid:
        return render(request, "diagnosis/case_check.html", context, status=422)
    return _case_form(request, CaseForm(initial=_first_answers(request)))


def _first_answers(request: PersonRequest) -> dict[str, Any]:
    return {"country": request.POST.get("country", ""), "red_flags": request.POST.getlist("red_flags")}


def _case_form(request: PersonRequest, form: CaseForm, status: int = 200) -> HttpResponse:
    context = {"form": form, "max_bytes": settings.MAX_PHOTO_BYTES, "max_photos": settings.MAX_PHOTOS}
    template = "components/error_summary.html" if request.htmx else "diagnosis/case_create.html"
    return render(request, template, context, status=status)


def _case_send(request: PersonRequest) -> HttpResponse:
    refusal = "" if services.may_submit(patient=request.user) else _("You have sent many checks. Please wait an hour.")
    form = CaseForm(request.POST, request.FILES, refusal=refusal)
    if not form.is_valid():
        return _case_form(request, form, status=422)
    case = services.case_submit(
        patient=request.user,
        photos=form.photos,
        answers=form.answers,
        language=get_language() or "en",
        submission_key=form.cleaned_data["submission_key"],
    )
    target = reverse("case_detail", args=[case.pk])
    return HttpResponseClientRedirect(target) if request.htmx else redirect(target)


@patient_required
@require_safe
def case_detail(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """Progress while the photos are being checked, then the result."""
    case = access.case_get(request.user, case_id)
    facts = facts_of_case(case)
    context = {"case": case, "view": present(facts), "waiting": _is_waiting(case), "can_ask": facts.dermatologists}
    return render(request, "diagnosis/case_detail.html", context)


def _is_waiting(case: Case) -> bool:
    return case.latest_analysis is not None and not case.latest_analysis.is_over


@patient_required
@require_safe
def case_status(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """The progress line. Once it is over the page is loaded afresh and asks no more."""
    case = access.case_status(request.user, case_id)
    if request.htmx and not _is_waiting(case):
        return HttpResponseClientRefresh()
    return render(request, "partials/_case_progress.html", {"case": case, "waiting": _is_waiting(case)})


@patient_required
@care_consent_required
@require_POST
def case_retry(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    case = access.case_get(request.user, case_id)
    try:
        services.analysis_retry(case=case, actor=request.user)
    except services.WrongState as error:
        messages.warning(request, str(error))
    return redirect("case_detail", case.pk)


@patient_required
@care_consent_required
@require_POST
def case_review_request(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    case = access.case_get(request.user, case_id)
    if not facts_of_case(case).dermatologists:
        messages.warning(request, _("No dermatologist works here now. Please use the finder."))
        return redirect("case_detail", case.pk)
    services.review_request(case=case, actor=request.user)
    messages.success(request, _("Sent to the dermatologists. This page says who looks next, and by when."))
    return redirect("case_detail", case.pk)


@patient_required
@require_http_methods(["GET", "HEAD", "POST"])
def case_delete(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """Ask first, then erase the case with every file made from it."""
    case = access.case_get(request.user, case_id)
    if request.method == "POST":
        services.case_erase(case=case)
        messages.success(request, _("The check, its photos and its reports are deleted."))
        return redirect("case_list")
    return render(request, "diagnosis/case_delete.html", {"case": case})


@login_required
@require_safe
def image_file(request: PersonRequest, image_id: uuid.UUID) -> HttpResponseBase:
    return access.file_response(access.image_get(request.user, image_id).file, content_type="image/jpeg")


@login_required
@require_safe
def heatmap_file(request: PersonRequest, finding_id: int) -> HttpResponseBase:
    return access.file_response(access.heatmap_get(request.user, finding_id).heatmap, content_type="image/png")
