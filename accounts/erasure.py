"""What goes when a row goes: every row that a deletion takes along, and every file of those rows.

Found by walking the relations of the models, so that a new model cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import DEFAULT_DB_ALIAS
from django.db.models import CASCADE, FileField, Model
from django.db.models.deletion import Collector


@dataclass(frozen=True)
class Doomed:
    """Rows by kind (`app.Model`) and storage keys, before they are erased."""

    counts: dict[str, int]
    files: list[str]

    def __add__(self, other: Doomed) -> Doomed:
        kinds = self.counts | other.counts
        counts = {kind: self.counts.get(kind, 0) + other.counts.get(kind, 0) for kind in kinds}
        return Doomed(counts, self.files + other.files)


class _EveryRow(Collector):
    """Loads each row that goes along instead of deleting it unseen."""

    def can_fast_delete(self, objs: object, from_field: object = None) -> bool:
        return False


def doomed_with(obj: Model) -> Doomed:
    """What the deletion of `obj` takes along, itself included. Raises ProtectedError when a row forbids it."""
    collector = _EveryRow(using=DEFAULT_DB_ALIAS, origin=obj)
    collector.collect([obj])
    counts = {model._meta.label: len(rows) for model, rows in collector.data.items()}
    files = [key for rows in collector.data.values() for row in rows for key in stored_keys(row)]
    return Doomed(dict(sorted(counts.items())), sorted(files))


def stored_keys(row: Model) -> Iterator[str]:
    """Storage keys of a row: its file fields, and the fields that its model names in FILE_KEYS."""
    names = [field.attname for field in row._meta.concrete_fields if isinstance(field, FileField)]
    for name in [*names, *getattr(row, "FILE_KEYS", ())]:
        key = getattr(row, name)
        if key:
            yield str(key)


def rows_owned_by(obj: Model) -> Iterator[Model]:
    """Rows that belong to `obj` directly: those that would go with it by cascade."""
    for relation in obj._meta.related_objects:
        if relation.on_delete is CASCADE and relation.field.concrete:
            manager = relation.related_model._base_manager
            yield from manager.filter(**{relation.field.name: obj})
