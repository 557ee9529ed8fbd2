"""The dermatologist's side: a queue, urgent first, and one screen per case."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.requests import PersonRequest
from diagnosis import access, services
from diagnosis.facts import facts_of_case
from diagnosis.models import Case, Review, Tier
from diagnosis.names import condition_label
from diagnosis.presentation import present
from ml.taxonomy import SLUGS

PAGE_SIZE = 25


def dermatologist_required(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Only a verified dermatologist comes in; for everybody else the page does not exist."""

    @login_required
    @wraps(view)
    def guarded(request: PersonRequest, *args, **kwargs) -> HttpResponse:
        if not request.user.is_verified_dermatologist:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


class ReviewForm(forms.ModelForm):
    """A signed opinion. `seen_version` makes a lost update impossible: see `services.review_sign`."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    class Meta:
        model = Review
        fields = ("diagnosis", "diagnosis_text", "tier", "note_to_patient", "private_note", "amendment_reason")
        labels = {
            "diagnosis": _("Diagnosis"),
            "diagnosis_text": _("Name of the other condition"),
            "tier": _("Urgency"),
            "note_to_patient": _("Note to the patient, in plain words"),
            "private_note": _("Private note"),
            "amendment_reason": _("Reason for the change"),
        }
        widgets = {"note_to_patient": forms.Textarea({"rows": 5}), "private_note": forms.Textarea({"rows": 3})}

    def __init__(self, *args, version: int, **kwargs):
        super().__init__(*args, **kwargs)
        named = [(slug, condition_label(slug)) for slug in [*SLUGS, "other", "cannot_judge"]]
        self._choose("diagnosis", [("", _("Please choose")), *named])  # nothing is signed by default
        self._choose("tier", Tier.choices)
        self.fields["seen_version"].initial = version
        if version == 0:
            del self.fields["amendment_reason"]
        else:
            self.fields["amendment_reason"].required = True

    def _choose(self, name: str, choices: list) -> None:
        cast(forms.ChoiceField, self.fields[name]).choices = choices

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("diagnosis") == "other" and not cleaned.get("diagnosis_text"):
            self.add_error("diagnosis_text", _("Please name the condition."))
        return cleaned


@dermatologist_required
@require_safe
def review_queue(request: PersonRequest) -> HttpResponse:
    """Cases that wait for a first opinion, the most urgent first; with `?signed` those that have one."""
    cases = access.case_list(request.user).prefetch_related("images", "analyses", "reviews")
    signed = "signed" in request.GET
    cases = cases.exclude(reviews=None).order_by("-created_at") if signed else cases.awaiting_review().urgent_first()
    page = Paginator(cases, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "diagnosis/review_queue.html", {"page": page, "signed": signed})


@dermatologist_required
@require_http_methods(["GET", "HEAD", "POST"])
def review_case(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """Photos, answers, history and model on one screen; POST signs."""
    case = access.case_get(request.user, case_id)
    last = case.latest_review
    form = ReviewForm(request.POST or None, version=last.version if last else 0, initial={"tier": case.tier})
    if request.method == "POST" and form.is_valid() and _sign(request, case, form):
        messages.success(request, _("Signed. The patient's report is being updated."))
        return redirect("review_queue")
    context = {"case": case, "view": present(facts_of_case(case)), "form": form, "reviews": case.reviews.all()}
    return render(request, "diagnosis/review_case.html", context)


def _sign(request: PersonRequest, case: Case, form: ReviewForm) -> bool:
    """Sign, or put the reason why not on the form."""
    try:
        services.review_sign(case=case, reviewer=request.user, **form.cleaned_data)
    except (services.WrongState, ValidationError) as error:
        form.add_error(None, error if isinstance(error, ValidationError) else str(error))
        return False
    return True
