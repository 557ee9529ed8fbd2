"""Reading untrusted provider values: text that is text, links that are links, positions on Earth."""

from __future__ import annotations

import math
import re
from urllib.parse import urlsplit

from finder.places import ProviderError

MAX_TEXT = 300


def as_object(value: object) -> dict:
    """The value as a JSON object. Raises ProviderError("malformed")."""
    if not isinstance(value, dict):
        raise ProviderError("malformed")
    return value


def as_list(value: object) -> list:
    """The value as a list; None is an empty one. Raises ProviderError("malformed")."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ProviderError("malformed")
    return value


def as_text(value: object) -> str:
    """A short line of text; anything else is nothing."""
    return " ".join(value.split())[:MAX_TEXT] if isinstance(value, str) else ""


def as_link(value: object) -> str:
    """An http(s) address, or nothing: a `javascript:` link in open data must never reach a page."""
    text = as_text(value).partition(";")[0].strip()
    if text and "://" not in text and ":" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in {"http", "https"} and parts.hostname else ""


def as_phone(value: object) -> str:
    """The first number of a `;` list, or nothing."""
    text = as_text(value).partition(";")[0].strip()
    return text if re.search(r"\d{3}", text) else ""


def as_position(value: object) -> tuple[float, float] | None:
    """(latitude, longitude) in degrees from an object of Google (latitude) or OpenStreetMap (lat)."""
    if not isinstance(value, dict):
        return None
    latitude, longitude = value.get("latitude", value.get("lat")), value.get("longitude", value.get("lon"))
    try:
        position = float(latitude), float(longitude)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    good = all(map(math.isfinite, position)) and abs(position[0]) <= 90 and abs(position[1]) <= 180
    return position if good else None
