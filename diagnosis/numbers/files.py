"""A table as a CSV file, line by line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

BOM = "\ufeff"  # so that spreadsheets read it as UTF-8
# What a spreadsheet takes for the start of a formula: OWASP, "CSV Injection"; also in full width.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line


def csv_lines(lines: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The file, one line at a time, every cell in quotes but numbers."""
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_NONNUMERIC)
    yield BOM
    for line in lines:
        yield writer.writerow([harmless(cell) for cell in line])


def harmless(cell: Any) -> Any:
    """A text that would start a formula gets an apostrophe in front; a number is a number, also a negative one."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(FORMULA):
        return f"'{cell}"
    return cell
