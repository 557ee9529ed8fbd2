"""What an operator fills in on the pages of releases and exports."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from ml.releases.loader import list_releases


class ActivateForm(forms.Form):
    """`replaces` is the release that was active on the page: a race is lost instead of won by chance."""

    replaces = forms.CharField(widget=forms.HiddenInput, max_length=64)
    reason = forms.CharField(
        label=_("Why this release"), max_length=300, help_text=_("It stays in the diary of operators.")
    )


class ShadowForm(forms.Form):
    percent = forms.IntegerField(
        label=_("Share of cases that it judges as well"),
        min_value=0,
        max_value=100,
        help_text=_("In per cent; 0 ends it. Only cases of patients who agreed to research."),
    )


class ExportForm(forms.Form):
    """Which cases: those of one release, or all."""

    release = forms.ChoiceField(label=_("Judged by"), required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        choices = [("", _("Any release")), *((name, name) for name in list_releases())]
        self.fields["release"].choices = choices  # type: ignore[attr-defined]
