"""Figures from counts. Pure: no database, no words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

Z95 = 1.959964  # two-sided 95 % of the normal distribution
Z95_ONE_SIDED = 1.644854
NEAREST = 5
LEAST_FOR_SHARE = 23  # "fewer than 22.5"
LEAST_FOR_AVERAGE = 8  # "7 or fewer"
SMOOTHING = 0.5


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its 95 % interval, from `n` observations."""

    value: float
    low: float
    high: float
    n: int


def share(part: int, whole: int) -> Estimate | None:
    """A share (0 to 1) with Wilson's score interval; None of nothing.

    E. B. Wilson, "Probable inference", J. Am. Stat. Assoc. 22 (1927) 209-212.
    """
    if whole <= 0:
        return None
    observed = part / whole
    weight = 1 + Z95**2 / whole
    middle = (observed + Z95**2 / (2 * whole)) / weight
    half = Z95 / weight * math.sqrt(observed * (1 - observed) / whole + Z95**2 / (4 * whole**2))
    return Estimate(observed, max(middle - half, 0.0), min(middle + half, 1.0), whole)


def kappa(pairs: Mapping[tuple[str, str], int]) -> Estimate | None:
    """Cohen's kappa of two raters from counts by (first says, second says); None where it is not defined.

    kappa = (observed - expected agreement) / (1 - expected agreement): J. Cohen, Educ. Psychol. Meas. 20 (1960) 37-46.
    Interval from the large-sample variance of J. L. Fleiss, J. Cohen, B. S. Everitt, Psychol. Bull. 72 (1969) 323-327.
    """
    n = sum(pairs.values())
    if n == 0:
        return None
    cells = {pair: count / n for pair, count in pairs.items() if count}
    first, second = _margins(cells)
    observed = sum(chance for (one, other), chance in cells.items() if one == other)
    expected = sum(first[name] * second[name] for name in first)
    if math.isclose(expected, 1):
        return None  # both always say the same one thing: nothing to agree on
    value = (observed - expected) / (1 - expected)
    half = Z95 * math.sqrt(max(_kappa_variance(cells, value, expected), 0) / n)
    return Estimate(value, max(value - half, -1.0), min(value + half, 1.0), n)


def _margins(cells: Mapping[tuple[str, str], float]) -> tuple[Counter[str], Counter[str]]:
    first: Counter[str] = Counter()
    second: Counter[str] = Counter()
    for (one, other), chance in cells.items():
        first[one] += chance  # type: ignore[assignment]
        second[other] += chance  # type: ignore[assignment]
    return first, second


def _kappa_variance(cells: Mapping[tuple[str, str], float], value: float, expected: float) -> float:
    """n times the variance of kappa: Fleiss, Cohen, Everitt 1969, formula 13."""
    first, second = _margins(cells)
    rest = 1 - value
    agreed = sum(
        chance * (1 - (first[one] + second[one]) * rest) ** 2 for (one, other), chance in cells.items() if one == other
    )
    differed = sum(chance * (second[one] + first[other]) ** 2 for (one, other), chance in cells.items() if one != other)
    return (agreed + rest**2 * differed - (value - expected * rest) ** 2) / (1 - expected) ** 2


def quantile(counts: Mapping[int, int], part: float) -> int | None:
    """The value that a share `part` of all observations does not pass (nearest rank); `counts` by value."""
    wanted = math.ceil(part * sum(counts.values()))
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted > 0:
            return value
    return None


@dataclass(frozen=True)
class Shift:
    """How far a mix has moved. `chance`: what chance alone stays below 19 times of 20 with so few observations."""

    psi: float
    chance: float
    now: int
    before: int

    @property
    def level(self) -> str:
        """none, some or large. 0.1 and 0.25 are the usual marks: N. Siddiqi, "Credit Risk Scorecards", 2006."""
        if self.psi < 0.1 or self.psi <= self.chance:
            return "none"
        return "some" if self.psi < 0.25 else "large"


def shift(now: Mapping[str, int], before: Mapping[str, int]) -> Shift | None:
    """Population stability index of two mixes, from counts by kind; None where one of them is empty.

    PSI = sum over kinds of (p - q) ln(p / q), half an observation added to each kind so that none is zero. By chance it
    is about (1/N + 1/M) times chi-square with one degree less than kinds: B. Yurdakul, J. Naranjo, "Statistical
    properties of the population stability index", J. Risk Model Validation 14 (2020).
    """
    kinds = {kind for counts in (now, before) for kind, count in counts.items() if count}
    n, m = sum(now.values()), sum(before.values())
    if not n or not m:
        return None
    p, q = (_smoothed(counts, kinds) for counts in (now, before))
    psi = sum((p[kind] - q[kind]) * math.log(p[kind] / q[kind]) for kind in kinds)
    return Shift(psi, (1 / n + 1 / m) * chi_square_95(len(kinds) - 1), n, m)


def _smoothed(counts: Mapping[str, int], kinds: set[str]) -> dict[str, float]:
    whole = sum(counts.get(kind, 0) for kind in kinds) + SMOOTHING * len(kinds)
    return {kind: (counts.get(kind, 0) + SMOOTHING) / whole for kind in kinds}


def chi_square_95(freedom: int) -> float:
    """The 95 % point of chi-square: E. B. Wilson, M. M. Hilferty, Proc. Natl. Acad. Sci. 17 (1931) 684-688."""
    if freedom < 1:
        return 0.0
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + Z95_ONE_SIDED * math.sqrt(spread)) ** 3


def coarse(count: int) -> int:
    """A count that names nobody: to the nearest 5, so that 0, 1 and 2 look the same (HESA standard rounding)."""
    return NEAREST * ((count + NEAREST // 2) // NEAREST)
