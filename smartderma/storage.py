"""Private storage: no file has a public address. Files are reached through `diagnosis.access` only.

Pattern: comic/grand-challenge.org keeps its protected storage apart in the same way (core/storage.py).
"""

from django.core.files.storage import FileSystemStorage
from django.http import FileResponse, Http404, HttpResponseRedirect
from django.http.response import HttpResponseBase


class PrivateFileStorage(FileSystemStorage):
    """A local folder that no web server serves; folders 0700, files 0600."""

    def __init__(self, location=None, **kwargs):
        super().__init__(location=location, file_permissions_mode=0o600, directory_permissions_mode=0o700, **kwargs)

    def url(self, name):
        """Always raises: a private file has no address."""
        raise PermissionError("Private files have no public address; use diagnosis.access.")

    def signed_url(self, name: str) -> None:
        """A local file is streamed by the application: there is no link to sign."""
        return


def file_response(field, *, content_type: str, filename: str = "") -> HttpResponseBase:
    """A short-lived signed link where the storage can sign one, else the file itself; never cached."""
    link = field.storage.signed_url(field.name)
    if link:
        return HttpResponseRedirect(link)
    try:
        response: HttpResponseBase = FileResponse(field.open("rb"), content_type=content_type, filename=filename)
    except FileNotFoundError as error:
        raise Http404 from error
    response.headers["Cache-Control"] = "no-store, private"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
