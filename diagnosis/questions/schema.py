"""The shape of a question and of its options."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from django.utils.functional import Promise

Kind = Literal["single", "multi", "bool", "int"]
Text = str | Promise


@dataclass(frozen=True)
class Option:
    """One answer a person can choose. ``code`` is stored, ``label`` is shown."""

    code: str
    label: Text


@dataclass(frozen=True)
class ShownWhen:
    """Ask only when the answer to question ``key`` is one of ``codes``.

    A display hint: an answer that was given anyway is kept, because a warning sign must never get lost.
    """

    key: str
    codes: frozenset[str]


@dataclass(frozen=True)
class Question:
    """One intake question.

    ``exclusive`` is the code of a ``multi`` option that cannot stand beside others ("none of these").
    ``minimum``, ``maximum`` and ``unit`` belong to ``int`` questions. ``required`` questions must be answered
    before a case can be sent.
    """

    key: str
    text: Text
    kind: Kind
    screen: str
    options: tuple[Option, ...] = ()
    required: bool = False
    help: Text = ""
    exclusive: str = ""
    shown_when: ShownWhen | None = None
    minimum: int = 0
    maximum: int = 0
    unit: Text = ""

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Option codes in table order."""
        return tuple(option.code for option in self.options)

    @cached_property
    def by_code(self) -> dict[str, Option]:
        """Options by their code."""
        return {option.code: option for option in self.options}
