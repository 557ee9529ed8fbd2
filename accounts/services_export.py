"""The download of everything about one person: asked for, built by a worker, kept shortly, swept."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import IO, Any

import structlog
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.files.base import File
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone, translation

from accounts import registry
from accounts.access_words import action_text, who_text
from accounts.models import AccessLog, DataExport, User
from accounts.registry import ExportFile
from smartderma.leases import send_again

log = structlog.get_logger(__name__)
MAX_ATTEMPTS = 3


@transaction.atomic
def export_request(*, user: User, language: str) -> DataExport:
    """Queue a download; one that is open already is given back, an older one goes away."""
    User.objects.select_for_update().get(pk=user.pk)
    waiting = user.exports.filter(status__in=[DataExport.Status.QUEUED, DataExport.Status.RUNNING]).first()
    if waiting:
        return waiting
    export = DataExport(user=user, language=language)
    export.full_clean()
    export.save()
    _send(export)
    return export


def _send(export: DataExport) -> None:
    from accounts.tasks import build_export_task  # tasks import services

    build_export_task.delay_on_commit(str(export.pk))


def export_build(*, export: DataExport) -> bool:
    """Write the ZIP of a claimed download. False when this worker has lost its claim meanwhile."""
    with tempfile.TemporaryFile() as file, translation.override(export.language):
        _zip_write(file, export.user)
        return _export_finish(export, file)


def _zip_write(file: IO[bytes], user: User) -> None:
    with zipfile.ZipFile(file, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for part in [_own_files, *(part.export for part in registry.parts())]:
            for one in part(user=user):
                with one.open() as source, archive.open(one.path, "w") as target:
                    shutil.copyfileobj(source, target)


def _export_finish(export: DataExport, file: IO[bytes]) -> bool:
    """RUNNING -> READY for the holder of the claim only; else the stored file goes away again."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    export.file.save("export.zip", File(file), save=False)
    held = DataExport.objects.held_by(export).update(
        status=DataExport.Status.READY,
        file=export.file.name,
        size=size,
        sha256=digest,
        lease_until=None,
        expires_at=timezone.now() + timedelta(hours=settings.EXPORT_HOURS),
    )
    if held:
        exports_forget(user=export.user, keep=export)
    else:
        export.file.delete(save=False)
    return bool(held)


def export_fail(*, export: DataExport) -> None:
    """RUNNING -> FAILED for the holder of the claim."""
    DataExport.objects.held_by(export).update(status=DataExport.Status.FAILED, lease_until=None)


def exports_forget(*, user: User, keep: DataExport) -> None:
    """A person has one download at a time: the new one replaces older ones."""
    for export in user.exports.exclude(pk=keep.pk):
        _export_delete(export)


def _export_delete(export: DataExport) -> None:
    """The file first: while the storage refuses, the row stays and the next sweep tries again."""
    if export.file:
        export.file.delete(save=False)
    export.delete()


def exports_sweep() -> dict[str, int]:
    """Delete what is over, bring back what a dead worker or a lost message left behind. Safe to run at any time."""
    counts = {"count": 0, "requeued": 0, "failed": 0, "resent": 0}
    for export in DataExport.objects.expired():
        _export_delete(export)
        counts["count"] += 1
    for export in DataExport.objects.abandoned():
        if export.attempts >= MAX_ATTEMPTS:
            export_fail(export=export)
            counts["failed"] += 1
        else:
            counts["requeued"] += _export_requeue(export)
    counts["resent"] = send_again(rows=DataExport.objects.forgotten(), send=_send)
    return counts


@transaction.atomic
def _export_requeue(export: DataExport) -> int:
    changed = DataExport.objects.abandoned().held_by(export).put_back()
    if changed:
        _send(export)
    return changed


# --- what this app itself knows about a person ---------------------------------------------------------------------
def _own_files(*, user: User) -> Iterator[ExportFile]:
    readme = render_to_string("accounts/export_readme.txt", {"user": user, "made_at": timezone.now()})
    yield text_file("README.txt", readme)
    yield json_file("account.json", _account(user))
    yield json_file("consents.json", [_consent(row) for row in user.consents.order_by("granted_at")])
    rows = AccessLog.objects.filter(subject=user).select_related("actor__dermatologist", "partner")
    yield json_file("who-looked.json", [_look(row, user) for row in rows.iterator(chunk_size=2000)])


def _account(user: User) -> dict[str, Any]:
    return {
        "email": user.email,
        "email_addresses": list(EmailAddress.objects.filter(user=user).values("email", "verified", "primary")),
        "pseudonym": user.pseudonym,
        "role": user.role,
        "language": user.language,
        "joined": user.date_joined,
        "last_log_in": user.last_login,
    }


def _consent(consent) -> dict[str, Any]:
    names = ("purpose", "version", "language", "granted_at", "withdrawn_at")
    return {name: getattr(consent, name) for name in names}


def _look(row: AccessLog, user: User) -> dict[str, Any]:
    return {"at": row.at, "who": who_text(row, user), "what": action_text(row), "object": row.object_id}


def bytes_file(path: str, data: bytes) -> ExportFile:
    return ExportFile(path, lambda: io.BytesIO(data))


def text_file(path: str, text: str) -> ExportFile:
    return bytes_file(path, text.encode())


def json_file(path: str, values: Any) -> ExportFile:
    """Readable JSON; dates in ISO 8601, other values as text."""
    return text_file(path, json.dumps(values, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
