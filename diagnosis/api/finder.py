"""`finder`: dermatologists near a place or a position. Positions come in the body: addresses end up in logs."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis.api.shared import PartnerResource
from diagnosis.models import Analysis
from finder import services
from finder.forms import DEFAULT_RADIUS_KM, RADII
from finder.services import Outcome
from smartderma.api import Problem
from smartderma.api_fields import NumberField, StrictSerializer, TextField


class FinderRequest(StrictSerializer):
    """A `place` by name, or `latitude` and `longitude` (rounded to about 100 m); `choice` among places of one name."""

    place = TextField(max_length=100, required=False)
    choice = serializers.RegexField(r"^[GNWR][0-9]{1,18}\Z", required=False)
    latitude = NumberField(min_value=-90, max_value=90, required=False)
    longitude = NumberField(min_value=-180, max_value=180, required=False)
    radius_km = serializers.ChoiceField([km for km, _label in RADII], default=DEFAULT_RADIUS_KM)

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        position = {"latitude", "longitude"} & values.keys()
        if len(position) != (0 if "place" in values else 2):
            raise serializers.ValidationError({"place": _("Say where to look: a place, or a position.")})
        return values


@extend_schema_serializer(component_name="FinderChoice")
class ChoiceBody(serializers.Serializer):
    """One of several places of the name; ask again with its `choice`."""

    choice = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]


@extend_schema_serializer(component_name="FinderResult")
class FinderBody(serializers.Serializer):
    """`results` by distance; show `attribution` with them. With `choices` the name was ambiguous."""

    source = serializers.CharField()  # type: ignore[assignment]
    attribution = serializers.CharField()
    results = serializers.ListField(child=serializers.DictField())
    notes = serializers.ListField(child=serializers.CharField())
    choices = ChoiceBody(many=True)


class FinderViewSet(PartnerResource):
    """Search for dermatologists."""

    serializer_class = FinderBody
    scopes = {"post": "analysis:read"}
    queryset = Analysis.objects.none()
    pagination_class = None

    @extend_schema(
        request=FinderRequest,
        responses={
            200: FinderBody,
            422: OpenApiResponse(description="There is no place of this name."),
            503: OpenApiResponse(description="The place search did not answer."),
        },
    )
    def create(self, request: Request) -> Response:
        """Dermatologists around a place or a position. Nothing of the request is kept."""
        form = FinderRequest(data=request.data)
        form.is_valid(raise_exception=True)
        outcome = search(form.validated_data)
        if outcome.problem == "unknown_place":
            raise Problem(422, "unknown_place", str(_("We do not know this place.")))
        if outcome.problem:
            raise Problem(
                503, outcome.problem, str(_("The place search did not answer.")), headers={"Retry-After": "30"}
            )
        empty = {"source": "", "attribution": "", "results": [], "notes": []}
        found = outcome.found.as_json() if outcome.found else empty
        choices = [{"choice": spot.key, "label": spot.label} for spot in outcome.choices]
        return Response(FinderBody({**found, "choices": choices}).data)


def search(values: dict[str, Any]) -> Outcome:
    """By position, rounded before anything else sees it, or by name."""
    radius = values["radius_km"] * 1000
    if "place" in values:
        return services.place_search(text=values["place"], choice=values.get("choice", ""), radius_m=radius)
    latitude, longitude = round(values["latitude"], 3), round(values["longitude"], 3)
    return services.position_search(latitude=latitude, longitude=longitude, radius_m=radius)
