"""Links to private files for programs: they work for SIGNED_URL_SECONDS and need no key.

A bucket signs its own; where files are local, the site signs the id and streams the file.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import Http404
from django.urls import reverse

from diagnosis.models import CaseImage
from reports.models import Report

SALT = "diagnosis.links"
KINDS = {"photo": CaseImage, "report": Report}


def file_link(row: CaseImage | Report) -> str:
    """An absolute link to the file of a photo or report, "" when there is no file (any more)."""
    if not row.file:
        return ""
    storage: Any = row.file.storage  # one of smartderma/storage.py
    signed = storage.signed_url(row.file.name)
    if signed:
        return signed
    kind = next(kind for kind, model in KINDS.items() if isinstance(row, model))
    token = signing.dumps([kind, str(row.pk)], salt=SALT)
    return f"{settings.SITE_URL}{reverse('signed_file', args=[token])}"


def read_link(token: str) -> tuple[str, uuid.UUID]:
    """Kind and id of a link that still works. Raises Http404."""
    try:
        kind, pk = signing.loads(token, salt=SALT, max_age=settings.SIGNED_URL_SECONDS)
    except signing.BadSignature as error:
        raise Http404 from error
    return kind, uuid.UUID(pk)
