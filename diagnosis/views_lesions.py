"""Spots over time: list, timeline with notes and reminder, two photos side by side, filing of checks."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Max
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.decorators import patient_required
from accounts.models import Purpose
from accounts.requests import PersonRequest
from accounts.services import consent_held
from diagnosis import access, services
from diagnosis.comparing import comparison
from diagnosis.models import Case, Lesion, LesionNote, Reminder
from diagnosis.recheck import lesion_label
from diagnosis.refusals import refusals_on

NEW = "new"


class LesionNameForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name of the spot"), max_length=80, required=False)


class NoteForm(forms.ModelForm):
    class Meta:
        model = LesionNote
        fields = ("text",)
        labels = {"text": gettext_lazy("Your note")}
        widgets = {"text": forms.Textarea({"rows": 3})}


class ReminderForm(forms.Form):
    months = forms.TypedChoiceField(
        label=gettext_lazy("Remind me to look again"), choices=Reminder.Months.choices, coerce=int, initial=3
    )


class FileForm(LesionNameForm):
    """Which spot a check belongs to: one of the person's own, or a new one with a name."""

    lesion = forms.ChoiceField(label=gettext_lazy("Which spot is it?"), widget=forms.RadioSelect)
    field_order = ("lesion", "name")

    def __init__(self, *args: Any, lesions: list[Lesion], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lesions = {str(lesion.pk): lesion for lesion in lesions}
        own = [(key, lesion_label(lesion)) for key, lesion in self.lesions.items()]
        cast(forms.ChoiceField, self.fields["lesion"]).choices = [*own, (NEW, _("A new spot"))]
        self.fields["name"].label = _("Name of the new spot")
        self.fields["name"].help_text = _("In your own words, for example “mole on the left shoulder”.")
        self.fields["name"].optional_mark = True  # type: ignore[attr-defined]


@patient_required
@require_safe
def lesion_list(request: PersonRequest) -> HttpResponse:
    """All spots that the person follows, the one looked at last first."""
    lesions = access.lesion_list(request.user).select_related("reminder")
    lesions = lesions.annotate(visits_count=Count("cases"), last_visit=Max("cases__created_at"))
    context = {"lesions": lesions.order_by("-last_visit", "-created_at"), "kept": _photos_are_kept(request)}
    return render(request, "diagnosis/lesion_list.html", context)


def _photos_are_kept(request: PersonRequest) -> bool:
    return consent_held(user=request.user, purpose=Purpose.STORAGE)


@patient_required
@require_safe
def lesion_detail(request: PersonRequest, lesion_id: uuid.UUID) -> HttpResponse:
    """The timeline of a spot: dates, results, photos, notes; the reminder; what else can be done."""
    return _lesion_page(request, access.lesion_get(request.user, lesion_id))


def _lesion_page(request: PersonRequest, lesion: Lesion, **forms_with_errors: forms.BaseForm) -> HttpResponse:
    reminder = getattr(lesion, "reminder", None)
    months = reminder.months if reminder else Reminder.Months.THREE
    context = {
        "lesion": lesion,
        "label": lesion_label(lesion),
        "steps": _steps(lesion),
        "reminder": reminder if reminder and reminder.is_active else None,
        "note_form": NoteForm(),
        "reminder_form": ReminderForm(initial={"months": months}),
        "name_form": LesionNameForm(initial={"name": lesion.name}),
        "can_compare": len([image for case in lesion.visits for image in case.images.all()]) > 1,
        "kept": _photos_are_kept(request),
        **forms_with_errors,
    }
    return render(request, "diagnosis/lesion_detail.html", context, status=422 if forms_with_errors else 200)


def _steps(lesion: Lesion) -> list[dict[str, Any]]:
    """Checks and notes in one line of time, newest first."""
    visits = [{"at": case.created_at, "case": case} for case in lesion.visits]
    notes = [{"at": note.created_at, "note": note} for note in lesion.notes.all()]
    return sorted([*visits, *notes], key=lambda step: step["at"], reverse=True)


@patient_required
@require_POST
def lesion_rename(request: PersonRequest, lesion_id: uuid.UUID) -> HttpResponse:
    lesion = access.lesion_get(request.user, lesion_id)
    form = LesionNameForm(request.POST)
    if not form.is_valid():
        return _lesion_page(request, lesion, name_form=form)
    services.lesion_rename(lesion=lesion, name=form.cleaned_data["name"])
    messages.success(request, _("Saved."))
    return redirect("lesion_detail", lesion.pk)


@patient_required
@require_http_methods(["GET", "HEAD", "POST"])
def lesion_delete(request: PersonRequest, lesion_id: uuid.UUID) -> HttpResponse:
    """Ask first. The checks stay; they are only no longer filed under the spot."""
    lesion = access.lesion_get(request.user, lesion_id)
    if request.method == "POST":
        try:
            services.lesion_delete(lesion=lesion)
        except services.OnHold as hold:
            messages.error(request, hold.sentence)
            return redirect("lesion_detail", lesion.pk)
        messages.success(request, _("We no longer follow this spot. Its checks are under “My checks”."))
        return redirect("lesion_list")
    return render(request, "diagnosis/lesion_delete.html", {"lesion": lesion, "label": lesion_label(lesion)})


@patient_required
@require_POST
def note_create(request: PersonRequest, lesion_id: uuid.UUID) -> HttpResponse:
    lesion = access.lesion_get(request.user, lesion_id)
    form = NoteForm(request.POST)
    if form.is_valid():
        with refusals_on(form):
            services.note_create(lesion=lesion, text=form.cleaned_data["text"])
    if form.errors:
        return _lesion_page(request, lesion, note_form=form)
    messages.success(request, _("Your note is saved."))
    return redirect("lesion_detail", lesion.pk)


@patient_required
@require_POST
def note_delete(request: PersonRequest, lesion_id: uuid.UUID, note_id: int) -> HttpResponse:
    lesion = access.lesion_get(request.user, lesion_id)
    try:
        services.note_delete(lesion=lesion, note_id=note_id)
        messages.success(request, _("Your note is deleted."))
    except services.OnHold as hold:
        messages.error(request, hold.sentence)
    return redirect("lesion_detail", lesion.pk)


@patient_required
@require_POST
def reminder_set(request: PersonRequest, lesion_id: uuid.UUID) -> HttpResponse:
    lesion = access.lesion_get(request.user, lesion_id)
    form = ReminderForm(request.POST)
    if not form.is_valid():
        return _lesion_page(request, lesion, reminder_form=form)
    months = form.cleaned_data["months"]
    services.reminder_set(lesion=lesion, months=months)
    text = ngettext(
        "We will remind you by e-mail in %(n)d month, and then again and again.",
        "We will remind you by e-mail in %(n)d months, and then again and again.",
        months,
    )
    messages.success(request, text % {"n": months})
    return redirect("lesion_detail", lesion.pk)


@patient_required
@require_POST
def reminder_stop(request: PersonRequest, lesion_id: uuid.UUID) -> HttpResponse:
    lesion = access.lesion_get(request.user, lesion_id)
    if hasattr(lesion, "reminder"):
        services.reminder_stop(reminder_id=lesion.reminder.pk)
    messages.success(request, _("We no longer remind you of this spot."))
    return redirect("lesion_detail", lesion.pk)


@login_required
@require_safe
def lesion_compare(request: PersonRequest, lesion_id: uuid.UUID) -> HttpResponse:
    """Two photos of a spot side by side, for its patient and for dermatologists who were asked about it."""
    lesion = access.lesion_get(request.user, lesion_id, parts=("images",))
    pair = comparison(lesion.visits, before=request.GET.get("before", ""), after=request.GET.get("after", ""))
    if pair is None:
        raise Http404
    context = {"lesion": lesion, "label": lesion_label(lesion), "pair": pair, "own": request.user.is_patient}
    return render(request, "diagnosis/lesion_compare.html", context)


@patient_required
@require_http_methods(["GET", "HEAD", "POST"])
def case_file(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """File a check under a spot, a new one or one that is followed already."""
    case = access.case_get(request.user, case_id)
    lesions = list(access.lesion_list(request.user))
    chosen = str(case.lesion_id or (lesions[0].pk if lesions else NEW))
    form = FileForm(request.POST or None, lesions=lesions, initial={"lesion": chosen})
    if request.method == "POST" and form.is_valid() and _file(request, case, form):
        messages.success(request, _("Filed. You see all checks of this spot here, one after the other."))
        return redirect("lesion_detail", case.lesion_id)
    context = {"case": case, "form": form, "kept": _photos_are_kept(request)}
    return render(request, "diagnosis/case_file.html", context, status=422 if form.errors else 200)


def _file(request: PersonRequest, case: Case, form: FileForm) -> bool:
    """File it, or put the reason why not on the form."""
    with refusals_on(form):
        services.case_file_as(
            case=case,
            patient=request.user,
            lesion=form.lesions.get(form.cleaned_data["lesion"]),
            name=form.cleaned_data["name"],
        )
    return not form.errors


@patient_required
@require_POST
def case_unfile(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """Take a check out of its spot's timeline."""
    case = access.case_get(request.user, case_id)
    lesion_id = case.lesion_id
    services.case_file(case=case, lesion=None)
    messages.success(request, _("This check is no longer filed under the spot."))
    return redirect("lesion_detail", lesion_id) if lesion_id else redirect("case_detail", case.pk)
