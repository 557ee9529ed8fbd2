"""Files and rows live and die together: what a rollback or an erasure must take along."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
from django.core.files.storage import default_storage

from diagnosis.models import (
    PendingDeletion,
)

if TYPE_CHECKING:
    pass


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
