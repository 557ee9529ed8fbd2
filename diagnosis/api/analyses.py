"""`analyses`: photos in, a job out, its result later. Asynchronous: 202 and a job resource (docs/API.md)."""

from __future__ import annotations

import io
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers, status
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.services_partners import QuotaExceeded
from diagnosis import access, images, services
from diagnosis.api.bodies import JOB_STATUS, AnalysisBody
from diagnosis.api.fhir import FHIR_BUNDLE, FHIR_JSON, FhirRenderer, analysis_bundle
from diagnosis.api.idempotency import HEADER, REPLAYED, Answer, once
from diagnosis.api.shared import MISSING, CasePages, PartnerResource, key_of, unusable_photos
from diagnosis.api.waiting import asked_seconds, wait_for
from diagnosis.images import InspectedPhoto
from diagnosis.models import Analysis, Case, Upload
from diagnosis.partner_request import Asked, RequestFields
from smartderma.api import Problem
from smartderma.api_fields import FilePart
from smartderma.parsing import StrictJSONParser, StrictMultiPartParser

SWITCHES = {"true": True, "false": False, "True": True, "False": False}  # multipart knows texts only
RETRY_SECONDS = "2"
BUSY_SECONDS = "5"


@extend_schema_serializer(component_name="AnalysisWithPhotos")
class PhotosRequest(RequestFields):
    """multipart/form-data: 1 to 5 `photos` of at most 20 MB and the other fields; `answers` as a JSON text."""

    photos = serializers.ListField(child=FilePart(), min_length=1, max_length=settings.MAX_PHOTOS)


@extend_schema_serializer(component_name="AnalysisOfUploads")
class UploadsRequest(RequestFields):
    """application/json: the ids of 1 to 5 whole uploads (`POST /api/v1/images`); `upload_id` for a single one."""

    upload_id = serializers.UUIDField(required=False)
    upload_ids = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=settings.MAX_PHOTOS, required=False
    )

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        one, several = values.pop("upload_id", None), values.pop("upload_ids", [])
        ids = [*([one] if one else []), *several]
        if len(ids) != len(set(ids)) or not 1 <= len(ids) <= settings.MAX_PHOTOS or (one and several):
            raise serializers.ValidationError({"upload_ids": _("Name 1 to 5 uploads, each once.")})
        return {**values, "upload_ids": ids}


class AnalysisQuery(serializers.Serializer):
    """What a list of analyses can be narrowed to."""

    status = serializers.ChoiceField(list(JOB_STATUS.values()), required=False)
    external_patient = serializers.RegexField(r"^[A-Za-z0-9._:-]{1,64}\Z", required=False)


@dataclass(frozen=True)
class Sent:
    """A checked request with its photos, which decoded, and the uploads that they came in."""

    asked: Asked
    photos: Sequence[InspectedPhoto]
    uploads: Sequence[Upload] = ()


class AnalysisViewSet(PartnerResource):
    """Create, list, read and erase analyses of your own patients."""

    serializer_class = AnalysisBody
    scopes = {"post": "analysis:write", "get": "analysis:read", "delete": "analysis:write"}
    queryset = Analysis.objects.none()
    pagination_class = CasePages

    def get_parsers(self) -> list[BaseParser]:
        return [StrictMultiPartParser(), StrictJSONParser()]

    def get_renderers(self) -> list[BaseRenderer]:
        """FHIR only where there is one analysis to show."""
        return [JSONRenderer(), *([FhirRenderer()] if getattr(self, "action", "") == "retrieve" else [])]

    @extend_schema(parameters=[AnalysisQuery], responses={200: AnalysisBody(many=True)})
    def list(self, request: Request) -> Response:
        """Your analyses, the newest first."""
        query = AnalysisQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        found = access.partner_analyses(key_of(request))
        if patient := query.validated_data.get("external_patient"):
            found = found.filter(case__external_patient=patient)
        if wanted := query.validated_data.get("status"):
            found = found.filter(status=next(own for own, job in JOB_STATUS.items() if job == wanted))
        page = self.paginate_queryset(found)
        return self.get_paginated_response(AnalysisBody(page, many=True).data)

    @extend_schema(
        request={"multipart/form-data": PhotosRequest, "application/json": UploadsRequest},
        parameters=[
            OpenApiParameter("Idempotency-Key", str, "header", description="The same key and body are worked on once."),
            OpenApiParameter("Prefer", str, "header", description="`wait=10`: wait for the result up to so long."),
        ],
        responses={
            200: OpenApiResponse(AnalysisBody, description="Ready in time, or a duplicate of an earlier analysis."),
            202: OpenApiResponse(AnalysisBody, description="Queued; poll `Location`."),
            409: OpenApiResponse(description="An equal request is being worked on, or an upload is not whole."),
            410: OpenApiResponse(description="What this Idempotency-Key made has been erased."),
            422: OpenApiResponse(description="A photo cannot be used, or the Idempotency-Key was used differently."),
            **MISSING,
        },
    )
    def create(self, request: Request) -> Response:
        """Store the photos and queue their analysis: 202 with `Location` and `Retry-After`."""
        seconds = asked_seconds(request)
        if HEADER not in request.headers:
            return once(request, lambda submission_key: self._create(request, submission_key, seconds=seconds))
        # This answer is kept for whoever sends the request again: it is there before anybody waits.
        response = once(request, lambda submission_key: self._create(request, submission_key))
        if not seconds or response.status_code != status.HTTP_202_ACCEPTED:
            return response
        later = self._job(request, uuid.UUID(str(response.data["id"])), seconds=seconds)
        if REPLAYED in response:
            later[REPLAYED] = response[REPLAYED]
        return later

    def _create(self, request: Request, submission_key: uuid.UUID, *, seconds: int = 0) -> Answer:
        sent = read_request(request)
        key, asked = key_of(request), sent.asked
        same: dict[str, Any] = {
            "key": key,
            "photos": sent.photos,
            "answers": asked.answers,
            "external_patient": asked.external_patient,
        }
        earlier = None if asked.force else services.duplicate_find(**same, release=asked.terms.release)
        if earlier and earlier.case.submission_key != submission_key:
            services.case_tighten(case=earlier.case, terms=asked.terms)
            return Answer(self._job(request, earlier.pk, duplicate=True), earlier.case)
        try:
            case = services.partner_case_submit(
                **same,
                language=request.LANGUAGE_CODE,
                submission_key=submission_key,
                terms=asked.terms,
                uploads=sent.uploads,
            )
        except QuotaExceeded as error:
            raise quota_problem(error) from error
        except services.TooManyAtOnce as error:
            raise Problem(429, "too_many_at_once", str(error), headers={"Retry-After": BUSY_SECONDS}) from error
        return Answer(self._job(request, first_analysis(case), seconds=seconds), case)

    def _job(self, request: Request, pk: uuid.UUID, *, duplicate: bool = False, seconds: int = 0) -> Response:
        """The answer to a POST: 200 with what is there already, else 202.

        Waits for the result up to `seconds`, if a place to wait is free; says so only when it did.
        """
        key = key_of(request)
        waited, over = wait_for(pk, lambda: access.partner_analysis_if_over(key, pk), seconds)
        analysis = over or access.partner_analysis_get(key, pk)
        headers = {"Location": reverse("analysis-detail", args=[pk])}
        if waited:
            headers["Preference-Applied"] = f"wait={seconds}"
        body = AnalysisBody(analysis, context={"duplicate": duplicate}).data
        if duplicate or over:
            return Response(body, headers=headers)
        return Response(body, status=status.HTTP_202_ACCEPTED, headers={**headers, "Retry-After": RETRY_SECONDS})

    @extend_schema(responses={(200, "application/json"): AnalysisBody, (200, FHIR_JSON): FHIR_BUNDLE, **MISSING})
    def retrieve(self, request: Request, pk: uuid.UUID) -> Response:
        """The job, until `status` is `succeeded` or `failed`; `Accept: application/fhir+json` gives a Bundle."""
        analysis = access.partner_analysis_get(key_of(request), pk)
        if request.accepted_media_type == FHIR_JSON:
            return Response(analysis_bundle(key_of(request), analysis))
        return Response(AnalysisBody(analysis).data)

    @extend_schema(responses={204: None, **MISSING})
    def destroy(self, request: Request, pk: uuid.UUID) -> Response:
        """Erase the case of this analysis: photos, heat maps, reports and results."""
        analysis = access.partner_analysis_get(key_of(request), pk)
        if services.case_erase(case=analysis.case) is None:
            raise Http404  # another request was faster
        return Response(status=status.HTTP_204_NO_CONTENT)


def read_request(request: Request) -> Sent:
    """Check fields and photos; nothing is stored by then. Raises ValidationError, Problem 409 or 422, Http404."""
    if request.content_type.startswith("multipart/"):
        sent = cast(QueryDict, request.data)
        texts = {name: SWITCHES.get(str(value), value) for name, value in sent.dict().items()}
        data: Any = {**texts, "photos": sent.getlist("photos")}
        form: RequestFields = PhotosRequest(data=data)
        form.is_valid(raise_exception=True)
        files, uploads = form.validated_data["photos"], []
    else:
        form = UploadsRequest(data=request.data)
        form.is_valid(raise_exception=True)
        uploads = [access.upload_get(key_of(request), pk) for pk in form.validated_data["upload_ids"]]
        files = [io.BytesIO(joined(upload)) for upload in uploads]
    try:
        photos = images.inspect_uploads(files)
    except DjangoValidationError as error:
        raise unusable_photos(error) from error
    return Sent(Asked.of(form.validated_data, sandbox=key_of(request).sandbox), photos, uploads)


def joined(upload: Upload) -> bytes:
    """The bytes of a whole upload. Raises Problem 409 while it is not whole, 422 when it was damaged on its way."""
    if upload.length > settings.MAX_PHOTO_BYTES:
        raise Problem(422, "too_heavy", images.sentences()["too_heavy"])
    try:
        return services.upload_join(upload=upload)
    except services.UploadError as error:
        raise Problem(409 if error.code == "incomplete" else 422, error.code, str(error)) from error


def first_analysis(case: Case) -> uuid.UUID:
    """The analysis that the request made; later ones of the same case have other ids."""
    return case.analyses.order_by("queued_at").values_list("pk", flat=True)[0]


def quota_problem(error: QuotaExceeded) -> Problem:
    """429 until the first of next month."""
    seconds = math.ceil((error.until - timezone.now()).total_seconds())
    return Problem(429, "quota_exceeded", str(error), headers={"Retry-After": str(seconds)})
