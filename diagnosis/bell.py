"""A worker rings when an analysis is over, so that a request that waits for it wakes at once (publish and subscribe).

Only a hint: the row is the truth, and whoever waits looks at it now and then anyway.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import redis
import structlog
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

log = structlog.get_logger(__name__)


@lru_cache(maxsize=4)
def _server(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=2, retry=Retry(NoBackoff(), 0))


def _channel(analysis_id: uuid.UUID) -> str:
    return f"analysis-over-{analysis_id}"


def ring_on_commit(analysis_id: uuid.UUID) -> None:
    """Wake whoever waits for this analysis, once its row says that it is over. A silent server harms nothing."""

    def ring() -> None:
        try:
            _server(settings.REDIS_URL).publish(_channel(analysis_id), b"")
        except redis.RedisError:
            log.info("bell_not_rung")

    transaction.on_commit(ring, robust=True)


@contextmanager
def listening(analysis_id: uuid.UUID) -> Iterator[Callable[[float], None]]:
    """Gives `pause(seconds)`, which returns early when it rings; look at the row between two pauses."""
    with _server(settings.REDIS_URL).pubsub() as ears:
        try:
            ears.subscribe(_channel(analysis_id))
            ears.get_message(timeout=1)  # that we listen now: else the first pause would end with it
        except redis.RedisError:
            yield time.sleep
            return
        yield lambda seconds: _pause(ears, seconds)


def _pause(ears: redis.client.PubSub, seconds: float) -> None:
    try:
        ears.get_message(timeout=seconds)
    except redis.RedisError:
        time.sleep(seconds)
