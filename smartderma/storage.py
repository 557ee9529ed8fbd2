"""Private storage: no file has a public address. Files are reached through `diagnosis.access` only.

Pattern: comic/grand-challenge.org keeps its protected storage apart in the same way (core/storage.py).
"""

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.http import FileResponse, Http404, HttpResponseRedirect
from django.http.response import HttpResponseBase
from storages.backends.s3 import S3Storage


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


class PrivateS3Storage(S3Storage):
    """A private bucket: server-side encryption on write, short-lived signed links on read."""

    default_acl = None
    file_overwrite = False
    querystring_auth = True
    signature_version = "s3v4"

    def url(self, name, parameters=None, expire=None, http_method=None):
        """Always raises: use `signed_url` through diagnosis.access."""
        raise PermissionError("Private files have no public address; use diagnosis.access.")

    def signed_url(self, name: str) -> str:
        """A link that works for SIGNED_URL_SECONDS."""
        return super().url(name, expire=settings.SIGNED_URL_SECONDS)


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
