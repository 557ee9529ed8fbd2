"""`reviews`: ask a dermatologist to look, and read what was signed."""

from __future__ import annotations

import uuid
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis import access, services
from diagnosis.api.cases import CaseBody
from diagnosis.api.shared import MISSING, PartnerResource, key_of
from diagnosis.models import Case, Review, Tier
from diagnosis.names import condition_label
from ml.taxonomy import BY_SLUG
from smartderma.api import Conflict, CursorPages
from smartderma.api_fields import StrictSerializer


class SignedPages(CursorPages):
    ordering = ("-signed_at", "-pk")


class ReviewRequest(StrictSerializer):
    """The case that a dermatologist should look at."""

    case_id = serializers.UUIDField()


@extend_schema_serializer(component_name="Review")
class ReviewBody(serializers.ModelSerializer):
    """A signed opinion. `version` 1 is final, a later one an amendment, which says why. Versions never change."""

    standing = serializers.SerializerMethodField()
    case_id = serializers.UUIDField()
    tier = serializers.ChoiceField(Tier.choices)
    differential = serializers.ListField(child=serializers.CharField(), help_text="The likeliest first, five at most.")
    severity = serializers.CharField(help_text="mild, moderate or severe; empty where the reader gave none.")
    diagnosis_label = serializers.SerializerMethodField()
    icd10 = serializers.SerializerMethodField()
    snomed = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = Review
        fields = (
            "id",
            "case_id",
            "version",
            "standing",
            "diagnosis",
            "diagnosis_text",
            "diagnosis_label",
            "icd10",
            "snomed",
            "tier",
            "differential",
            "severity",
            "plan",
            "follow_up_weeks",
            "note_to_patient",
            "amendment_reason",
            "reviewer_name",
            "reviewer_licence",
            "signed_at",
            "links",
        )
        read_only_fields = fields

    def get_standing(self, review) -> str:
        return "final" if review.version == 1 else "amended"

    def get_diagnosis_label(self, review) -> str:
        return review.diagnosis_text or condition_label(review.diagnosis)

    def get_icd10(self, review) -> str:
        return BY_SLUG[review.diagnosis].icd10 if review.diagnosis in BY_SLUG else review.icd10

    def get_snomed(self, review) -> str:
        return BY_SLUG[review.diagnosis].snomed if review.diagnosis in BY_SLUG else ""

    def get_links(self, review) -> dict[str, str]:
        return {
            "self": reverse("review-detail", args=[review.pk]),
            "case": reverse("case-detail", args=[review.case_id]),
        }


class ReviewViewSet(PartnerResource):
    """Ask for a review, list and read signed opinions. In the sandbox a made-up opinion is signed at once."""

    serializer_class = ReviewBody
    scopes = {"get": "analysis:read", "post": "analysis:write"}
    queryset = Review.objects.none()
    pagination_class = SignedPages

    @extend_schema(responses={200: ReviewBody(many=True)})
    def list(self, request: Request) -> Response:
        """Signed opinions on your cases, the newest first."""
        page = self.paginate_queryset(access.partner_reviews(key_of(request)))
        return self.get_paginated_response(ReviewBody(page, many=True).data)

    @extend_schema(
        request=ReviewRequest,
        responses={
            202: OpenApiResponse(CaseBody, description="The case waits for a dermatologist; `review` says until when."),
            409: OpenApiResponse(description="No dermatologist works here, or the photos are gone."),
            **MISSING,
        },
    )
    def create(self, request: Request) -> Response:
        """Send a case to the dermatologists; a second request changes nothing."""
        form = ReviewRequest(data=request.data)
        form.is_valid(raise_exception=True)
        key = key_of(request)
        case = access.partner_case_get(key, form.validated_data["case_id"])
        try:
            ask(case)
        except services.WrongState as reason:
            raise Conflict(str(reason)) from reason
        body = CaseBody(access.partner_case_get(key, case.pk)).data
        headers = {"Location": reverse("case-detail", args=[case.pk])}
        return Response(body, status=status.HTTP_202_ACCEPTED, headers=headers)

    @extend_schema(responses={200: ReviewBody, **MISSING})
    def retrieve(self, request: Request, pk: uuid.UUID) -> Response:
        """One signed opinion."""
        return Response(ReviewBody(access.partner_review_get(key_of(request), pk)).data)


def ask(case: Case) -> Any:
    """The sandbox signs by itself; a real case waits for a person. Raises WrongState."""
    return services.sandbox_review(case=case) if case.sandbox else services.partner_review_request(case=case)
