"""Google Places API (New). Its terms: only the place id may be kept; nothing here is stored, cached or mapped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from finder.breaker import guarded
from finder.http import fetch_json
from finder.places import Answer, Place, ProviderError, Query
from finder.values import as_link, as_list, as_object, as_phone, as_position, as_text

SEARCH_MASK = (
    "places.id,places.displayName,places.formattedAddress,places.location,places.googleMapsUri,"
    "places.businessStatus,places.types"
)
DETAILS_MASK = (
    "id,displayName,formattedAddress,googleMapsUri,nationalPhoneNumber,internationalPhoneNumber,websiteUri,"
    "currentOpeningHours.openNow,currentOpeningHours.weekdayDescriptions,regularOpeningHours.weekdayDescriptions"
)
MAX_RESULTS = 20
PLACE_ID = re.compile(r"[A-Za-z0-9_-]{6,300}")


@dataclass(frozen=True)
class Details:
    """What a click on one Google place shows. `open_now` is None when Google does not know."""

    name: str
    address: str
    phone: str
    call: str
    website: str
    url: str
    hours: tuple[str, ...]
    open_now: bool | None


class GoogleProvider:
    source = "google"
    attribution = "Google Maps"

    def search(self, query: Query) -> Answer:
        """Up to 20 places, by distance. Raises ProviderError."""
        return guarded(self.source, lambda: _search(query))

    def details(self, place_id: str, *, language: str) -> Details:
        """Phone, hours and website of one place. Raises ProviderError ("missing" when the id is unknown)."""
        if not PLACE_ID.fullmatch(place_id):
            raise ProviderError("missing")
        return guarded(self.source, lambda: _look_up(place_id, language))


def _search(query: Query) -> Answer:
    answer = fetch_json("POST", _address("places:searchText"), headers=_headers(SEARCH_MASK), payload=_body(query))
    places = [_place(item) for item in as_list(as_object(answer).get("places"))]
    return Answer(tuple(place for place in places if place))


def _look_up(place_id: str, language: str) -> Details:
    address = _address(f"places/{place_id}")
    answer = fetch_json("GET", address, headers=_headers(DETAILS_MASK), params={"languageCode": language})
    return _details(as_object(answer))


def _address(path: str) -> str:
    return f"{settings.GOOGLE_PLACES_URL.rstrip('/')}/v1/{path}"


def _headers(mask: str) -> dict[str, str]:
    return {"X-Goog-Api-Key": settings.GOOGLE_PLACES_API_KEY, "X-Goog-FieldMask": mask}


def _body(query: Query) -> dict[str, object]:
    """There is no place type for dermatologists, so it is a text search."""
    center = {"latitude": query.latitude, "longitude": query.longitude}
    body: dict[str, object] = {
        "textQuery": "dermatologist",
        "languageCode": query.language,
        "locationBias": {"circle": {"center": center, "radius": float(query.radius_m)}},
        "rankPreference": "DISTANCE",
        "maxResultCount": MAX_RESULTS,
    }
    if query.country:
        body["regionCode"] = query.country
    return body


def _place(item: object) -> Place | None:
    """A place, or None for one without id, name or position and for one that is closed."""
    values = as_object(item)
    place_id, position = as_text(values.get("id")), as_position(values.get("location"))
    name = _display_name(values)
    closed = values.get("businessStatus", "OPERATIONAL") != "OPERATIONAL"
    if closed or not position or not name or not PLACE_ID.fullmatch(place_id):
        return None
    return Place(
        id=f"google:{place_id}",
        name=name,
        latitude=position[0],
        longitude=position[1],
        address=as_text(values.get("formattedAddress")),
        url=as_link(values.get("googleMapsUri")),
    )


def _display_name(values: Mapping[str, object]) -> str:
    name = values.get("displayName")
    return as_text(name.get("text")) if isinstance(name, dict) else ""


def _details(values: dict) -> Details:
    current = as_object(values.get("currentOpeningHours") or {})
    regular = as_object(values.get("regularOpeningHours") or {})
    hours = current.get("weekdayDescriptions") or regular.get("weekdayDescriptions")
    open_now = current.get("openNow")
    international = as_phone(values.get("internationalPhoneNumber"))
    return Details(
        name=_display_name(values),
        address=as_text(values.get("formattedAddress")),
        phone=as_phone(values.get("nationalPhoneNumber")) or international,
        call=international or as_phone(values.get("nationalPhoneNumber")),
        website=as_link(values.get("websiteUri")),
        url=as_link(values.get("googleMapsUri")),
        hours=tuple(as_text(line) for line in as_list(hours)),
        open_now=open_now if isinstance(open_now, bool) else None,
    )
