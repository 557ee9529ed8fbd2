"""What a person may choose about a report, and a file to check."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from reports.models import Report
from reports.verification import MAX_FILE_BYTES


class ReportForm(forms.Form):
    """Language, paper and name of a new report; whatever is left out is the usual."""

    language = forms.ChoiceField(label=_("Language"), choices=lambda: settings.LANGUAGES, required=False)
    paper = forms.ChoiceField(label=_("Paper"), choices=Report.Paper.choices, required=False)
    person_name = forms.CharField(
        label=_("Your name on the report"),
        help_text=_("Leave it empty and the report shows a number instead of your name."),
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )

    def clean_person_name(self) -> str:
        return " ".join(self.cleaned_data["person_name"].split())


class VerifyForm(forms.Form):
    """A PDF that somebody was given."""

    file = forms.FileField(
        label=_("PDF file of the report"),
        help_text=_("The file is compared and then forgotten. It can be up to 2 MB."),
        widget=forms.FileInput(attrs={"accept": "application/pdf"}),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_FILE_BYTES:
            raise forms.ValidationError(_("This file is larger than 2 MB, so it is not one of our reports."))
        return file
