"""`sandbox/photos`: the named photos of the sandbox and what comes of each."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis import sandbox
from diagnosis.api.images import JpegRenderer
from diagnosis.api.shared import MISSING, PartnerResource
from diagnosis.models import Analysis

PNG = "image/png"


@extend_schema_serializer(component_name="SandboxPhoto")
class ScenarioBody(serializers.Serializer):
    """A named photo; `expect` says what a sandbox key gets when it sends it as it is."""

    name = serializers.CharField()
    expect = serializers.CharField()
    link = serializers.SerializerMethodField()

    def get_link(self, scenario) -> str:
        return reverse("sandbox-photo-detail", args=[scenario.name])


class PngRenderer(JpegRenderer):
    media_type = PNG
    format = "png"


class SandboxPhotoViewSet(PartnerResource):
    """Download the named photos; they are drawn, nobody's skin."""

    serializer_class = ScenarioBody
    scopes = {"get": "analysis:read"}
    queryset = Analysis.objects.none()
    pagination_class = None
    lookup_value_converter = "slug"

    def get_renderers(self) -> list[BaseRenderer]:
        return [PngRenderer()] if getattr(self, "action", "") == "retrieve" else [JSONRenderer()]

    @extend_schema(responses={200: ScenarioBody(many=True)})
    def list(self, request: Request) -> Response:
        """Every named photo."""
        return Response(ScenarioBody(sandbox.SCENARIOS, many=True).data)

    @extend_schema(responses={(200, PNG): {"type": "string", "format": "binary"}, **MISSING})
    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        """The photo as PNG. Send it unchanged: it is recognised by its pixels."""
        if pk not in sandbox.BY_NAME:
            raise Http404
        return HttpResponse(sandbox.BY_NAME[pk].png(), content_type=PNG)
