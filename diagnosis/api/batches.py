"""`batches`: up to 1,000 photos in one file, on a queue that makes nobody wait."""

from __future__ import annotations

import uuid
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis import access, services
from diagnosis.api.bodies import JOB_STATUSES
from diagnosis.api.idempotency import Answer, once
from diagnosis.api.shared import MISSING, PartnerResource, key_of
from diagnosis.models import Batch, BatchItem
from smartderma.api import Conflict, CursorPages
from smartderma.api_fields import StrictSerializer

ITEM_STATUSES = ("refused", "duplicate", "queued", "running", "succeeded", "failed", "erased")


class BatchRequest(StrictSerializer):
    """A whole upload (`POST /api/v1/images` with `purpose: "batch"`) and what is in it."""

    upload_id = serializers.UUIDField()
    format = serializers.ChoiceField(Batch.Kind.choices)


@extend_schema_serializer(component_name="BatchProgress")
class ProgressBody(serializers.Serializer):
    """Items by status; `total` grows while the file is being read."""

    total = serializers.IntegerField()
    refused = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    open = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()


@extend_schema_serializer(component_name="Batch")
class BatchBody(serializers.ModelSerializer):
    """`running` until every item is analysed or refused. `failed`: the file is no batch; `failure` says why."""

    status = serializers.SerializerMethodField()
    format = serializers.ChoiceField(Batch.Kind.choices, source="kind")
    progress = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = Batch
        fields = ("id", "status", "failure", "format", "sandbox", "created_at", "finished_at", "progress", "links")
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(JOB_STATUSES))
    def get_status(self, batch) -> str:
        if batch.status == Batch.Status.DONE:
            return "running" if batch.progress["open"] else "succeeded"
        return batch.status

    @extend_schema_field(ProgressBody)
    def get_progress(self, batch) -> dict[str, int]:
        return batch.progress

    def get_links(self, batch) -> dict[str, str]:
        return {
            "self": reverse("batch-detail", args=[batch.pk]),
            "items": reverse("batch-items", args=[batch.pk]),
        }


@extend_schema_serializer(component_name="BatchItemProblem")
class ProblemBody(serializers.Serializer):
    pointer = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


@extend_schema_serializer(component_name="BatchItem")
class ItemBody(serializers.ModelSerializer):
    """What came of one item. `duplicate`: `analysis_id` is an earlier one; `erased`: its case is gone."""

    status = serializers.SerializerMethodField()
    analysis_id = serializers.SerializerMethodField()
    problems = ProblemBody(many=True)

    class Meta:
        model = BatchItem
        fields = ("number", "ref", "status", "analysis_id", "problems")
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(ITEM_STATUSES))
    def get_status(self, item) -> str:
        if item.problems:
            return "refused"
        if item.case is None or item.case.latest_analysis is None:
            return "erased"
        return "duplicate" if item.duplicate else item.case.latest_analysis.job_status

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_analysis_id(self, item) -> str | None:
        last = item.case.latest_analysis if item.case else None
        return str(last.pk) if last else None


class ItemPages(CursorPages):
    ordering = ("number", "pk")


class BatchViewSet(PartnerResource):
    """Start a batch, see how far it is and what came of each item, stop it."""

    serializer_class = BatchBody
    scopes = {"get": "analysis:read", "post": "analysis:write", "delete": "analysis:write"}
    queryset = Batch.objects.none()

    @extend_schema(responses={200: BatchBody(many=True)})
    def list(self, request: Request) -> Response:
        """Your batches, the newest first."""
        page = self.paginate_queryset(access.partner_batches(key_of(request)))
        return self.get_paginated_response(BatchBody(page, many=True).data)

    @extend_schema(
        request=BatchRequest,
        responses={
            202: OpenApiResponse(BatchBody, description="Queued; poll `Location`."),
            409: OpenApiResponse(description="The upload is not whole, or belongs to another batch."),
            410: OpenApiResponse(description="What this Idempotency-Key made has been erased."),
            422: OpenApiResponse(description="The Idempotency-Key was used for another request."),
            **MISSING,
        },
    )
    def create(self, request: Request) -> Response:
        """Queue a batch. The file goes as soon as its items are read."""
        return once(request, lambda _submission_key: Answer(self._create(request)))

    def _create(self, request: Request) -> Response:
        form = BatchRequest(data=request.data)
        form.is_valid(raise_exception=True)
        key = key_of(request)
        upload = access.upload_get(key, form.validated_data["upload_id"])
        kind = form.validated_data["format"]
        try:
            batch = services.batch_create(key=key, upload=upload, kind=kind, language=request.LANGUAGE_CODE)
        except (services.UploadError, services.WrongState) as reason:
            raise Conflict(str(reason)) from reason
        headers = {"Location": reverse("batch-detail", args=[batch.pk]), "Retry-After": "10"}
        return Response(BatchBody(batch).data, status=status.HTTP_202_ACCEPTED, headers=headers)

    @extend_schema(responses={200: BatchBody, **MISSING})
    def retrieve(self, request: Request, pk: uuid.UUID) -> Response:
        """How far a batch is."""
        return Response(BatchBody(access.partner_batch_get(key_of(request), pk)).data)

    @extend_schema(responses={204: None, **MISSING})
    def destroy(self, request: Request, pk: uuid.UUID) -> Response:
        """Stop a batch and forget its file. What was accepted stays; erase it case by case."""
        services.batch_cancel(batch=access.partner_batch_get(key_of(request), pk))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses={200: ItemBody(many=True), **MISSING})
    @action(detail=True, methods=["get"], pagination_class=ItemPages)
    def items(self, request: Request, pk: uuid.UUID) -> Response:
        """What came of each item, in the order of the file."""
        batch = access.partner_batch_get(key_of(request), pk)
        rows = batch.items.select_related("case").prefetch_related("case__analyses")
        page: Any = self.paginate_queryset(rows)
        return self.get_paginated_response(ItemBody(page, many=True).data)
