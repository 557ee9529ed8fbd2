"""`analyses`: photos in, a job out, its result later. Asynchronous: 202 and a job resource (docs/API.md)."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from diagnosis import access, images, services
from diagnosis.api.fhir import FHIR_BUNDLE, FHIR_JSON, FhirRenderer, analysis_bundle
from diagnosis.api.shared import MISSING, PROBLEMS, key_of, unusable_photo
from diagnosis.models import Analysis, Outcome, Tier
from diagnosis.names import condition_label
from diagnosis.presentation import is_urgency_known
from diagnosis.questions import AnswersError, clean_answers
from ml.taxonomy import BY_SLUG
from smartderma.api_fields import FilePart, NullForEmpty

JOB_STATUS = {"queued": "queued", "running": "running", "done": "succeeded", "failed": "failed"}


class AnalysisRequest(serializers.Serializer):
    """Multipart: 1 to 5 `photos`, `answers` as a JSON text, optionally a pseudonymous `external_patient`."""

    photos = serializers.ListField(child=FilePart(), min_length=1, max_length=5)
    answers = serializers.CharField(max_length=20000)
    external_patient = serializers.RegexField(r"^[A-Za-z0-9._:-]{0,64}$", required=False, allow_blank=True, default="")

    def validate_answers(self, text: str) -> dict[str, Any]:
        try:
            return clean_answers(json.loads(text))
        except AnswersError as error:
            raise serializers.ValidationError(error.errors.get("answers") or error.errors) from error
        except (ValueError, RecursionError) as error:  # not JSON, or a number of thousands of digits
            raise serializers.ValidationError("The answers are not valid JSON.") from error


@extend_schema_serializer(component_name="Prediction")
class PredictionBody(serializers.Serializer):
    condition = serializers.CharField()
    label = serializers.SerializerMethodField()  # type: ignore[assignment]
    icd10 = serializers.SerializerMethodField()
    snomed = serializers.SerializerMethodField()
    probability = serializers.FloatField()

    def get_label(self, row) -> str:
        return condition_label(row.condition)

    def get_icd10(self, row) -> str:
        return BY_SLUG[row.condition].icd10 if row.condition in BY_SLUG else ""

    def get_snomed(self, row) -> str:
        return BY_SLUG[row.condition].snomed if row.condition in BY_SLUG else ""


@extend_schema_serializer(component_name="Analysis")
class AnalysisBody(serializers.ModelSerializer):
    """The job and, once it succeeded, its result. An abstention is a result: `outcome: "inconclusive"`."""

    status = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(source="queued_at")
    outcome = NullForEmpty(Outcome.choices, help_text="null until it is known.")
    failure = serializers.CharField(help_text="Why it failed; empty otherwise.")
    reasons = serializers.ListField(child=serializers.CharField(), help_text="Why it is inconclusive.")
    tier = serializers.SerializerMethodField()
    needs_review = serializers.BooleanField(source="case.needs_review")
    review_reasons = serializers.ListField(source="case.review_reasons", child=serializers.CharField())
    predictions = PredictionBody(many=True, source="named_predictions")
    prediction_set = serializers.ListField(source="named_set", child=serializers.CharField())
    photos = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = Analysis
        fields = (
            "id",
            "status",
            "created_at",
            "finished_at",
            "failure",
            "outcome",
            "reasons",
            "tier",
            "needs_review",
            "review_reasons",
            "predictions",
            "prediction_set",
            "photos",
            "release",
            "weights_sha256",
            "links",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(sorted(JOB_STATUS.values())))
    def get_status(self, analysis) -> str:
        return JOB_STATUS[analysis.status]

    @extend_schema_field(serializers.ChoiceField(Tier.choices, allow_null=True))
    def get_tier(self, analysis) -> str | None:
        """null where neither answers nor photos say how urgent it is."""
        case, judged = analysis.case, analysis.outcome == "assessed"
        return case.tier if is_urgency_known(case.tier, judged=judged, signed=case.latest_review is not None) else None

    def get_photos(self, analysis) -> list[dict[str, Any]]:
        return [{"outcome": f.outcome, "reasons": f.reasons, "quality": f.quality} for f in analysis.findings.all()]

    def get_links(self, analysis) -> dict[str, str]:
        return {"self": reverse("analysis-detail", args=[analysis.pk])}


class AnalysisViewSet(GenericViewSet):
    """Create, read and erase analyses of one's own patients."""

    serializer_class = AnalysisBody
    parser_classes = [MultiPartParser]
    scopes = {"post": "analysis:write", "get": "analysis:read", "delete": "analysis:write"}
    lookup_value_converter = "uuid"
    queryset = Analysis.objects.none()
    pagination_class = None
    filter_backends: list = []

    @extend_schema(
        request={"multipart/form-data": AnalysisRequest},
        responses={202: AnalysisBody, **PROBLEMS, 422: OpenApiResponse(description="A photo cannot be used.")},
    )
    def create(self, request: Request) -> Response:
        """Store the photos and queue their analysis: 202 with `Location` and `Retry-After`."""
        form = AnalysisRequest(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            photos = images.inspect_uploads(form.validated_data["photos"])
        except DjangoValidationError as error:
            return unusable_photo(request, error)
        case = services.case_submit(
            partner=key_of(request).partner,
            external_patient=form.validated_data["external_patient"],
            photos=photos,
            answers=form.validated_data["answers"],
            language=request.LANGUAGE_CODE,
            submission_key=uuid.uuid4(),
        )
        analysis = access.partner_analysis_get(key_of(request), case.analyses.get().pk)
        headers = {"Location": reverse("analysis-detail", args=[analysis.pk]), "Retry-After": "2"}
        return Response(AnalysisBody(analysis).data, status=status.HTTP_202_ACCEPTED, headers=headers)

    def get_renderers(self) -> list[BaseRenderer]:
        """FHIR only where there is one analysis to show."""
        return [JSONRenderer(), *([FhirRenderer()] if getattr(self, "action", "") == "retrieve" else [])]

    @extend_schema(
        responses={(200, "application/json"): AnalysisBody, (200, FHIR_JSON): FHIR_BUNDLE, **PROBLEMS, **MISSING}
    )
    def retrieve(self, request: Request, pk: uuid.UUID) -> Response:
        """The job, until `status` is `succeeded` or `failed`; `Accept: application/fhir+json` gives a Bundle."""
        analysis = access.partner_analysis_get(key_of(request), pk)
        if request.accepted_media_type == FHIR_JSON:
            return Response(analysis_bundle(key_of(request), analysis))
        return Response(AnalysisBody(analysis).data)

    @extend_schema(responses={204: None, **PROBLEMS, **MISSING})
    def destroy(self, request: Request, pk: uuid.UUID) -> Response:
        """Erase the case of this analysis: photos, heat maps, reports and results."""
        analysis = access.partner_analysis_get(key_of(request), pk)
        services.case_erase(case=analysis.case)
        return Response(status=status.HTTP_204_NO_CONTENT)
