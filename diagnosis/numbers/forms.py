"""Filters of the numbers: period, whose cases, release."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.models import Partner, User
from diagnosis.numbers.scope import PATIENTS, Scope
from ml.releases.loader import list_releases

DEFAULT_DAYS = 90
MOST_DAYS = 366
PRESETS = (
    (7, _("7 days")),
    (30, _("30 days")),
    (90, _("90 days")),
    (365, _("1 year")),
)


def _day(label: Any) -> forms.DateField:
    """A day as browsers send it."""
    return forms.DateField(
        label=label, required=False, input_formats=["%Y-%m-%d"], widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )


class ScopeForm(forms.Form):
    """Everything comes by GET. The choice between partners is the operators'; releases matter on two of the pages."""

    first = _day(_("From"))
    last = _day(_("To"))
    partner = forms.ChoiceField(required=False, label=_("Whose cases"))
    release = forms.ChoiceField(required=False, label=_("Release"))

    def __init__(self, data: Any, *, user: User, releases: bool) -> None:
        today = datetime.now(UTC).date()
        start = {"first": today - timedelta(days=DEFAULT_DAYS - 1), "last": today}
        given = {name: data[name] for name in self.base_fields if data.get(name)}
        super().__init__({**start, **given})
        self._offer("partner", self._partners(user), user.is_staff)
        self._offer("release", [(name, name) for name in list_releases()], releases)

    def _partners(self, user: User) -> list[tuple[str, Any]]:
        names = Partner.objects.order_by("name").values_list("pk", "name") if user.is_staff else []
        return [(PATIENTS, _("Patients of this site")), *((str(pk), name) for pk, name in names)]

    def _offer(self, name: str, choices: list[tuple[str, Any]], wanted: bool) -> None:
        if wanted and choices:
            cast(forms.ChoiceField, self.fields[name]).choices = [("", _("All")), *choices]
        else:
            del self.fields[name]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and first > last:
            self.add_error("first", _("The first day must not be after the last."))
        elif first and last and last - first >= timedelta(days=MOST_DAYS):
            self.add_error("first", _("Please choose one year at most."))
        elif (last and last.year >= date.max.year) or (first and first.year < 2000):
            self.add_error("first", _("Please choose other days."))
        return cleaned

    @property
    def scope(self) -> Scope | None:
        """What is asked for; None while something on the form is wrong."""
        return Scope(**self.cleaned_data) if self.is_valid() else None

    @property
    def query(self) -> QueryDict:
        """The filters as they stand in an address."""
        return self._query(**self.cleaned_data) if self.is_valid() else QueryDict()

    @property
    def presets(self) -> list[tuple[str, Any, bool]]:
        """Periods up to today: (address, label, is it the one on the screen)."""
        today = datetime.now(UTC).date()
        kept = self.cleaned_data if self.is_valid() else {}
        found = []
        for days, label in PRESETS:
            period = {"first": today - timedelta(days=days - 1), "last": today}
            chosen = period.items() <= kept.items()
            found.append((self._query(**{**kept, **period}).urlencode(), label, chosen))
        return found

    def _query(self, **values: Any) -> QueryDict:
        query = QueryDict(mutable=True)
        query.update({name: str(value) for name, value in values.items() if value})
        return query
