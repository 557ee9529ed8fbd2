"""`reports`: the PDF of a case in any language of the site, and what it says of itself."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers, status
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis import access
from diagnosis.api.bodies import STANDINGS
from diagnosis.api.fhir import FHIR_BUNDLE, FHIR_JSON, FhirRenderer, analysis_bundle
from diagnosis.api.shared import MISSING, PartnerResource, key_of
from reports import services
from reports.models import Report
from smartderma.api import Conflict
from smartderma.api_fields import StrictSerializer
from smartderma.storage import file_response

PDF = "application/pdf"
PDF_SCHEMA = {"type": "string", "format": "binary"}
LANGUAGES = [code for code, _name in settings.LANGUAGES]
REPORT_SCOPES = {"get": "report:read", "post": "report:read"}


class PdfRenderer(BaseRenderer):
    """So that a client may ask for `application/pdf`; the views answer with the file itself."""

    media_type = PDF
    format = "pdf"
    render_style = "binary"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return JSONRenderer().render(data)  # only problems come this way


class ReportRequest(StrictSerializer):
    """The case and the language of the report."""

    case_id = serializers.UUIDField()
    language = serializers.ChoiceField(LANGUAGES, required=False, help_text="By default that of the request.")


@extend_schema_serializer(component_name="Report")
class ReportBody(serializers.ModelSerializer):
    """One PDF. `version` is that of the signed opinion in it, 0 before the first; earlier reports stay as they were."""

    case_id = serializers.UUIDField()
    standing = serializers.ChoiceField(STANDINGS)
    links = serializers.SerializerMethodField()

    class Meta:
        model = Report
        fields = ("id", "case_id", "version", "standing", "language", "sha256", "created_at", "links")
        read_only_fields = fields

    def get_links(self, report) -> dict[str, str]:
        return {
            "self": reverse("report-detail", args=[report.pk]),
            "case": reverse("case-detail", args=[report.case_id]),
        }


class ReportViewSet(PartnerResource):
    """List, make and download reports."""

    serializer_class = ReportBody
    scopes = REPORT_SCOPES
    queryset = Report.objects.none()

    def get_renderers(self) -> list[BaseRenderer]:
        return [JSONRenderer(), *([PdfRenderer()] if getattr(self, "action", "") == "retrieve" else [])]

    @extend_schema(responses={200: ReportBody(many=True)})
    def list(self, request: Request) -> Response:
        """Your reports, the newest first."""
        page = self.paginate_queryset(access.partner_reports(key_of(request)))
        return self.get_paginated_response(ReportBody(page, many=True).data)

    @extend_schema(
        request=ReportRequest,
        responses={
            201: ReportBody,
            409: OpenApiResponse(description="The photos are still being checked."),
            **MISSING,
        },
    )
    def create(self, request: Request) -> Response:
        """Make the report of a case as it stands now; the same facts and language give the same report."""
        form = ReportRequest(data=request.data)
        form.is_valid(raise_exception=True)
        case = access.partner_case_get(key_of(request), form.validated_data["case_id"])
        report = made(case, form.validated_data.get("language", request.LANGUAGE_CODE))
        headers = {"Location": reverse("report-detail", args=[report.pk])}
        return Response(ReportBody(report).data, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(
        responses={
            (200, "application/json"): ReportBody,
            (200, PDF): PDF_SCHEMA,
            302: OpenApiResponse(description="A link to the PDF that works for a minute."),
            **MISSING,
        }
    )
    def retrieve(self, request: Request, pk: uuid.UUID) -> HttpResponseBase:
        """The report; `Accept: application/pdf` gives the PDF."""
        report = access.partner_report_get(key_of(request), pk)
        return pdf_response(report) if request.accepted_media_type == PDF else Response(ReportBody(report).data)


class AnalysisReportViewSet(PartnerResource):
    """The report of an analysis as JSON, PDF or FHIR, made when it is missing."""

    serializer_class = ReportBody
    scopes = {"get": "report:read"}
    queryset = Report.objects.none()
    pagination_class = None

    def get_renderers(self) -> list[BaseRenderer]:
        return [JSONRenderer(), PdfRenderer(), FhirRenderer()]

    @extend_schema(
        responses={
            (200, "application/json"): ReportBody,
            (200, PDF): PDF_SCHEMA,
            (200, FHIR_JSON): FHIR_BUNDLE,
            302: OpenApiResponse(description="A link to the PDF that works for a minute."),
            409: OpenApiResponse(description="The photos are still being checked."),
            **MISSING,
        }
    )
    def retrieve(self, request: Request, pk: uuid.UUID) -> HttpResponseBase:
        """The report as it stands now, in the language of the request (`Accept-Language`)."""
        key = key_of(request)
        analysis = access.partner_analysis_get(key, pk)
        if request.accepted_media_type == FHIR_JSON:
            return Response(analysis_bundle(key, analysis))
        report = made(access.partner_case_get(key, analysis.case_id), request.LANGUAGE_CODE)
        return pdf_response(report) if request.accepted_media_type == PDF else Response(ReportBody(report).data)


def made(case: Any, language: str) -> Report:
    """The report of a case. Raises Conflict while there is nothing to report."""
    try:
        return services.report_render(case=case, language=language)
    except services.ReportNotReady as reason:
        raise Conflict(str(reason)) from reason


def pdf_response(report: Report) -> HttpResponseBase:
    """The file, or a link to it that works for a minute."""
    filename = f"{report.case.reference}-v{report.version}-{report.language}.pdf"
    return file_response(report.file, content_type=PDF, filename=filename)
