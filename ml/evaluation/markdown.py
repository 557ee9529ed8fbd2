"""Small pieces of Markdown that card and tables share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def figure(value: dict[str, float] | None) -> str:
    """0.67 (0.61-0.72), or a dash where there were no photos."""
    return f"{value['value']:.2f} ({value['low']:.2f}-{value['high']:.2f})" if value else "-"


def table(head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
