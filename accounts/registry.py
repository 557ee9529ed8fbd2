"""What other apps do for a person's rights over the own data. `accounts` knows no case: apps register in `ready()`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True)
class ExportFile:
    """One file of a download. `open` gives a binary stream, which the caller closes; it is called once."""

    path: str
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class OwnData:
    """The part of one app; all are called with keywords.

    `export(user)`: the files about a person, in the active language.
    `leave(user)`: called first in the transaction that erases or closes an account; gives back what is only held.
    `erase(user, keys)`: called next, before the rows go by cascade, with the storage keys of all files that this
    leaves behind; takes along what no cascade reaches.
    `withdraw(user, purposes)`: called in the transaction that takes consents back, with their purposes.
    """

    export: Callable[..., Iterator[ExportFile]]
    leave: Callable[..., None]
    erase: Callable[..., None]
    withdraw: Callable[..., None]


_parts: dict[str, OwnData] = {}


def register(name: str, part: OwnData) -> None:
    """Called once per app, in `AppConfig.ready`."""
    _parts[name] = part


def parts() -> list[OwnData]:
    """All parts in the order of their registration."""
    return list(_parts.values())
