"""What a person may ask."""

from __future__ import annotations

from django import forms
from django.core.validators import RegexValidator
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

RADII = ((5, _("5 km (3 miles)")), (10, _("10 km (6 miles)")), (25, _("25 km (16 miles)")), (50, _("50 km (31 miles)")))
DEFAULT_RADIUS_KM = 25


class RadiusForm(forms.Form):
    radius = forms.TypedChoiceField(label=_("How far away"), choices=RADII, coerce=int, initial=DEFAULT_RADIUS_KM)

    def __init__(self, data: QueryDict | None = None, **options) -> None:
        """A request without a radius means the default one, and the page shows it as chosen."""
        if data is not None and not data.get("radius"):
            data = data.copy()
            data["radius"] = str(DEFAULT_RADIUS_KM)
        super().__init__(data, **options)

    @property
    def radius_m(self) -> int:
        return self.cleaned_data["radius"] * 1000


class PlaceForm(RadiusForm):
    """A typed town; `choice` is the key of one of several towns of that name."""

    place = forms.CharField(
        label=_("Town or city"),
        max_length=100,
        help_text=_("For example: Pune, or Paris, France"),
        widget=forms.TextInput(attrs={"autocomplete": "address-level2"}),
    )
    choice = forms.CharField(
        max_length=20, required=False, validators=[RegexValidator(r"^[GNWR][0-9]+$")], widget=forms.HiddenInput
    )
    field_order = ("place", "radius", "choice")


class PositionForm(RadiusForm):
    """The position of a device, rounded to about 100 m before anything else sees it."""

    latitude = forms.FloatField(min_value=-90, max_value=90)
    longitude = forms.FloatField(min_value=-180, max_value=180)

    def clean_latitude(self) -> float:
        return round(self.cleaned_data["latitude"], 3)

    def clean_longitude(self) -> float:
        return round(self.cleaned_data["longitude"], 3)
