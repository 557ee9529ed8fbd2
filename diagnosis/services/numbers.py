"""Who took figures out of the house."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import User
from accounts.services import access_record
from diagnosis.numbers.scope import Scope


@dataclass(frozen=True)
class NumbersTable:
    """A table in the words of the access log: its name, the period, the first characters of the partner's id."""

    pk: str


def numbers_export_record(*, actor: User, key: str, scope: Scope) -> None:
    """A line in the access log: who downloaded which table of which period."""
    text = f"{key} {scope.first:%Y%m%d}-{scope.last:%Y%m%d} {scope.partner[:8]}".strip()
    access_record(actor=actor, subject=None, action="numbers", obj=NumbersTable(pk=text))
