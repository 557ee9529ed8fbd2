"""Exports for training: asked for by an operator, put together by a worker, kept shortly, gone when somebody leaves."""

from __future__ import annotations

import hashlib
import io
import tempfile
import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import IO

import structlog
from django.conf import settings
from django.core.files.base import File
from django.db import transaction
from django.utils import timezone

from accounts.models import Purpose, User
from accounts.services import access_record
from diagnosis.models import Case, OperatorEvent, TrainingExport
from diagnosis.services.releases import event_record, operator_only
from diagnosis.services.shadows import shadows_forget
from diagnosis.training_manifest import Sifted, may_stay, write_archive
from smartderma.leases import send_again

log = structlog.get_logger(__name__)
Status = TrainingExport.Status


@transaction.atomic
def training_export_request(*, operator: User, release: str = "") -> TrainingExport:
    """Queue an export; one that is still being made is given back."""
    operator_only(user=operator)
    waiting = TrainingExport.objects.filter(status__in=[Status.QUEUED, Status.RUNNING], release=release).first()
    if waiting:
        return waiting
    export = TrainingExport(requested_by=operator, release=release)
    export.full_clean()
    export.save()
    event_record(kind=OperatorEvent.Kind.EXPORT_ASKED, actor=operator, release=release)
    _send(export)
    return export


def _send(export: TrainingExport) -> None:
    """Tell a worker, after commit."""
    from diagnosis.tasks import build_training_export_task  # tasks import services

    build_training_export_task.delay_on_commit(str(export.pk))


def training_export_build(*, export_id: uuid.UUID | str) -> bool:
    """A worker's step. False when another has the export. What fails is marked and raised again."""
    export = TrainingExport.objects.claim(export_id)
    if export is None:
        return False
    try:
        with tempfile.TemporaryFile() as file:
            sifted = write_archive(file, release=export.release)
            return _finish(export, file, sifted)
    except Exception:
        _fail(export)
        raise


def _finish(export: TrainingExport, file: IO[bytes], sifted: Sifted) -> bool:
    """RUNNING -> READY for the holder of the claim only; else the stored file goes away again."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    export.file.save("export.zip", File(file), save=False)
    with transaction.atomic():
        held = TrainingExport.objects.held_by(export).update(
            status=Status.READY,
            file=export.file.name,
            size=size,
            sha256=digest,
            counts=sifted.counts(),
            lease_until=None,
            expires_at=timezone.now() + timedelta(hours=settings.EXPORT_HOURS),
        )
        if held:
            export.cases.set(Case.objects.filter(pk__in=sifted.cases))
            _tell(export, OperatorEvent.Kind.EXPORT_READY, count=sifted.photos)
    if not held:
        export.file.delete(save=False)
    return bool(held)


def _tell(export: TrainingExport, kind: str, *, actor: User | None = None, count: int | None = None) -> None:
    event_record(kind=kind, actor=actor, release=export.release, count=count)


@transaction.atomic
def _fail(export: TrainingExport) -> None:
    if TrainingExport.objects.held_by(export).update(status=Status.FAILED, lease_until=None):
        _tell(export, OperatorEvent.Kind.EXPORT_FAILED)


@transaction.atomic
def training_export_fetched(*, export: TrainingExport, operator: User) -> None:
    """Somebody takes the file away: the diary says so, and so does the access log of everybody in it."""
    operator_only(user=operator)
    _tell(export, OperatorEvent.Kind.EXPORT_FETCHED, actor=operator, count=export.counts.get("photos"))
    for person in User.objects.filter(cases__training_exports=export).distinct():
        access_record(actor=operator, subject=person, action="training", obj=export)


def is_whole(export: TrainingExport) -> bool:
    """True while nobody in it has left: no case was erased, no consent taken back."""
    cases = list(export.cases.values_list("pk", flat=True))
    return len(cases) == export.counts.get("cases") and may_stay(cases)


def training_exports_sweep() -> int:
    """Delete what is over or holds somebody who left; bring back lost messages. Returns how many rows changed."""
    now, count = timezone.now(), 0
    for export in TrainingExport.objects.filter(status=Status.READY):
        over = export.expires_at is not None and export.expires_at < now
        if over or not is_whole(export):
            count += _dropped(export, left=not over)
    for export in TrainingExport.objects.abandoned():
        _fail(export)
        count += 1
    return count + send_again(rows=TrainingExport.objects.forgotten(), send=_send)


def _dropped(export: TrainingExport, *, left: bool) -> bool:
    """One file that cannot go now must not keep the others."""
    try:
        _drop(export, left=left)
    except Exception:
        log.exception("training_export_not_deleted")
        return False
    return True


def _drop(export: TrainingExport, *, left: bool) -> None:
    """The file first: while the storage refuses, the row stays as it is and the next sweep tries again."""
    export.file.delete(save=False)
    with transaction.atomic():
        TrainingExport.objects.filter(pk=export.pk).update(status=Status.GONE, file="")
        export.cases.clear()
        if left:
            _tell(export, OperatorEvent.Kind.EXPORT_DROPPED)


# --- for accounts.registry -----------------------------------------------------------------------------------------
def research_withdraw(*, user: User, purposes: Collection[str]) -> None:
    """Without consent to research, shadow answers go now and files for training right after."""
    if Purpose.RESEARCH in purposes:
        shadows_forget(patient=user)
        transaction.on_commit(training_exports_sweep, robust=True)


def research_erase(*, user: User, keys: Collection[str]) -> None:
    """Rows go by cascade with the account; a file for training that holds this person goes right after."""
    transaction.on_commit(training_exports_sweep, robust=True)


def research_leave(*, user: User) -> None:
    """Nothing is held for anybody."""
