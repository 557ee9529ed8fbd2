"""`images`: uploads that survive a lost connection (the semantics of tus 1.0), and the photos that came of them."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.conf import settings
from django.http import Http404
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis import access, services
from diagnosis.api.shared import MISSING, PartnerResource, key_of
from diagnosis.models import CaseImage, Upload
from smartderma.api import Problem
from smartderma.api_fields import StrictSerializer, WholeNumberField
from smartderma.parsing import StrictJSONParser
from smartderma.storage import file_response

OFFSET_TYPE = "application/offset+octet-stream"


class UploadRequest(StrictSerializer):
    """A photo (20 MB at most) or, with `purpose: "batch"`, the file of a batch."""

    length = WholeNumberField(min_value=1, help_text="Bytes of the whole file.")
    sha256 = serializers.RegexField(r"^[0-9a-f]{64}\Z", help_text="Of the whole file, hex.")
    purpose = serializers.ChoiceField(["photo", "batch"], default="photo")


@extend_schema_serializer(component_name="Image")
class ImageBody(serializers.Serializer):
    """`receiving` until `offset` is `length`, then `whole`; `stored` is a photo of a case."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(["receiving", "whole", "stored", "deleted"])
    offset = serializers.IntegerField(allow_null=True)
    length = serializers.IntegerField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    case_id = serializers.UUIDField(allow_null=True)
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    links = serializers.DictField(child=serializers.CharField())


class OffsetParser(BaseParser):
    """One part of an upload, as bytes; one byte more than a part may have, at most."""

    media_type = OFFSET_TYPE

    def parse(self, stream, media_type=None, parser_context=None) -> Any:
        return stream.read(settings.MAX_PART_BYTES + 1)


class JpegRenderer(BaseRenderer):
    """So that a client may ask for `image/jpeg`; the view answers with the file itself."""

    media_type = "image/jpeg"
    format = "jpeg"
    render_style = "binary"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return JSONRenderer().render(data)  # only problems come this way


class ImageViewSet(PartnerResource):
    """Start an upload, send its parts, ask how far it is; look at stored photos."""

    serializer_class = ImageBody
    scopes = {
        "get": "analysis:read",
        "post": "analysis:write",
        "patch": "analysis:write",
        "delete": "analysis:write",
    }
    queryset = CaseImage.objects.none()

    def get_parsers(self) -> list[BaseParser]:
        return [OffsetParser()] if self.request and self.request.method == "PATCH" else [StrictJSONParser()]

    def get_renderers(self) -> list[BaseRenderer]:
        return [*([JpegRenderer()] if getattr(self, "action", "") == "content" else []), JSONRenderer()]

    @extend_schema(responses={200: ImageBody(many=True)})
    def list(self, request: Request) -> Response:
        """The photos of your cases, the newest first."""
        page = self.paginate_queryset(access.partner_images(key_of(request)))
        return self.get_paginated_response([body_of_image(image) for image in page or []])

    @extend_schema(
        request=UploadRequest,
        responses={201: ImageBody, 422: OpenApiResponse(description="The file would be too large, or too many wait.")},
    )
    def create(self, request: Request) -> Response:
        """Start an upload. Send its parts with PATCH to `Location`, each from `Upload-Offset` on."""
        form = UploadRequest(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        most = settings.MAX_BATCH_BYTES if values["purpose"] == "batch" else settings.MAX_PHOTO_BYTES
        try:
            upload = services.upload_start(
                owner=key_of(request), length=values["length"], sha256=values["sha256"], max_bytes=most
            )
        except services.UploadError as error:
            raise Problem(422, error.code, str(error)) from error
        headers = {"Location": reverse("image-detail", args=[upload.pk]), "Upload-Offset": "0"}
        return Response(body_of_upload(upload), status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(responses={200: ImageBody, **MISSING})
    def retrieve(self, request: Request, pk: uuid.UUID) -> Response:
        """How far an upload is (also HEAD: `Upload-Offset`), or a stored photo."""
        try:
            upload = access.upload_get(key_of(request), pk)
        except Http404:
            return Response(body_of_image(access.partner_image_get(key_of(request), pk)))
        return Response(body_of_upload(upload), headers=upload_headers(upload))

    @extend_schema(
        request={OFFSET_TYPE: {"type": "string", "format": "binary"}},
        parameters=[OpenApiParameter("Upload-Offset", int, "header", required=True)],
        responses={
            204: OpenApiResponse(description="Stored; `Upload-Offset` says where the next part begins."),
            409: OpenApiResponse(description="The part does not begin at the `Upload-Offset` of this answer."),
            422: OpenApiResponse(description="More was sent than announced."),
            **MISSING,
        },
    )
    def partial_update(self, request: Request, pk: uuid.UUID) -> Response:
        """Send the part that begins at the header `Upload-Offset`."""
        upload = access.upload_get(key_of(request), pk)
        offset = asked_offset(request)
        data = cast(bytes, request.data)
        if len(data) > settings.MAX_PART_BYTES:
            raise Problem(413, "too_large", _("A part has at most 8 MB."))
        try:
            upload = services.upload_append(upload=upload, offset=offset, data=data)
        except services.WrongOffset as error:
            headers = {"Upload-Offset": str(error.offset)}
            raise Problem(409, error.code, str(error), headers=headers) from error
        except services.UploadError as error:
            raise Problem(422, error.code, str(error)) from error
        return Response(status=status.HTTP_204_NO_CONTENT, headers=upload_headers(upload))

    @extend_schema(responses={204: None, **MISSING})
    def destroy(self, request: Request, pk: uuid.UUID) -> Response:
        """Forget an upload. Photos of a case go with the case."""
        services.upload_erase(upload=access.upload_get(key_of(request), pk))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        responses={
            (200, "image/jpeg"): {"type": "string", "format": "binary"},
            302: OpenApiResponse(description="A link to the file that works for a minute."),
            **MISSING,
        }
    )
    @action(detail=True, methods=["get"])
    def content(self, request: Request, pk: uuid.UUID) -> HttpResponseBase:
        """The photo as stored: upright, without EXIF and position."""
        return file_response(access.partner_image_open(key_of(request), pk).file, content_type="image/jpeg")


def asked_offset(request: Request) -> int:
    """The header `Upload-Offset`. Raises ValidationError."""
    text = request.headers.get("Upload-Offset", "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise serializers.ValidationError({"Upload-Offset": _("Say where this part begins, in bytes.")})
    return int(text)


def upload_headers(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.offset), "Upload-Length": str(upload.length), "Cache-Control": "no-store"}


def body_of_upload(upload: Upload) -> dict[str, Any]:
    values = dict.fromkeys(("case_id", "width", "height"))
    values |= {"id": upload.pk, "status": "whole" if upload.is_whole else "receiving"}
    values |= {"offset": upload.offset, "length": upload.length, "expires_at": upload.expires_at}
    return ImageBody({**values, "links": {"self": reverse("image-detail", args=[upload.pk])}}).data


def body_of_image(image: CaseImage) -> dict[str, Any]:
    values = dict.fromkeys(("offset", "length", "expires_at"))
    links = {"self": reverse("image-detail", args=[image.pk]), "case": reverse("case-detail", args=[image.case_id])}
    if image.file:
        links["content"] = reverse("image-content", args=[image.pk])
    values |= {"id": image.pk, "status": "stored" if image.file else "deleted", "case_id": image.case_id}
    return ImageBody({**values, "width": image.width, "height": image.height, "links": links}).data
