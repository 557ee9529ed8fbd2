"""What a dermatologist keeps at hand: saved filters, texts for notes, the terms of ICD-10."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.requests import PersonRequest
from diagnosis import access, services
from diagnosis.icd10 import icd10_search
from diagnosis.models import NoteTemplate
from diagnosis.refusals import refusals_on
from diagnosis.review_forms import NoteTemplateForm, QueueForm, SavedViewForm
from diagnosis.views_review import dermatologist_required


@dermatologist_required
@require_POST
def saved_view_create(request: PersonRequest) -> HttpResponse:
    """Keep the filters that came with the form under a name."""
    filters, form = QueueForm(request.POST), SavedViewForm(request.POST)
    query = filters.query if filters.is_valid() else {}
    try:
        services.saved_view_store(user=request.user, name=form.data.get("name", "").strip(), query=query)
        messages.success(request, _("Saved."))
    except ValidationError as refusal:
        messages.warning(request, " ".join(refusal.messages))
    return redirect(f"{reverse('review_queue')}?{urlencode(query)}")


@dermatologist_required
@require_POST
def saved_view_delete(request: PersonRequest, view_id: int) -> HttpResponse:
    services.saved_view_delete(view=access.saved_view_get(request.user, view_id))
    return redirect("review_queue")


@dermatologist_required
@require_safe
def icd10_terms(request: PersonRequest) -> HttpResponse:
    """Terms for what was typed so far, as options of a data list."""
    return render(request, "partials/_icd10_terms.html", {"terms": icd10_search(request.GET.get("icd10", "")[:100])})


@dermatologist_required
@require_safe
def note_template_list(request: PersonRequest) -> HttpResponse:
    return render(request, "diagnosis/note_template_list.html", {"templates": access.note_templates(request.user)})


@dermatologist_required
@require_http_methods(["GET", "HEAD", "POST"])
def note_template_create(request: PersonRequest) -> HttpResponse:
    return _note_template_form(request, NoteTemplate(owner=request.user))


@dermatologist_required
@require_http_methods(["GET", "HEAD", "POST"])
def note_template_edit(request: PersonRequest, template_id: int) -> HttpResponse:
    return _note_template_form(request, access.note_template_get(request.user, template_id))


def _note_template_form(request: PersonRequest, template: NoteTemplate) -> HttpResponse:
    form = NoteTemplateForm(request.POST or None, instance=template)
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            services.note_template_store(template=form.instance)
            return redirect("note_template_list")
    return render(request, "diagnosis/note_template_form.html", {"form": form, "template": template})


@dermatologist_required
@require_POST
def note_template_delete(request: PersonRequest, template_id: int) -> HttpResponse:
    services.note_template_delete(template=access.note_template_get(request.user, template_id))
    return redirect("note_template_list")
