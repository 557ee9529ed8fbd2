"""The portal's resumable uploads: tus 1.0 with the extensions creation, termination and expiration.

A part that was cut off on its way stores nothing; the browser asks where the server is (HEAD) and goes on from there.
"""

from __future__ import annotations

import base64
import binascii
import uuid

from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, UnreadablePostError
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import http_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.decorators import care_consent_required, patient_required
from accounts.requests import PersonRequest
from diagnosis import access, services
from diagnosis.forms import IntakePhotoForm
from diagnosis.models import Upload
from diagnosis.presentation_intake import intake_photo_card

TUS = {"Tus-Resumable": "1.0.0", "Cache-Control": "no-store, private"}
STATUS = {"too_heavy": 413, "too_many": 429, "wrong_offset": 409, "incomplete": 409}


@patient_required
@care_consent_required
@require_http_methods(["OPTIONS", "POST"])
def upload_create(request: PersonRequest) -> HttpResponse:
    """POST with `Upload-Length` and `Upload-Metadata: sha256 <base64 of the hex digest>`: 201 with `Location`."""
    if request.method == "OPTIONS":
        return _answer(204, {"Tus-Version": "1.0.0", "Tus-Extension": "creation,termination,expiration"})
    length = request.headers.get("Upload-Length", "")
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        return _refusal(400, _("The size of the file is missing. Please load the page again."))
    try:
        upload = services.upload_start(owner=request.user, length=int(length), sha256=_metadata(request, "sha256"))
    except services.UploadError as error:
        return _refusal(STATUS.get(error.code, 400), str(error))
    return _answer(201, {"Location": reverse("upload_detail", args=[upload.pk]), **_progress(upload)})


@patient_required
@care_consent_required
@require_http_methods(["HEAD", "PATCH", "DELETE"])
def upload_detail(request: PersonRequest, upload_id: uuid.UUID) -> HttpResponse:
    """HEAD: how far it is. PATCH: the next part. DELETE: forget it."""
    upload = access.upload_get(request.user, upload_id)
    if request.method == "HEAD":
        return _answer(200, {"Upload-Length": str(upload.length), **_progress(upload)})
    if request.method == "DELETE":
        services.upload_erase(upload=upload)
        return _answer(204)
    return _upload_part(request, upload)


def _upload_part(request: PersonRequest, upload: Upload) -> HttpResponse:
    offset = request.headers.get("Upload-Offset", "")
    if request.content_type != "application/offset+octet-stream":
        return _refusal(415, _("The part of the file was sent in a wrong way. Please load the page again."))
    if not (offset.isascii() and offset.isdigit() and len(offset) < 16):
        return _refusal(400, _("The position of the part is missing. Please load the page again."))
    try:
        upload = services.upload_append(upload=upload, offset=int(offset), data=request.body)
    except UnreadablePostError:
        return _refusal(400, _("The connection broke. Please send the rest of the file again."))
    except services.UploadError as error:
        return _refusal(STATUS.get(error.code, 400), str(error))
    return _answer(204, _progress(upload))


@patient_required
@care_consent_required
@require_POST
def upload_photo(request: PersonRequest, upload_id: uuid.UUID) -> HttpResponse:
    """A whole upload becomes a photo of a check. Asking again gives the same photo; a refusal is one sentence."""
    form = IntakePhotoForm(request.POST)
    if not form.is_valid():
        raise Http404  # made by our own page only
    photo = access.intake_photo_of_upload(request.user, upload_id)
    if photo is None:
        upload = access.upload_get(request.user, upload_id)
        try:
            photo = services.upload_take_in(upload=upload, **form.cleaned_data)
        except services.UploadError as error:
            return _refusal(STATUS[error.code], str(error))
        except ValidationError as error:
            return _refusal(422, error.messages[0])
    return render(request, "partials/_intake_photo.html", {"card": intake_photo_card(photo)}, status=201)


def _metadata(request: PersonRequest, key: str) -> str:
    """One value of `Upload-Metadata` ("key base64,key base64"); empty where it is missing or not base64."""
    for pair in request.headers.get("Upload-Metadata", "").split(","):
        name, _space, value = pair.strip().partition(" ")
        if name == key:
            try:
                return base64.b64decode(value, validate=True).decode("ascii")
            except (binascii.Error, UnicodeDecodeError):
                return ""
    return ""


def _progress(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.offset), "Upload-Expires": http_date(upload.expires_at.timestamp())}


def _answer(status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(status=status, headers={**TUS, **(headers or {})})


def _refusal(status: int, sentence: str) -> HttpResponse:
    return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8", headers=TUS)
