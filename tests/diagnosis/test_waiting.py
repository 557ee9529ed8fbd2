"""A request that waits for a result is woken by the worker, and waits all the same when nobody can wake it."""

from __future__ import annotations

import threading
import time
import uuid

import pytest

from diagnosis import bell

pytestmark = pytest.mark.django_db(transaction=True)
LONG = 20.0


def seconds_of_pause(analysis_id: uuid.UUID, rung_for: uuid.UUID, seconds: float) -> float:
    """How long somebody waits for one analysis while the bell rings for another, or the same."""
    with bell.listening(analysis_id) as pause:
        ringer = threading.Timer(0.2, bell.ring_on_commit, [rung_for])
        ringer.start()
        start = time.monotonic()
        pause(seconds)
        waited = time.monotonic() - start
    ringer.join()
    return waited


def test_the_bell_ends_a_wait_at_once(valkey, settings):
    settings.REDIS_URL = valkey
    mine = uuid.uuid4()
    assert seconds_of_pause(mine, mine, LONG) < LONG / 2


def test_the_bell_of_another_analysis_does_not(valkey, settings):
    settings.REDIS_URL = valkey
    assert seconds_of_pause(uuid.uuid4(), uuid.uuid4(), 0.5) >= 0.45


def test_without_a_server_ringing_fails_silently_and_waiting_is_sleeping(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    mine = uuid.uuid4()
    assert seconds_of_pause(mine, mine, 0.3) >= 0.29
