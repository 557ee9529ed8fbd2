"""Tables of figures: what a page shows, a file holds and a chart draws. A cell knows how to be read and how coarse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from diagnosis.numbers import statistics
from diagnosis.numbers.statistics import Estimate

HOUR = 3600
LEAST_FOR_KAPPA = 20


def _rounded(value: float, places: int) -> str:
    """As people round: `number_format` alone cuts 28.57 to 28."""
    return number_format(round(value, places), places)


@dataclass(frozen=True)
class Cell:
    """`shown` for people, `note` small behind it, `values` for a file, `amount` for a chart."""

    @property
    def shown(self) -> str:
        return "–"

    @property
    def note(self) -> str:
        return ""

    @property
    def values(self) -> tuple[Any, ...]:
        return ("",)

    @property
    def amount(self) -> float | None:
        return None

    @property
    def is_text(self) -> bool:
        return False

    def coarse(self) -> Cell:
        """The same for eyes that must not single out a person."""
        return self


@dataclass(frozen=True)
class Nothing(Cell):
    """Not enough to say anything; takes the place of a cell with so many values."""

    width: int = 1

    @property
    def values(self) -> tuple[Any, ...]:
        return ("",) * self.width


@dataclass(frozen=True)
class Words(Cell):
    text: str
    tone: str = ""
    is_text = True

    @property
    def shown(self) -> str:
        return self.text

    @property
    def values(self) -> tuple[Any, ...]:
        return (self.text,)


@dataclass(frozen=True)
class Count(Cell):
    n: int

    @property
    def shown(self) -> str:
        return number_format(self.n, force_grouping=True)

    @property
    def values(self) -> tuple[Any, ...]:
        return (self.n,)

    @property
    def amount(self) -> float:
        return float(self.n)

    def coarse(self) -> Self:
        return replace(self, n=statistics.coarse(self.n))


@dataclass(frozen=True)
class Rough(Cell):
    """A value with an interval, so far rounded that the counts behind it cannot be worked out; no interval."""

    value: float
    text: str

    @property
    def shown(self) -> str:
        return self.text

    @property
    def values(self) -> tuple[Any, ...]:
        return (self.value, "", "")

    @property
    def amount(self) -> float:
        return max(self.value, 0.0)


@dataclass(frozen=True)
class Share(Cell):
    """A part of a whole in per cent, with its interval."""

    part: int
    whole: int

    @property
    def estimate(self) -> Estimate:
        found = statistics.share(self.part, self.whole)
        if found is None:
            raise ValueError("A share of nothing: use `share_of`.")
        return found

    @property
    def shown(self) -> str:
        return _("%(percent)s %%") % {"percent": _rounded(100 * self.estimate.value, 0)}

    @property
    def note(self) -> str:
        return f"{100 * self.estimate.low:.0f}–{100 * self.estimate.high:.0f}"

    @property
    def values(self) -> tuple[Any, ...]:
        found = self.estimate
        return tuple(round(100 * value, 1) for value in (found.value, found.low, found.high))

    @property
    def amount(self) -> float:
        return 100 * self.estimate.value

    def coarse(self) -> Cell:
        """Of the rounded counts, which the page shows anyway."""
        if self.whole < statistics.LEAST_FOR_SHARE:
            return Nothing(3)
        rounded = Share(statistics.coarse(self.part), statistics.coarse(self.whole))
        return Rough(round(rounded.amount), rounded.shown)


def share_of(part: int, whole: int) -> Cell:
    """A share, or nothing where there is no whole."""
    return Share(part, whole) if whole else Nothing(3)


@dataclass(frozen=True)
class Measure(Cell):
    """A number with its interval, such as kappa."""

    estimate: Estimate

    @property
    def shown(self) -> str:
        return _rounded(self.estimate.value, 2)

    @property
    def note(self) -> str:
        low, high = (_rounded(value, 2) for value in (self.estimate.low, self.estimate.high))
        return _("%(low)s to %(high)s") % {"low": low, "high": high}

    @property
    def values(self) -> tuple[Any, ...]:
        return tuple(round(value, 3) for value in (self.estimate.value, self.estimate.low, self.estimate.high))

    @property
    def amount(self) -> float:
        return max(self.estimate.value, 0.0) * 100

    def coarse(self) -> Cell:
        value = round(self.estimate.value, 1)
        return Nothing(3) if self.estimate.n < statistics.LEAST_FOR_SHARE else Rough(value, _rounded(value, 1))


def kappa_of(pairs: Mapping[tuple[str, str], int]) -> Cell:
    """Cohen's kappa; nothing for a handful, where its interval (of large samples) would promise too much."""
    found = statistics.kappa(pairs) if sum(pairs.values()) >= LEAST_FOR_KAPPA else None
    return Measure(found) if found else Nothing(3)


@dataclass(frozen=True)
class Duration(Cell):
    """A time in seconds out of `n` times."""

    seconds: int
    n: int

    @property
    def shown(self) -> str:
        hours = self.seconds / HOUR
        if hours < 1:
            minutes = round(self.seconds / 60)
            return ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes}
        if hours < 48:
            return pgettext("a time", "%(hours)s h") % {"hours": _rounded(hours, 0 if hours >= 10 else 1)}
        return pgettext("a time", "%(days)s d") % {"days": _rounded(hours / 24, 1)}

    @property
    def values(self) -> tuple[Any, ...]:
        return (round(self.seconds / HOUR, 2),)

    @property
    def amount(self) -> float:
        return self.seconds / HOUR

    def coarse(self) -> Cell:
        return Nothing() if self.n < statistics.LEAST_FOR_AVERAGE else self


@dataclass(frozen=True)
class Number(Cell):
    """A plain number out of `n` observations."""

    value: float
    n: int

    @property
    def shown(self) -> str:
        return _rounded(self.value, 2)

    @property
    def values(self) -> tuple[Any, ...]:
        return (round(self.value, 3),)

    @property
    def amount(self) -> float:
        return self.value

    def coarse(self) -> Cell:
        return Nothing() if self.n < statistics.LEAST_FOR_SHARE else replace(self, value=round(self.value, 1))


@dataclass(frozen=True)
class Column:
    """`ranged`: three columns in a file, the value and the ends of its interval. `unit` belongs to the value there."""

    label: str
    ranged: bool = False
    unit: str = ""

    @property
    def headers(self) -> tuple[str, ...]:
        names = {"label": self.label, "unit": self.unit}
        value = _("%(label)s (%(unit)s)") % names if self.unit else self.label
        if not self.ranged:
            return (value,)
        return value, _("%(label)s, low end") % names, _("%(label)s, high end") % names


def percent(label: str) -> Column:
    return Column(label, ranged=True, unit="%")


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; the first cell of a row names it.

    `chart`: "bars" (a group per row) or "columns" (a stack per row, for weeks), of the columns `charted` (by number);
    `most`: the end of its scale, else the largest value. `matrix`: readers down, model across. `rows_vary`,
    `columns_vary`: there is one only where somebody is in it.
    """

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    chart: str = ""
    charted: Sequence[int] = field(default_factory=tuple)
    most: float | None = None
    matrix: bool = False
    rows_vary: bool = False
    columns_vary: bool = False

    @property
    def folded(self) -> bool:
        """Long tables open on demand."""
        return len(self.rows) > 10 and not self.matrix

    def coarse(self) -> Table:
        """For a partner's cases: counts to the nearest 5, no share of fewer than 23 and no average of fewer than 8.

        So HESA, the statistics agency of British universities, rounds counts of people ("Rounding and suppression to
        anonymise statistics"): no two tables differ by one person, and 0, 1 and 2 look the same. So a row or column
        that is there for one person goes like one that is not there.
        """
        rows = [[cell.coarse() for cell in row] for row in self.rows]
        if not (self.rows_vary or self.columns_vary):
            return replace(self, rows=rows)
        kept = [number for number in range(len(self.columns)) if not self.columns_vary or not _only_zeros(rows, number)]
        empty = [not any(isinstance(cell, Count) and cell.n for cell in row) for row in rows]
        if self.rows_vary or all(empty):
            rows = [row for row, is_empty in zip(rows, empty, strict=True) if not is_empty]
        return replace(
            self,
            columns=[self.columns[number] for number in kept],
            rows=[[row[number] for number in kept] for row in rows],
            charted=[kept.index(number) for number in self.charted if number in kept],
        )

    def lines(self) -> Iterator[list[Any]]:
        """The table as a file holds it, headers first."""
        yield [header for column in self.columns for header in column.headers]
        for row in self.rows:
            yield [value for cell in row for value in cell.values]


def _only_zeros(rows: Sequence[Sequence[Cell]], number: int) -> bool:
    """A column of counts that are all 0."""
    cells = [row[number] for row in rows]
    return all(isinstance(cell, Count) and not cell.n for cell in cells)
