"""Files and rows live and die together: what a rollback or an erasure must take along."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager

import structlog
from django.core.files.storage import default_storage
from django.db import transaction

from diagnosis.models import Analysis, Case, CaseImage, MemberMap, PendingDeletion, PhotoFinding

log = structlog.get_logger(__name__)


def files_delete_pending() -> int:
    """Delete the files that are written down; one that fails stays for the next time. Returns how many are left."""
    for row in PendingDeletion.objects.all()[:1000]:
        try:
            default_storage.delete(row.key)
        except Exception:  # any storage error: the row stays and says what is still to do
            log.exception("file_not_deleted")
        else:
            row.delete()
    return PendingDeletion.objects.count()


@transaction.atomic
def case_photos_forget(*, case: Case) -> None:
    """Delete the photos of a case that was sent with `store_image=false`, heat maps and embeddings too; the result
    stays."""
    images = list(CaseImage.objects.filter(case=case).exclude(file=""))
    maps = list(PhotoFinding.objects.filter(image__case=case).exclude(heatmap=""))
    keys = [str(image.file.name) for image in images] + [str(finding.heatmap.name) for finding in maps]
    CaseImage.objects.filter(pk__in=[image.pk for image in images]).update(file="")
    PhotoFinding.objects.filter(pk__in=[finding.pk for finding in maps]).update(heatmap="")
    MemberMap.objects.filter(finding__image__case=case).delete()
    Analysis.objects.filter(case=case).update(embedding=None)
    PendingDeletion.objects.bulk_create(PendingDeletion(key=name) for name in keys)
    transaction.on_commit(files_delete_pending)


def files_delete(names: Sequence[str]) -> None:
    for name in names:
        default_storage.delete(name)


@contextmanager
def files_vanish_on_failure():
    """Collects storage keys; on any exception the files go away with the rolled-back rows."""
    names: list[str] = []
    try:
        yield names
    except BaseException:
        files_delete(names)
        raise
