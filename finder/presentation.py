"""Values for the page: distances in the reader's unit, links, whether a place is open now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from finder.cities import nearest_city
from finder.places import Place
from finder.services import Found

MILES_COUNTRIES = frozenset({"US", "GB", "LR", "MM"})
METRES_PER_MILE = 1609.344
SHORT_M = 1_000


@dataclass(frozen=True)
class Row:
    """One place as the page shows it; `open_now` is None when unknown."""

    place: Place
    distance: str
    directions_url: str
    call: str
    details_id: str
    open_now: bool | None


def rows(found: Found) -> list[Row]:
    return [_row(place, found.query.country) for place in found.places]


def _row(place: Place, country: str) -> Row:
    return Row(
        place=place,
        distance=distance_text(place.distance_m, country),
        directions_url=_directions_url(place),
        call=call_number(place.phone),
        details_id=place.id.partition(":")[2] if place.source == "google" else "",
        open_now=is_open_now(place),
    )


def distance_text(metres: float, country: str) -> str:
    """Miles where road signs show miles (United States, United Kingdom, Liberia, Myanmar), else kilometres."""
    if country in MILES_COUNTRIES:
        return _("%(number)s miles") % {"number": _one_decimal(metres / METRES_PER_MILE)}
    if metres < SHORT_M:
        return _("%(number)s m") % {"number": number_format(round(metres, -1), 0)}
    return _("%(number)s km") % {"number": _one_decimal(metres / 1000)}


def _one_decimal(number: float) -> str:
    """Rounded first: `number_format` only cuts."""
    return number_format(round(number, 1), 1)


def call_number(phone: str) -> str:
    """The digits of a `tel:` link, with a leading + if there is one; extensions are left out."""
    main = re.split(r"ext|x|#|/|,", phone, maxsplit=1, flags=re.IGNORECASE)[0]
    digits = re.sub(r"\D", "", main.replace("(0)", "") if main.lstrip().startswith("+") else main)
    return ("+" if main.lstrip().startswith("+") else "") + digits


def _directions_url(place: Place) -> str:
    """The way from wherever the device is: our link names the goal only, so no position leaves through it."""
    goal = f"{place.latitude:.6f},{place.longitude:.6f}"
    if place.source == "google":
        parts = {"api": "1", "destination": goal, "destination_place_id": place.id.partition(":")[2]}
        return f"https://www.google.com/maps/dir/?{urlencode(parts)}"
    return f"https://www.openstreetmap.org/directions?{urlencode({'to': goal})}"


def is_open_now(place: Place) -> bool | None:
    """By the OpenStreetMap opening hours in the local time of the nearest town; None when that cannot be told."""
    town = nearest_city(place.latitude, place.longitude) if place.hours else None
    if not town:
        return None
    # Imported here: it brings calendars of many megabytes that most processes never need.
    from opening_hours import OpeningHours, ParserError, State, UnknownCountryError  # type: ignore[attr-defined]  # its stubs forget them

    zone = ZoneInfo(town.timezone)
    country = town.country if "PH" in place.hours else None
    try:
        hours = OpeningHours(place.hours, timezone=zone, country=country, auto_country=False, auto_timezone=False)
    except (ParserError, UnknownCountryError):
        return None
    # The library's own clock is not Django's, so the time is given.
    state, _comment = hours.state(timezone.now().astimezone(zone))
    return None if state == State.UNKNOWN else state == State.OPEN


def map_tiles() -> Mapping[str, str] | None:
    """The first tile layer that the operator configured for django-leaflet: {url, attribution}; none by default."""
    tiles = settings.LEAFLET_CONFIG.get("TILES") or []
    if isinstance(tiles, str):
        return {"url": tiles, "attribution": ""}
    if not tiles:
        return None
    _label, url, options = tiles[0]
    return {"url": url, "attribution": options.get("attribution", "") if isinstance(options, dict) else str(options)}


def map_data(found: Found) -> dict[str, object] | None:
    """What the map draws, or None: no tiles, nothing to draw, or Google results, which no other map may show."""
    tiles = map_tiles()
    if not tiles or not found.places or found.source == "google":
        return None
    return {
        "tiles": tiles,
        "places": [{"name": p.name, "position": [p.latitude, p.longitude]} for p in found.places],
    }
