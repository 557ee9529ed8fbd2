"""Private storage in a bucket; apart from `smartderma.storage`, so that only who has a bucket loads boto3."""

from django.conf import settings
from storages.backends.s3 import S3Storage


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
