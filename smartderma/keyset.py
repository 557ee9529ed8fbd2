"""Pages by position instead of number: the thousandth page costs as much as the first, and new rows shift nothing."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

OLDER, NEWER = "o", "n"


@dataclass(frozen=True)
class KeysetPage:
    """Rows, newest first, and the cursors of the pages beside it ("" where there is none)."""

    object_list: list[Any]
    newer: str = ""
    older: str = ""


def keyset_page(rows: QuerySet, *, cursor: str, size: int, by: str = "created_at") -> KeysetPage:
    """One page of `rows` by (`by`, primary key), newest first. A cursor that nobody gave out means the first page."""
    place = _place(rows.model, cursor)
    newest_first = rows.order_by(f"-{by}", "-pk")
    if place is None:
        found = list(newest_first[: size + 1])
        return _page(found[:size], by, newer=False, older=len(found) > size)
    way, when, pk = place
    if way == OLDER:
        found = list(newest_first.filter(Q(**{f"{by}__lt": when}) | Q(**{by: when, "pk__lt": pk}))[: size + 1])
        return _page(found[:size], by, newer=True, older=len(found) > size)
    later = rows.filter(Q(**{f"{by}__gt": when}) | Q(**{by: when, "pk__gt": pk})).order_by(by, "pk")
    found = list(later[: size + 1])
    return _page(found[:size][::-1], by, newer=len(found) > size, older=True)


def _page(rows: list[Any], by: str, *, newer: bool, older: bool) -> KeysetPage:
    if not rows:
        return KeysetPage([])
    return KeysetPage(
        rows,
        newer=_cursor(NEWER, rows[0], by) if newer else "",
        older=_cursor(OLDER, rows[-1], by) if older else "",
    )


def _cursor(way: str, row: Model, by: str) -> str:
    text = f"{getattr(row, by).isoformat()}|{row.pk}"
    return way + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(model: type[Model], cursor: str) -> tuple[str, datetime, Any] | None:
    way, packed = cursor[:1], cursor[1:101]
    if way not in {OLDER, NEWER}:
        return None
    try:
        when, pk = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode().split("|")
        return way, datetime.fromisoformat(when), model._meta.pk.to_python(pk)
    except (ValueError, TypeError, ValidationError):  # binascii.Error and UnicodeDecodeError are ValueErrors
        return None
