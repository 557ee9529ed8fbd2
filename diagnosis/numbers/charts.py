"""Geometry of the charts. The SVG stands in templates: no inline style, no script, so the page's CSP stays strict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diagnosis.numbers.tables import Cell, Table

SERIES = 6  # colours that there are
SHADES = 5
HEIGHT = 100
STEP = 10
BAR = 8


@dataclass(frozen=True)
class Bar:
    """`width` 0 to 100; `series` 1 to SERIES gives the colour."""

    series: int
    label: str
    shown: str
    width: float


@dataclass(frozen=True)
class BarGroup:
    label: str
    bars: list[Bar]


@dataclass(frozen=True)
class Block:
    """One part of a stack, in the units of the drawing."""

    series: int
    x: int
    y: float
    height: float


@dataclass(frozen=True)
class Stacks:
    """Columns of equal height, for the mix in each; `first` and `last` name the ends of the line below."""

    blocks: list[Block]
    legend: list[tuple[int, str]]
    width: int
    first: str
    last: str


def bars(table: Table) -> list[BarGroup]:
    """A group for each row with something to draw; a bar of no length says nothing beside the table."""
    amounts = [row[column].amount or 0 for row in table.rows for column in table.charted]
    most = table.most or max(amounts, default=0) or 1
    groups = [
        BarGroup(
            row[0].shown,
            [
                Bar(number, table.columns[column].label, row[column].shown, min(round(100 * amount / most, 1), 100))
                for number, column in enumerate(table.charted, start=1)
                if (amount := row[column].amount)
            ],
        )
        for row in table.rows
    ]
    return [group for group in groups if group.bars]


def stacks(table: Table) -> Stacks | None:
    """A column for each row, parts from the bottom up; None where there is nothing to draw."""
    blocks = [block for number, row in enumerate(table.rows) for block in _stack(table, number, row)]
    if not blocks:
        return None
    first, last = (table.rows[number][0].shown for number in (0, -1))
    return Stacks(blocks, _legend(table), STEP * (len(table.rows) - 1) + BAR, first, last)


def _legend(table: Table) -> list[tuple[int, str]]:
    return [(number, table.columns[column].label) for number, column in enumerate(table.charted, start=1)]


def _stack(table: Table, number: int, row: Sequence[Cell]) -> list[Block]:
    amounts = [row[column].amount or 0 for column in table.charted]
    whole, below, blocks = sum(amounts), 0.0, []
    for series, amount in enumerate(amounts, start=1):
        if amount:
            height = HEIGHT * amount / whole
            below += height
            blocks.append(Block(series, STEP * number, round(HEIGHT - below, 2), round(height, 2)))
    return blocks


@dataclass(frozen=True)
class MatrixCell:
    """`shade` 0 for nothing, then 1 to SHADES by the root, so that rare pairs can still be seen."""

    cell: Cell
    shade: int


def matrix(table: Table) -> list[tuple[Cell, list[MatrixCell]]]:
    """Rows of a matrix: the name, then the cells with their shades."""
    most = max((cell.amount or 0 for row in table.rows for cell in row[1:]), default=0) or 1
    return [(row[0], [MatrixCell(cell, _shade((cell.amount or 0) / most)) for cell in row[1:]]) for row in table.rows]


def _shade(part: float) -> int:
    return max(1, round(SHADES * part**0.5)) if part else 0


@dataclass(frozen=True)
class Figure:
    """A table with what is drawn beside it."""

    table: Table
    bars: list[BarGroup]
    stacks: Stacks | None
    matrix: list[tuple[Cell, list[MatrixCell]]]

    @property
    def legend(self) -> list[tuple[int, str]]:
        """Names of the colours, where there is more than one."""
        if self.stacks:
            return self.stacks.legend
        names = _legend(self.table)
        return names if len(names) > 1 else []


def figure(table: Table) -> Figure:
    return Figure(
        table,
        bars=bars(table) if table.chart == "bars" else [],
        stacks=stacks(table) if table.chart == "columns" else None,
        matrix=matrix(table) if table.matrix else [],
    )
