"""One way out: short time-outs, one retry, a cap on the answer, errors as codes. Never logs an address or a body."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import lru_cache

import httpx
import stamina

from finder.places import ProviderError

TIMEOUT_SECONDS = 3.0
ATTEMPTS = 2
MAX_BYTES = 4 * 1024 * 1024
REASONS = {400: "rejected", 401: "denied", 403: "denied", 404: "missing", 429: "busy", 504: "busy"}


@lru_cache(maxsize=1)
def client() -> httpx.Client:
    """One pool of connections per process, made after the fork because it is made on first use."""
    return httpx.Client(headers={"User-Agent": "smart-derma-finder"})


def fetch_json(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    payload: Mapping[str, object] | None = None,
    form: Mapping[str, str] | None = None,
    before_each: Callable[[], None] = lambda: None,
) -> object:
    """The decoded JSON of a 200 answer. Raises ProviderError; what is merely unavailable is tried once more.

    `before_each` runs before each try, so that a rate limit counts the retry too.
    The block form of stamina is used because its decorator form would log the arguments, and they hold a position.
    """
    request = client().build_request(
        method, url, headers=headers, params=params, json=payload, data=form, timeout=TIMEOUT_SECONDS
    )
    for attempt in stamina.retry_context(_worth_a_retry, attempts=ATTEMPTS, wait_initial=0.1, wait_max=0.5):
        with attempt:
            before_each()
            return _fetch_once(request)
    raise ProviderError("unavailable")


def _worth_a_retry(error: Exception) -> bool:
    return isinstance(error, ProviderError) and error.reason == "unavailable"


def _fetch_once(request: httpx.Request) -> object:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    try:
        response = client().send(request, stream=True)
        try:
            _check_status(response)
            return _decode(_read(response, deadline))
        finally:
            response.close()
    except httpx.HTTPError:
        # `from None`: the text of an httpx error can name the address asked.
        raise ProviderError("unavailable") from None


def _check_status(response: httpx.Response) -> None:
    if response.status_code == httpx.codes.OK:
        return
    reason = REASONS.get(response.status_code)
    if reason is None:
        reason = "unavailable" if response.status_code >= 500 else "malformed"
    raise ProviderError(reason, retry_after=_retry_after(response))


def _retry_after(response: httpx.Response) -> int | None:
    """Seconds in Retry-After; its date form is rare and read as absent."""
    text = response.headers.get("Retry-After", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _read(response: httpx.Response, deadline: float) -> bytes:
    """The body. A server that drips, or never stops, is unavailable or malformed."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_BYTES:
            raise ProviderError("malformed")
        if time.monotonic() > deadline:
            raise ProviderError("unavailable")
    return bytes(body)


def _decode(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ProviderError("malformed") from None
