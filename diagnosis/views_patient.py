"""The patient's pages. Thin: access through `access`, writes through `services`, words from `presentation`."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from accounts.decorators import care_consent_required, patient_required
from accounts.requests import PersonRequest
from diagnosis import access, services
from diagnosis.active_release import active_release
from diagnosis.facts import facts_of_case
from diagnosis.models import Case
from diagnosis.presentation import present
from diagnosis.release_page import release_page


@require_safe
def home(request: PersonRequest) -> HttpResponse:
    """What this is, for everybody."""
    return render(request, "diagnosis/home.html")


@require_safe
def release_card(request: PersonRequest) -> HttpResponse:
    """The model card: how good the active release is, on what, and what it cannot do."""
    return render(request, "diagnosis/release_card.html", {"card": release_page(active_release())})


@patient_required
@require_safe
def case_detail(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """Progress while the photos are being checked, then the result."""
    case = access.case_get(request.user, case_id)
    facts = facts_of_case(case)
    context = {"case": case, "view": present(facts), "waiting": _is_waiting(case), "can_ask": facts.dermatologists}
    return render(request, "diagnosis/case_detail.html", context)


def _is_waiting(case: Case) -> bool:
    """True while there is nothing to show yet; a signed opinion is there to be read without any model."""
    if case.latest_review is not None:
        return False
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
        try:
            certificate = services.case_erase(case=case)
        except services.OnHold as hold:
            messages.error(request, hold.sentence)
            return redirect("case_detail", case.pk)
        if certificate is None:
            raise Http404  # a second click was faster
        messages.success(request, _("The check, its photos and its reports are deleted. This page is the proof."))
        return redirect("erasure_certificate", certificate.pk)
    return render(request, "diagnosis/case_delete.html", {"case": case})


@login_required
@require_safe
def image_file(request: PersonRequest, image_id: uuid.UUID) -> HttpResponseBase:
    return access.file_response(access.image_get(request.user, image_id).file, content_type="image/jpeg")


@login_required
@require_safe
def heatmap_file(request: PersonRequest, finding_id: int) -> HttpResponseBase:
    return access.file_response(access.heatmap_get(request.user, finding_id).heatmap, content_type="image/png")
