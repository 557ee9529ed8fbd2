"""The dermatologist's side: a queue, urgent first, and one screen per case."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.recent import confirm_address, is_recently_authenticated
from accounts.requests import PersonRequest
from diagnosis import access, blind, services
from diagnosis.models import Case, FirstOpinion
from diagnosis.queue import queue_page
from diagnosis.refusals import refusals_on
from diagnosis.review_forms import PhotoRequestForm, QueueForm, ReviewForm, SavedViewForm, VerdictForm
from diagnosis.review_page import review_context
from diagnosis.review_related import related_context

CONFIRM = gettext_lazy("Please confirm who you are before you sign. What you wrote stays on this page.")


def dermatologist_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Only a verified dermatologist comes in; for everybody else the page does not exist."""

    @login_required
    @wraps(view)
    def guarded(request: PersonRequest, *args, **kwargs) -> HttpResponseBase:
        if not request.user.is_verified_dermatologist:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


@dermatologist_required
@require_safe
def review_queue(request: PersonRequest) -> HttpResponse:
    """Cases that wait for a dermatologist, the most urgent first; filters and the next page come by the address."""
    form = QueueForm(request.GET)
    filters = form.cleaned_data if form.is_valid() else {}
    page = queue_page(request.user, filters, request.GET.get("after", ""))
    context = {
        "form": form,
        "page": page,
        "show": filters.get("show") or "waiting",
        "query": form.query,
        "views": access.saved_views(request.user),
        "save_form": SavedViewForm(),
    }
    return render(request, "diagnosis/review_queue.html", context)


@dermatologist_required
@require_http_methods(["GET", "HEAD", "POST"])
def review_case(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """Photos, answers, history and model on one screen; POST signs."""
    case = access.review_case_get(request.user, case_id)
    is_open = blind.model_is_open(user=request.user, case=case)
    form = _review_form(request, case) if is_open else None
    if request.method == "POST" and form and form.is_valid() and _sign(request, case, form):
        return redirect("review_queue")
    return _case_page(request, case, form=form, status=422 if request.method == "POST" else 200)


def _review_form(request: PersonRequest, case: Case) -> ReviewForm:
    last = case.latest_review
    first = blind.first_opinion(user=request.user, case=case)
    return ReviewForm(request.POST or None, case=case, version=last.version if last else 0, first=first)


def _case_page(request: PersonRequest, case: Case, status: int = 200, **forms_by_name) -> HttpResponse:
    context = {
        "first_form": None if forms_by_name.get("form") else VerdictForm(),
        "photo_form": PhotoRequestForm(),
        **review_context(request.user, case),
        "recent": is_recently_authenticated(request),
        "confirm_address": confirm_address(request),
        **forms_by_name,
    }
    return render(request, "diagnosis/review_case.html", context, status=status)


def _sign(request: PersonRequest, case: Case, form: ReviewForm) -> bool:
    """Sign, or put the reason why not on the form."""
    if not is_recently_authenticated(request):
        form.add_error(None, CONFIRM)
        return False
    published = None
    with refusals_on(form):
        published = services.review_sign(case=case, reviewer=request.user, **form.cleaned_data)
    if published:
        messages.success(request, _("Signed. The patient's report is being updated."))
    elif not form.errors:
        messages.success(request, _("Signed. Another dermatologist reads this case before the patient hears."))
    return not form.errors


@dermatologist_required
@require_safe
def review_related(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """What stands beside the case: asked for by its page, and a page of its own without scripts."""
    context = related_context(request.user, access.related_case_get(request.user, case_id))
    template = "partials/_review_related.html" if request.htmx else "diagnosis/review_related.html"
    return render(request, template, context)


@dermatologist_required
@require_POST
def review_first_opinion(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """The first opinion of a blind read; the model's panel opens after it."""
    case = access.review_case_get(request.user, case_id)
    form = VerdictForm(request.POST, instance=FirstOpinion())
    if form.is_valid():
        with refusals_on(form):
            services.first_opinion_store(case=case, reader=request.user, **form.cleaned_data)
    if form.errors:
        return _case_page(request, case, status=422, first_form=form)
    messages.success(request, _("Your first opinion is stored. The model's answer is open now."))
    return redirect("review_case", case_id)


@dermatologist_required
@require_POST
def review_take(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """Take a case: of any number of people who press at once, one gets it."""
    case = access.review_case_get(request.user, case_id)
    try:
        services.case_take(case=case, reader=request.user)
    except services.WrongState as refusal:
        messages.warning(request, str(refusal))
    return redirect("review_case", case_id)


@dermatologist_required
@require_POST
def review_keep(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """The open page says that somebody is still there. 204 changes nothing on it; 286 tells htmx to ask no more."""
    if services.case_keep(case_id=case_id, reader=request.user):
        return HttpResponse(status=204)
    return render(request, "partials/_review_hold.html", status=286)


@dermatologist_required
@require_POST
def review_release(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    case = access.review_case_get(request.user, case_id)
    if services.case_release(case=case, reader=request.user):
        messages.info(request, _("Given back to the queue."))
    return redirect("review_queue")


@dermatologist_required
@require_POST
def review_photos(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """Cannot judge: ask the patient for other photos."""
    case = access.review_case_get(request.user, case_id)
    form = PhotoRequestForm(request.POST)
    if form.is_valid():
        with refusals_on(form):
            services.photos_request(case=case, reader=request.user, **form.cleaned_data)
    if form.errors:
        return _case_page(request, case, status=422, photo_form=form, form=None)
    messages.success(request, _("The patient is asked for new photos. The case comes back when they are here."))
    return redirect("review_queue")


@dermatologist_required
@require_safe
def member_map(request: PersonRequest, finding_id: int, member: str) -> HttpResponse:
    """Where one network looked, as a small grey PNG."""
    found = access.member_map_get(request.user, finding_id, member)
    return HttpResponse(bytes(found.png), content_type="image/png")
