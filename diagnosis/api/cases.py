"""`cases`: what an analysis, a review and a report belong to; erased as a whole."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis import access, services
from diagnosis.api.bodies import STANDINGS, tier_of_case
from diagnosis.api.shared import MISSING, PartnerResource, key_of
from diagnosis.models import Case, ReviewState, Tier


@extend_schema_serializer(component_name="CasePhoto")
class CaseImageBody(serializers.Serializer):
    """A stored photo; `link` is empty once the photo is gone (`store_image=false`)."""

    id = serializers.UUIDField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    link = serializers.SerializerMethodField()

    def get_link(self, image) -> str:
        return reverse("image-content", args=[image.pk]) if image.file else ""


@extend_schema_serializer(component_name="ReviewProgress")
class ReviewStateBody(serializers.Serializer):
    """Where the case stands with the dermatologists: `none` until you ask for a review."""

    state = serializers.ChoiceField(["none", *[state for state in ReviewState.values if state]])
    requested_at = serializers.DateTimeField(allow_null=True)
    due_at = serializers.DateTimeField(allow_null=True)


@extend_schema_serializer(component_name="Case")
class CaseBody(serializers.ModelSerializer):
    """One visit: photos and answers that were sent together. `tier` is
    null while it is not known, only ever rises, and is the dermatologist's once signed."""

    standing = serializers.ChoiceField(STANDINGS)
    tier = serializers.SerializerMethodField()
    answers = serializers.DictField()
    review_reasons = serializers.ListField(child=serializers.CharField())
    images = CaseImageBody(many=True, source="images.all")
    analysis_ids = serializers.SerializerMethodField()
    review_ids = serializers.SerializerMethodField()
    review = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = Case
        fields = (
            "id",
            "created_at",
            "expires_at",
            "external_patient",
            "sandbox",
            "country",
            "body_site",
            "answers",
            "tier",
            "standing",
            "needs_review",
            "review_reasons",
            "images",
            "analysis_ids",
            "review_ids",
            "review",
            "links",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(Tier.choices, allow_null=True))
    def get_tier(self, case) -> str | None:
        return tier_of_case(case, case.latest_analysis) or None

    @extend_schema_field(serializers.ListField(child=serializers.UUIDField()))
    def get_analysis_ids(self, case) -> list[str]:
        return [str(analysis.pk) for analysis in case.analyses.all()]

    @extend_schema_field(serializers.ListField(child=serializers.UUIDField()))
    def get_review_ids(self, case) -> list[str]:
        return [str(review.pk) for review in case.reviews.all()]

    @extend_schema_field(ReviewStateBody)
    def get_review(self, case) -> dict[str, Any]:
        values = {"state": case.review_state or "none", "requested_at": case.review_requested_at}
        return ReviewStateBody({**values, "due_at": case.review_due_at}).data

    def get_links(self, case) -> dict[str, str]:
        return {"self": reverse("case-detail", args=[case.pk])}


class CaseQuery(serializers.Serializer):
    """What a list of cases can be narrowed to."""

    external_patient = serializers.RegexField(r"^[A-Za-z0-9._:-]{1,64}\Z", required=False)


class CaseViewSet(PartnerResource):
    """List, read and erase cases. They are made by `POST /api/v1/analyses`."""

    serializer_class = CaseBody
    scopes = {"get": "analysis:read", "delete": "analysis:write"}
    queryset = Case.objects.none()

    @extend_schema(parameters=[CaseQuery], responses={200: CaseBody(many=True)})
    def list(self, request: Request) -> Response:
        """Your cases, the newest first; `external_patient` gives those of one patient."""
        query = CaseQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        found = access.partner_cases(key_of(request))
        if patient := query.validated_data.get("external_patient"):
            found = found.filter(external_patient=patient)
        return self.get_paginated_response(CaseBody(self.paginate_queryset(found), many=True).data)

    @extend_schema(responses={200: CaseBody, **MISSING})
    def retrieve(self, request: Request, pk: uuid.UUID) -> Response:
        """One case."""
        return Response(CaseBody(access.partner_case_get(key_of(request), pk)).data)

    @extend_schema(responses={204: None, **MISSING})
    def destroy(self, request: Request, pk: uuid.UUID) -> Response:
        """Erase the case: photos, heat maps, analyses, reviews and reports."""
        if services.case_erase(case=access.partner_case_get(key_of(request), pk)) is None:
            raise Http404  # another request was faster
        return Response(status=status.HTTP_204_NO_CONTENT)
