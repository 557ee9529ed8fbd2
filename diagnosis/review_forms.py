"""Forms of the dermatologist's desk: verdict, whole opinion, request for photos, filters, texts."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.conf import settings
from django.urls import reverse_lazy
from django.utils.translation import gettext as now
from django.utils.translation import gettext_lazy as _

from accounts.models import Partner
from diagnosis.icd10 import icd10_title
from diagnosis.models import Case, FirstOpinion, NoteTemplate, PhotoRequest, Read, ReviewState, Tier
from diagnosis.models.reviews import diagnosis_choices
from diagnosis.names import condition_label
from diagnosis.questions import form_definition

OTHER = "other"
MAX_DIFFERENTIAL = 5
# The list of terms follows what is typed.
TERMS = {
    "hx-get": reverse_lazy("icd10_terms"),
    "hx-trigger": "input changed delay:250ms",
    "hx-target": "#icd10-terms",
}
VERDICT_FIELDS = ("diagnosis", "icd10", "diagnosis_text", "tier")


class VerdictForm(forms.ModelForm):
    """What it is and how urgent. A term of ICD-10 stands for "another condition" and brings its own name."""

    icd10 = forms.CharField(
        required=False,
        max_length=200,
        label=_("Or a term of ICD-10"),
        help_text=_("Type a code or words, such as L42 or pityriasis, and choose from the list."),
        widget=forms.TextInput({"list": "icd10-terms", "autocomplete": "off", **TERMS}),
    )

    class Meta:
        model = FirstOpinion
        fields = VERDICT_FIELDS
        labels = {
            "diagnosis": _("Diagnosis"),
            "diagnosis_text": _("Name of the other condition"),
            "tier": _("Urgency"),
        }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        named = [(slug, condition_label(slug)) for slug, _name in diagnosis_choices()]
        self._choose("diagnosis", [("", _("Please choose")), *named])  # nothing is signed by default
        self._choose("tier", [("", _("Please choose")), *Tier.choices])
        self.fields["diagnosis"].required = False  # a term of ICD-10 will do; see clean

    def _choose(self, name: str, choices: list) -> None:
        cast(forms.ChoiceField, self.fields[name]).choices = choices

    def clean_icd10(self) -> str:
        """The code alone: the list offers "L42 Pityriasis rosea"."""
        code = (self.cleaned_data["icd10"].split() or [""])[0].upper()
        if code and not icd10_title(code):
            raise forms.ValidationError(_("This is no code of ICD-10. Choose a term from the list."))
        return code

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        code = cleaned.get("icd10", "")
        if code and cleaned.get("diagnosis") not in {"", OTHER}:
            self.add_error("icd10", _("Choose either a diagnosis above or a term of ICD-10, not both."))
        elif code:
            cleaned |= {"diagnosis": OTHER, "diagnosis_text": cleaned.get("diagnosis_text") or icd10_title(code)}
        elif not cleaned.get("diagnosis"):
            self.add_error("diagnosis", _("Please choose a diagnosis or a term of ICD-10."))
        elif cleaned["diagnosis"] == OTHER and not cleaned.get("diagnosis_text"):
            self.add_error("diagnosis_text", _("Please name the condition."))
        return cleaned

    def _post_clean(self) -> None:
        """The service checks the whole row: a form knows only half of it."""


class ReviewForm(VerdictForm):
    """An opinion to sign. `seen_version` makes a lost update impossible: see `services.review_sign`."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    differential = forms.CharField(
        required=False,
        max_length=500,
        label=_("Other possibilities"),
        help_text=_("One in each line, the likeliest first, five at most."),
        widget=forms.Textarea({"rows": 2}),
    )
    follow_up_weeks = forms.IntegerField(
        required=False, min_value=1, max_value=104, label=_("See again after this many weeks")
    )
    change_reason = forms.CharField(
        required=False, max_length=300, label=_("Why you changed your first opinion"), widget=forms.TextInput()
    )
    amendment_reason = forms.CharField(max_length=300, label=_("Reason for the change"))
    second_read = forms.BooleanField(required=False, label=_("Ask a second dermatologist before the patient hears"))

    class Meta:
        model = Read
        fields = (
            *VERDICT_FIELDS,
            "differential",
            "severity",
            "plan",
            "follow_up_weeks",
            "note_to_patient",
            "private_note",
            "override_reason",
        )
        labels = {
            **VerdictForm.Meta.labels,
            "severity": _("Severity"),
            "plan": _("Plan"),
            "note_to_patient": _("Note to the patient, in plain words"),
            "private_note": _("Private note, for dermatologists only"),
            "override_reason": _("If you differ from the model: why?"),
        }
        widgets = {
            "plan": forms.Textarea({"rows": 2}),
            "note_to_patient": forms.Textarea({"rows": 6}),
            "private_note": forms.Textarea({"rows": 2}),
        }

    ORDER = (
        "diagnosis", "icd10", "diagnosis_text", "tier", "change_reason", "differential", "severity", "plan",
        "follow_up_weeks", "note_to_patient", "private_note", "override_reason", "amendment_reason", "second_read",
    )  # fmt: skip

    def __init__(self, *args, case: Case, version: int, first: FirstOpinion | None = None, **kwargs) -> None:
        kwargs["initial"] = {**_initial(case, first), "seen_version": version, **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)
        amends = case.review_state == ReviewState.DONE
        if not amends:
            del self.fields["amendment_reason"]
        if amends or case.review_state in ReviewState.OTHER_EYES:
            del self.fields["second_read"]
        if first is None:
            del self.fields["change_reason"]
        self.order_fields(self.ORDER)

    def clean_differential(self) -> list[str]:
        names = [line.strip() for line in self.cleaned_data["differential"].splitlines() if line.strip()]
        if len(names) > MAX_DIFFERENTIAL:
            raise forms.ValidationError(_("Please name five at most."))
        return names


def _initial(case: Case, first: FirstOpinion | None) -> dict[str, Any]:
    """What stands in the form at the start: the published opinion, or the reader's own first one."""
    last = case.latest_review
    if last and case.review_state == ReviewState.DONE:
        return {**last.opinion(), "differential": "\n".join(last.differential)}
    if first:
        return {name: getattr(first, name) for name in VERDICT_FIELDS}
    return {}


class PhotoRequestForm(forms.Form):
    """What is missing, so that the patient knows which photo to take."""

    missing = forms.MultipleChoiceField(
        choices=PhotoRequest.Missing.choices, widget=forms.CheckboxSelectMultiple, label=_("What is missing?")
    )
    note = forms.CharField(
        required=False, max_length=1000, label=_("In your own words"), widget=forms.Textarea({"rows": 2})
    )


SHOWN = [
    ("waiting", _("Waiting")),
    ("mine", _("Mine")),
    ("photos", _("New photos asked for")),
    ("signed", _("Signed")),
]


class QueueForm(forms.Form):
    """Filters of the queue; everything comes by GET, so that a view can be saved, linked and walked without scripts."""

    show = forms.ChoiceField(required=False, choices=SHOWN, label=_("Which cases"), widget=forms.HiddenInput)
    q = forms.CharField(required=False, max_length=12, label=_("Reference"))
    tier = forms.ChoiceField(required=False, label=_("Urgency"))
    signs = forms.BooleanField(required=False, label=_("Warning signs in the answers"))
    late = forms.BooleanField(required=False, label=_("Past the deadline"))
    read = forms.ChoiceField(required=False, label=_("Read"))
    site = forms.ChoiceField(required=False, label=_("Body site"))
    skin = forms.ChoiceField(required=False, label=_("Skin type"))
    language = forms.ChoiceField(required=False, label=_("Language"))
    partner = forms.ModelChoiceField(
        required=False, queryset=Partner.objects.order_by("name"), label=_("Partner"), empty_label=_("All")
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        questions = {one["key"]: one["options"] for screen in form_definition() for one in screen["questions"]}
        reads = [ReviewState.WAITING, ReviewState.SECOND, ReviewState.THIRD]
        choices = {
            "tier": reversed(Tier.choices),
            "read": [(state.value, state.label) for state in reads],
            "site": questions["site"],
            "skin": [(code, now("Type %(code)s") % {"code": code}) for code in ("I", "II", "III", "IV", "V", "VI")],
            "language": settings.LANGUAGES,
        }
        for name, options in choices.items():
            cast(forms.ChoiceField, self.fields[name]).choices = [("", _("All")), *options]

    def clean_q(self) -> str:
        """The eight characters of a reference such as C-1A2B3C4D."""
        text = self.cleaned_data["q"].strip().upper().removeprefix("C-")
        if text and (len(text) != 8 or not set(text) <= set("0123456789ABCDEF")):
            raise forms.ValidationError(_("A reference looks like C-1A2B3C4D."))
        return text

    @property
    def query(self) -> dict[str, str]:
        """The filters that are set, as they stand in an address."""
        names = [name for name in self.fields if self.cleaned_data.get(name)]
        return {name: str(self.data[name]) for name in names if name in self.data}

    @property
    def filtered(self) -> bool:
        return bool(set(self.query) - {"show"})


class SavedViewForm(forms.Form):
    name = forms.CharField(max_length=40, label=_("Save these filters as"))


class NoteTemplateForm(forms.ModelForm):
    class Meta:
        model = NoteTemplate
        fields = ("title", "language", "text")
        widgets = {"text": forms.Textarea({"rows": 8})}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"] = forms.ChoiceField(choices=settings.LANGUAGES, label=_("Language"))
