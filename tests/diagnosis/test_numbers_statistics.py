"""Figures against textbook values and against what must always hold."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnosis.numbers.scope import Scope
from diagnosis.numbers.statistics import Shift, chi_square_95, coarse, kappa, quantile, share, shift
from diagnosis.numbers.tables import Share

# Two psychiatrists, 100 people: J. L. Fleiss, "Statistical Methods for Rates and Proportions", table of chapter 18.
FLEISS = [[75, 1, 4], [5, 4, 1], [0, 0, 10]]
# Two readers of 50 grant proposals, and two pairs of raters with the same 60 of 100 (Wikipedia, "Cohen's kappa").
GRANTS = [[20, 5], [10, 15]]
EVEN, UNEVEN = [[45, 15], [25, 15]], [[25, 35], [5, 35]]

counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 500), min_size=1)
tables = st.dictionaries(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), st.integers(0, 60))


def pairs(table: list[list[int]]) -> dict[tuple[str, str], int]:
    return {(str(row), str(column)): n for row, line in enumerate(table) for column, n in enumerate(line)}


@pytest.mark.parametrize(("table", "value"), [(FLEISS, 0.6765), (GRANTS, 0.4), (EVEN, 0.1304), (UNEVEN, 0.2593)])
def test_kappa_of_the_textbook(table, value):
    assert kappa(pairs(table)).value == pytest.approx(value, abs=1e-4)


def test_interval_of_the_textbook():
    """Fleiss gives the standard error .087 for his example."""
    found = kappa(pairs(FLEISS))
    assert (found.high - found.low) / 2 / 1.96 == pytest.approx(0.0877, abs=5e-4)


def test_interval_of_kappa_holds_what_a_bootstrap_finds():
    rng = np.random.default_rng(6)
    cells = list(pairs(FLEISS))
    drawn = rng.multinomial(100, [pairs(FLEISS)[cell] / 100 for cell in cells], size=2000)
    values = [kappa(dict(zip(cells, map(int, row), strict=True))).value for row in drawn]
    found = kappa(pairs(FLEISS))
    assert found.low == pytest.approx(np.percentile(values, 2.5), abs=0.03)
    assert found.high == pytest.approx(np.percentile(values, 97.5), abs=0.03)


def test_kappa_that_says_nothing():
    assert kappa({}) is None
    assert kappa({("a", "a"): 30}) is None  # agreement by chance alone would be perfect
    assert kappa({("a", "a"): 15, ("b", "b"): 15}).value == 1
    assert kappa({("a", "b"): 15, ("b", "a"): 15}).value == -1


@given(tables)
def test_kappa_stays_in_its_bounds_whoever_comes_first(table):
    found = kappa(table)
    turned = kappa({(other, one): n for (one, other), n in table.items()})
    if found is None:
        assert turned is None
        return
    assert -1 - 1e-9 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1 + 1e-9
    assert math.isclose(found.value, turned.value, abs_tol=1e-9)
    assert math.isclose(found.low, turned.low, abs_tol=1e-9)


def test_share_of_the_textbook():
    """15 of 148: R. G. Newcombe, Statistics in Medicine 17 (1998), method 3."""
    found = share(15, 148)
    assert (round(found.value, 4), round(found.low, 4), round(found.high, 4)) == (0.1014, 0.0624, 0.1605)
    assert share(0, 0) is None


@given(st.integers(0, 300), st.integers(1, 300))
def test_share_lies_in_its_interval(part, more):
    found = share(part, part + more)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_quantiles_are_nearest_ranks():
    assert quantile({5: 1, 7: 1, 100: 1}, 0.5) == 7
    assert quantile({10: 9, 60: 1}, 0.9) == 10
    assert quantile({10: 8, 60: 2}, 0.9) == 60
    assert quantile({}, 0.5) is None


@given(st.lists(st.integers(0, 1000), min_size=1), st.sampled_from([0.1, 0.5, 0.9, 1.0]))
def test_quantile_is_what_sorting_gives(values, part):
    counted = {value: values.count(value) for value in values}
    assert quantile(counted, part) == sorted(values)[math.ceil(part * len(values)) - 1]


def test_shift_of_a_known_example():
    """Half and half becomes 60 to 40 of many: 2 * 0.1 * ln(1.5) / 2 by hand."""
    found = shift({"a": 60_000, "b": 40_000}, {"a": 50_000, "b": 50_000})
    assert found.psi == pytest.approx(0.1 * math.log(60 / 50) - 0.1 * math.log(40 / 50), rel=1e-3)
    assert found.level == "none"
    assert shift({"a": 90_000, "b": 10_000}, {"a": 50_000, "b": 50_000}).level == "large"
    assert shift({"a": 5}, {}) is None


def test_few_observations_are_no_drift():
    few, many = shift({"a": 2, "b": 4}, {"a": 4, "b": 2}), shift({"a": 200, "b": 400}, {"a": 400, "b": 200})
    assert (few.psi > 0.1, few.level, many.level) == (True, "none", "large")
    assert Shift(psi=0.2, chance=0.05, now=1, before=1).level == "some"


@given(counts, counts)
def test_shift_is_the_same_both_ways(now, before):
    one, other = shift(now, before), shift(before, now)
    assert (one is None) == (other is None) == (not sum(now.values()) or not sum(before.values()))
    if one:
        assert one.psi >= -1e-12
        assert math.isclose(one.psi, other.psi, abs_tol=1e-9)


@settings(deadline=None)
@given(st.integers(1, 30))
def test_chi_square_is_near_the_exact_one(freedom):
    stats = pytest.importorskip("scipy.stats")
    assert chi_square_95(freedom) == pytest.approx(stats.chi2.ppf(0.95, freedom), rel=0.03)


def test_no_count_says_whether_it_was_none_or_two():
    assert [coarse(n) for n in range(9)] == [0, 0, 0, 5, 5, 5, 5, 5, 10]


@pytest.mark.parametrize(
    ("first", "last", "mondays"),
    [("2026-11-23", "2026-11-23", 1), ("2026-11-22", "2026-11-23", 2), ("2026-11-17", "2026-11-22", 1)],
)
def test_weeks_of_a_period(first, last, mondays):
    weeks = Scope(date.fromisoformat(first), date.fromisoformat(last)).weeks
    assert len(weeks) == mondays
    assert {week.weekday() for week in weeks} == {0}


@pytest.mark.parametrize(("part", "whole", "shown"), [(2, 7, "29 %"), (5, 7, "71 %"), (7, 8, "88 %"), (0, 3, "0 %")])
def test_a_share_is_rounded_as_people_round(part, whole, shown):
    assert Share(part, whole).shown == shown
