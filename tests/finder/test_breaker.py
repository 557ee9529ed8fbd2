"""The breaker: three failures open it, a pause later one trial call decides."""

import pytest

from finder.breaker import FAILURES_TO_OPEN, MAX_OPEN_SECONDS, OPEN_SECONDS, WINDOW_SECONDS, Breaker, guarded
from finder.places import ProviderError


@pytest.fixture
def breaker():
    return Breaker("test")


def trip(breaker):
    for _time in range(FAILURES_TO_OPEN):
        assert breaker.allows()
        breaker.failed()


def test_it_opens_after_three_failures(breaker):
    trip(breaker)
    assert not breaker.allows()


def test_a_success_between_forgets_the_failures(breaker):
    breaker.failed()
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.allows()


def test_old_failures_do_not_count(breaker, clock):
    breaker.failed()
    breaker.failed()
    clock.shift(WINDOW_SECONDS + 1)
    breaker.failed()
    assert breaker.allows()


def test_half_open_lets_one_call_through(breaker, clock):
    trip(breaker)
    clock.shift(OPEN_SECONDS + 1)
    assert breaker.allows()
    assert not breaker.allows()


def test_a_good_trial_closes_it(breaker, clock):
    trip(breaker)
    clock.shift(OPEN_SECONDS + 1)
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert breaker.allows()


def test_a_bad_trial_opens_it_again_at_once(breaker, clock):
    trip(breaker)
    clock.shift(OPEN_SECONDS + 1)
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    clock.shift(OPEN_SECONDS + 1)
    assert breaker.allows()


def test_a_trial_that_never_reports_does_not_block_for_ever(breaker, clock):
    trip(breaker)
    clock.shift(OPEN_SECONDS + 1)
    assert breaker.allows()
    clock.shift(20)
    assert breaker.allows()


def test_a_pause_has_an_upper_limit(breaker, clock):
    breaker.failed(pause=10**9)
    clock.shift(MAX_OPEN_SECONDS + 1)
    assert breaker.allows()


def test_providers_have_breakers_of_their_own(breaker):
    trip(breaker)
    assert Breaker("other").allows()


def test_an_open_breaker_asks_nobody(breaker):
    trip(breaker)
    with pytest.raises(ProviderError, match="paused"):
        guarded("test", lambda: pytest.fail("the provider was asked"))


def test_a_failure_is_logged_by_code(caplog):
    def fail():
        raise ProviderError("unavailable")

    with pytest.raises(ProviderError):
        guarded("test", fail)
    (record,) = [r for r in caplog.records if r.name.startswith("finder")]
    assert "finder_provider_failed" in str(record.msg)
    assert "unavailable" in str(record.msg)
