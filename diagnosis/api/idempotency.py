"""`Idempotency-Key`: a request that is sent again, by a timeout or twice at once, is worked on once."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, QueryDict
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis import services
from diagnosis.api.shared import key_of
from diagnosis.models import AnsweredRequest, Case
from smartderma.api import Problem

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
USABLE = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class Answer:
    """What a request led to: the response, and the case that was made by it, if any."""

    response: Response
    case: Case | None = None


def once(request: Request, answer: Callable[[uuid.UUID], Answer]) -> Response:
    """Run `answer` for the first request with this key and give the others its response.

    `answer` gets a key under which what it makes is unique, also when it is run again after a crash: a refusal gives
    the row up, an error lets the next request go on with it at once, a killed process once its lease is over. Raises
    Problem 409 while an equal request runs, 422 when the key came with another body, 410 when its case was erased.
    """
    text = request.headers.get(HEADER)
    if text is None:
        return answer(uuid.uuid4()).response
    if not USABLE.fullmatch(text):
        raise ValidationError({HEADER: _("The key has 1 to 255 printable ASCII characters without spaces.")})
    row = _claim(request, text)
    return _again(row) if row.finished_at else _first(row, answer)


def _claim(request: Request, text: str) -> AnsweredRequest:
    try:
        return services.request_claim(key=key_of(request), idempotency_key=text, fingerprint=fingerprint(request))
    except services.RequestRunning as error:
        detail = _("A request with this Idempotency-Key is being worked on.")
        raise Problem(409, "in_progress", str(detail), headers={"Retry-After": "1"}) from error
    except services.RequestDiffers as error:
        detail = _("This Idempotency-Key was used for another request.")
        raise Problem(422, "key_reused", str(detail)) from error


def _first(row: AnsweredRequest, answer: Callable[[uuid.UUID], Answer]) -> Response:
    try:
        made = answer(row.pk)
    except (APIException, Http404, PermissionDenied):
        services.request_release(row=row)  # refused: nothing was made
        raise
    except Exception:
        services.request_abandon(row=row)
        raise
    body = json.loads(JSONRenderer().render(made.response.data))
    headers = {name: made.response[name] for name in ("Location", "Retry-After") if name in made.response}
    services.request_finish(row=row, status=made.response.status_code, headers=headers, body=body, case=made.case)
    return made.response


def _again(row: AnsweredRequest) -> Response:
    if row.body is None:
        raise Problem(410, "erased", str(_("What this request made has been erased.")))
    return Response(row.body, status=row.status, headers={**row.headers, REPLAYED: "true"})


def fingerprint(request: Request) -> str:
    """SHA-256 (hex) of method, address and body; files count by their bytes, so a new boundary changes nothing."""
    data = request.data
    if isinstance(data, QueryDict):
        body: Any = sorted((name, [_digest(one) for one in values]) for name, values in data.lists())
    else:
        body = data
    text = json.dumps([request.method, request.path, body], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(value: Any) -> str:
    if not isinstance(value, UploadedFile):
        return str(value)
    digest = hashlib.file_digest(value, "sha256").hexdigest()
    value.seek(0)
    return digest
