"""Files by a signed link (diagnosis/links.py): the link is the right, for a minute."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from diagnosis import access
from diagnosis.links import read_link

CONTENT_TYPES = {"photo": "image/jpeg", "report": "application/pdf"}


@require_safe
def signed_file(request: HttpRequest, token: str) -> HttpResponseBase:
    """The photo or report that the link was signed for; 404 for every other link."""
    kind, pk = read_link(token)
    return access.file_response(access.linked_file(kind, pk).file, content_type=CONTENT_TYPES[kind])
