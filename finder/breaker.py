"""A circuit breaker in the Django cache, so that all processes stop asking a provider that fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog
from django.core.cache import cache

from finder.places import ProviderError

log = structlog.get_logger(__name__)
Result = TypeVar("Result")
FAILURES_TO_OPEN = 3
WINDOW_SECONDS = 120
OPEN_SECONDS = 60
MAX_OPEN_SECONDS = 3600
PROBE_SECONDS = 15
TRIPPED_SECONDS = 24 * 3600


class Breaker:
    """Closed: all calls pass. Open: none. Half-open, after the pause: one trial call decides."""

    def __init__(self, name: str) -> None:
        self.failures = f"finder:breaker:{name}:failures"
        self.open = f"finder:breaker:{name}:open"
        self.tripped = f"finder:breaker:{name}:tripped"
        self.probe = f"finder:breaker:{name}:probe"

    def allows(self) -> bool:
        """May a call go out now? In the half-open state only the first asker gets a yes."""
        if cache.get(self.open):
            return False
        if cache.get(self.tripped):
            return cache.add(self.probe, 1, timeout=PROBE_SECONDS)
        return True

    def succeeded(self) -> None:
        cache.delete_many([self.failures, self.tripped, self.probe])

    def failed(self, *, pause: int | None = None) -> None:
        """Count a failure; open after three in two minutes, after a failed trial, or at once when told to pause (s)."""
        if pause or cache.get(self.tripped) or self._count() >= FAILURES_TO_OPEN:
            seconds = min(max(pause or 0, OPEN_SECONDS), MAX_OPEN_SECONDS)
            cache.set(self.tripped, 1, timeout=TRIPPED_SECONDS)
            cache.set(self.open, 1, timeout=seconds)
            cache.delete_many([self.failures, self.probe])

    def _count(self) -> int:
        cache.add(self.failures, 0, timeout=WINDOW_SECONDS)
        try:
            return cache.incr(self.failures)
        except ValueError:  # the window ended between the two lines
            return 1


def guarded(name: str, call: Callable[[], Result]) -> Result:
    """`call()` behind the breaker of this provider. Raises its ProviderError, or ProviderError("paused").

    Too many requests and a refused key open the breaker at once: asking again soon cannot help.
    """
    breaker = Breaker(name)
    if not breaker.allows():
        raise ProviderError("paused")
    try:
        result = call()
    except ProviderError as error:
        _record(breaker, name, error)
        raise
    breaker.succeeded()
    return result


def _record(breaker: Breaker, name: str, error: ProviderError) -> None:
    if error.reason == "missing":  # a healthy answer about one place
        breaker.succeeded()
        return
    at_once = error.reason in {"busy", "denied"}
    breaker.failed(pause=(error.retry_after or OPEN_SECONDS) if at_once else None)
    log.warning("finder_provider_failed", provider=name, reason=error.reason)
