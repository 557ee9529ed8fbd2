"""`releases`: the models that can answer, with their cards: how good, on what, and what they cannot do."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis.active_release import active_release, may_use
from diagnosis.api.shared import MISSING, PartnerResource
from diagnosis.models import Analysis
from diagnosis.names import condition_label
from diagnosis.release_page import release_page
from ml.releases.loader import list_releases, release_info
from ml.taxonomy import BY_SLUG


@extend_schema_serializer(component_name="ReleaseClass")
class ClassBody(serializers.Serializer):
    """A condition that the release names. `trained: false`: it has never seen it and cannot recognise it."""

    condition = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    icd10 = serializers.CharField()
    snomed = serializers.CharField()
    trained = serializers.BooleanField()


@extend_schema_serializer(component_name="Release")
class ReleaseBody(serializers.Serializer):
    """`active` answers when a request pins no release; `non_commercial`: licences of the training photos."""

    name = serializers.CharField()
    active = serializers.BooleanField()
    non_commercial = serializers.BooleanField()
    weights_sha256 = serializers.CharField()
    classes = ClassBody(many=True)


@extend_schema_serializer(component_name="ReleaseCard")
class ReleaseCard(ReleaseBody):
    """The same with the model card, in the language of the request."""

    card = serializers.DictField()


class ReleaseViewSet(PartnerResource):
    """Which releases there are, and the card of each."""

    serializer_class = ReleaseBody
    scopes = {"get": "analysis:read"}
    queryset = Analysis.objects.none()
    pagination_class = None
    lookup_value_converter = "str"

    @extend_schema(responses={200: ReleaseBody(many=True)})
    def list(self, request: Request) -> Response:
        """The releases that a request may pin."""
        return Response(ReleaseBody([release_of(name) for name in list_releases() if may_use(name)], many=True).data)

    @extend_schema(responses={200: ReleaseCard, **MISSING})
    def retrieve(self, request: Request, pk: str) -> Response:
        """One release with its model card."""
        if not may_use(pk):
            raise Http404
        return Response(ReleaseCard({**release_of(pk), "card": release_page(pk)}).data)


def release_of(name: str) -> dict[str, Any]:
    """The facts of a release."""
    release = release_info(name)
    return {
        "name": release.name,
        "active": name == active_release(),
        "non_commercial": release.non_commercial,
        "weights_sha256": release.weights_sha256,
        "classes": [
            {
                "condition": slug,
                "label": condition_label(slug),
                "icd10": BY_SLUG[slug].icd10,
                "snomed": BY_SLUG[slug].snomed,
                "trained": slug in release.trained_classes,
            }
            for slug in release.classes
        ],
    }
