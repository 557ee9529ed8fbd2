"""Resumable uploads, for the portal and the partner API alike: start, append at an offset, join, erase, expire.

The semantics are those of tus 1.0 (https://tus.io/protocols/resumable-upload): the server's offset is the truth, and
a part that does not begin exactly there is refused. What the bytes mean is the caller's business: it joins them, makes
its own object of them, and erases the upload in the same transaction.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Partner, PartnerKey, User
from diagnosis.models import PendingDeletion, Upload, UploadPart, owner_fields
from diagnosis.services.files import files_delete_pending, files_vanish_on_failure

SHA256 = re.compile(r"[0-9a-f]{64}")


class UploadError(Exception):
    """An upload that cannot go on. `code` is for programs, the message is one plain sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


class WrongOffset(UploadError):
    """The part does not begin where the stored bytes end; `offset` says where that is."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        super().__init__("wrong_offset", _("The connection broke. Please send the rest of the file again."))


def upload_start(
    *,
    owner: User | PartnerKey,
    length: int,
    sha256: str,
    max_bytes: int = settings.MAX_PHOTO_BYTES,
    max_open: int = settings.MAX_OPEN_UPLOADS,
    lifetime: timedelta = timedelta(hours=settings.UPLOAD_HOURS),
) -> Upload:
    """A new, empty upload of `length` bytes whose SHA-256 will be `sha256` (hex).

    Raises UploadError: `empty`, `too_heavy`, `bad_checksum`, or `too_many` (the owner has `max_open` open ones).
    """
    if length < 1:
        raise UploadError("empty", _("This file is empty. Please choose another photo."))
    if length > max_bytes:
        megabytes = {"size": max_bytes // (1024 * 1024)}
        raise UploadError(
            "too_heavy", _("This file is larger than %(size)d MB. Please send a smaller one.") % megabytes
        )
    if not SHA256.fullmatch(sha256):
        raise UploadError("bad_checksum", _("The checksum of the file is missing. Please load the page again."))
    with transaction.atomic():
        _owner_lock(owner)
        if Upload.objects.owned_by(owner).alive().count() >= max_open:
            raise UploadError("too_many", _("Too many files are on their way. Please wait for one to finish."))
        upload = Upload(length=length, sha256=sha256, expires_at=timezone.now() + lifetime, **owner_fields(owner))
        upload.full_clean()
        upload.save()
    return upload


def _owner_lock(owner: User | PartnerKey) -> None:
    """Two starts at once must not pass the limit together. A request's lazy user is a User here as well."""
    if isinstance(owner, User):
        User.objects.select_for_update().get(pk=owner.pk)
    else:
        Partner.objects.select_for_update().get(pk=owner.partner_id)


def upload_append(*, upload: Upload, offset: int, data: bytes) -> Upload:
    """Store one part. Raises WrongOffset when the stored bytes do not end at `offset`, UploadError `too_long`, or
    `too_short` for less than MIN_PART_BYTES before the end: every part is an object and a row of its own.

    Of several senders of the same part one wins; the others get WrongOffset and nothing of theirs stays.
    """
    if offset != upload.offset:
        raise WrongOffset(upload.offset)
    if offset + len(data) > upload.length:
        raise UploadError("too_long", _("More was sent than announced. Please choose the photo again."))
    if data and len(data) < min(settings.MIN_PART_BYTES, upload.length - offset):
        kilobytes = {"size": settings.MIN_PART_BYTES // 1024}
        raise UploadError("too_short", _("A part has at least %(size)d kB, except the last one.") % kilobytes)
    if data:
        with files_vanish_on_failure() as stored, transaction.atomic():
            stored.append(default_storage.save(f"uploads/{uuid.uuid4().hex}.part", ContentFile(data)))
            _offset_move(upload, offset, len(data))
            UploadPart.objects.create(upload=upload, offset=offset, length=len(data), key=stored[0])
    return Upload.objects.get(pk=upload.pk)


def _offset_move(upload: Upload, offset: int, step: int) -> None:
    """The one guard: only the sender who finds the row at `offset` moves it on."""
    if not Upload.objects.filter(pk=upload.pk, offset=offset).update(offset=offset + step):
        now = Upload.objects.filter(pk=upload.pk).values_list("offset", flat=True).first()
        raise WrongOffset(now or 0)


def upload_join(*, upload: Upload) -> bytes:
    """The whole file. Raises UploadError: `incomplete`, or `damaged` where it is not what the sender declared."""
    return b"".join(_parts_read(upload))


@contextmanager
def upload_spool(*, upload: Upload) -> Iterator[IO[bytes]]:
    """The whole file on this machine's disk, for one that is too large for memory; gone when it is closed.

    Raises UploadError: `incomplete`, or `damaged` where it is not what the sender declared.
    """
    with tempfile.TemporaryFile() as spool:
        for data in _parts_read(upload):
            spool.write(data)
        spool.seek(0)
        yield spool


def _parts_read(upload: Upload) -> Iterator[bytes]:
    """The parts in order; at the end they have been compared with what the sender declared."""
    if not upload.is_whole:
        raise UploadError("incomplete", _("The file has not arrived completely. Please send the rest of it."))
    digest = hashlib.sha256()
    for part in upload.parts.all():
        data = _part_read(part)
        digest.update(data)
        yield data
    if digest.hexdigest() != upload.sha256:
        raise UploadError("damaged", _("The file was damaged on its way. Please send it again."))


def _part_read(part: UploadPart) -> bytes:
    """A part that the storage has lost will not come back: the file is damaged, and nobody tries for ever."""
    try:
        with default_storage.open(part.key) as file:
            return file.read()
    except FileNotFoundError as error:
        raise UploadError("damaged", _("The file was damaged on its way. Please send it again.")) from error


@transaction.atomic
def upload_erase(*, upload: Upload) -> None:
    """Forget an upload with its parts. A second call changes nothing."""
    keys = list(UploadPart.objects.filter(upload=upload).values_list("key", flat=True))
    Upload.objects.filter(pk=upload.pk).delete()
    PendingDeletion.objects.bulk_create(PendingDeletion(key=key) for key in keys)
    transaction.on_commit(files_delete_pending)


def uploads_erase(*, owner: User | PartnerKey) -> None:
    """Forget everything that an owner was sending: sign-out of a device, end of an account."""
    for upload in Upload.objects.owned_by(owner):
        upload_erase(upload=upload)


def uploads_expire() -> int:
    """Erase what nobody finished in time, but for people with a legal hold; returns how many uploads went."""
    expired = list(Upload.objects.expired().filter(patient__legal_holds=None)[:500])
    for upload in expired:
        upload_erase(upload=upload)
    return len(expired)
