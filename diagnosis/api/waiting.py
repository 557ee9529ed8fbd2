"""`Prefer: wait=N` (RFC 7240): hold a request until the result is there, without holding up the other visitors."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from django.conf import settings
from rest_framework.request import Request

from diagnosis import bell

LOOK_SECONDS = 1.0  # how often the row is looked at when nobody rings
Found = TypeVar("Found")
WAIT = re.compile(r"\s*wait\s*=\s*\"?(\d{1,4})\"?\s*(;.*)?", re.IGNORECASE)


def asked_seconds(request: Request) -> int:
    """What the client asked for, capped; 0 when it did not ask in words that we understand."""
    found = [WAIT.fullmatch(part) for part in request.headers.get("Prefer", "").split(",")]
    return next((min(int(match[1]), settings.API_WAIT_SECONDS) for match in found if match), 0)


def wait_for(analysis_id: uuid.UUID, look: Callable[[], Found | None], seconds: int) -> tuple[bool, Found | None]:
    """Whether we waited, until `look` found something or time was up, and what it found.

    Does not wait when all waiting places are taken.
    """
    places = waiting_places(int(settings.WEB_THREADS * settings.API_WAIT_SHARE))
    if not seconds or not places.acquire(blocking=False):
        return False, None
    try:
        deadline = time.monotonic() + seconds
        with bell.listening(analysis_id) as pause:
            while (found := look()) is None and (left := deadline - time.monotonic()) > 0:
                pause(min(left, LOOK_SECONDS))
    finally:
        places.release()
    return True, found


@lru_cache(maxsize=8)
def waiting_places(count: int) -> threading.BoundedSemaphore:
    """The places of this process; the web server's threads share them."""
    return threading.BoundedSemaphore(count)
