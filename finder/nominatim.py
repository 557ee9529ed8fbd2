"""Nominatim: places that the bundled towns do not have. Off unless NOMINATIM_URL is set.

Its usage policy: at most one request a second for the whole application, a User-Agent of our own, answers cached.
"""

from __future__ import annotations

import hashlib
import time

from django.conf import settings
from django.core.cache import cache

from finder.breaker import guarded
from finder.http import fetch_json
from finder.osm import user_agent
from finder.places import ProviderError, normal_name
from finder.spots import Spot
from finder.values import as_list, as_object, as_position, as_text

CACHE_SECONDS = 24 * 3600
SLOT_KEY = "finder:nominatim:slot"
# Two seconds between requests: one would let a slow sending and a fast one fall into the same second.
SLOT_SECONDS = 2
WAIT_SECONDS = 5
KINDS = {"node": "N", "way": "W", "relation": "R"}


def spots_named(text: str, *, language: str) -> list[Spot]:
    """Up to five places for a typed text, kept for a day. Raises ProviderError."""
    digest = hashlib.sha256(f"{language}\n{normal_name(text)}".encode()).hexdigest()
    key = f"finder:nominatim:1:{digest}"
    spots = cache.get(key)
    if spots is None:
        spots = guarded("nominatim", lambda: _ask(text, language))
        cache.set(key, spots, CACHE_SECONDS)
    cache.set_many({_spot_key(spot.key): spot for spot in spots}, CACHE_SECONDS)
    return spots


def spot_by_key(key: str) -> Spot | None:
    """A place that was offered as a choice in the last day."""
    return cache.get(_spot_key(key))


def _spot_key(key: str) -> str:
    return f"finder:spot:1:{key}"


def _take_slot() -> None:
    """Wait for the application's turn; the lock is in the cache that all processes share. Raises ProviderError."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not cache.add(SLOT_KEY, 1, timeout=SLOT_SECONDS):
        if time.monotonic() > deadline:
            raise ProviderError("busy")
        time.sleep(0.1)


def _ask(text: str, language: str) -> list[Spot]:
    answer = fetch_json(
        "GET",
        f"{settings.NOMINATIM_URL.rstrip('/')}/search",
        headers={"User-Agent": user_agent(), "Accept-Language": language},
        params={"q": text, "format": "jsonv2", "limit": "5", "addressdetails": "1"},
        before_each=_take_slot,
    )
    spots = [_spot(as_object(item)) for item in as_list(answer)]
    return [spot for spot in spots if spot]


def _spot(item: dict) -> Spot | None:
    position, kind = as_position(item), KINDS.get(as_text(item.get("osm_type")))
    number, label = item.get("osm_id"), as_text(item.get("display_name"))
    if not position or not kind or not isinstance(number, int) or not label:
        return None
    address = as_object(item.get("address") or {})
    return Spot(f"{kind}{number}", label, *position, as_text(address.get("country_code")).upper()[:2])
