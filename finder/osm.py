"""OpenStreetMap through the Overpass API: no key, but a shared, free service, so answers are kept for a day."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _

from finder.breaker import guarded
from finder.http import fetch_json
from finder.places import Answer, Place, ProviderError, Query
from finder.values import as_link, as_list, as_object, as_phone, as_position, as_text

ATTRIBUTION = "© OpenStreetMap contributors"
CACHE_SECONDS = 24 * 3600
CELL_DEGREES = 0.05
HALF_DIAGONAL_M = 4_000  # from the middle of a 0.05 degree cell to its corner, at most (3,932 m at the equator)
MAX_ELEMENTS = 60
OVERPASS_QUERY = (
    "[out:json][timeout:3];("
    'nwr["healthcare:speciality"~"(^|;) *dermatology *(;|$)"](around:{radius},{latitude},{longitude});'
    'nwr["healthcare"]["name"~"dermat|skin clinic",i](around:{radius},{latitude},{longitude});'
    ");out center tags 60;"
)


def user_agent() -> str:
    """Both OpenStreetMap services ask for a name of our own and a way to reach the operator."""
    return f"SmartDerma/1.0 (+{settings.SITE_URL}) {settings.FINDER_CONTACT}".strip()


class OverpassProvider:
    source = "osm"
    attribution = ATTRIBUTION

    def search(self, query: Query) -> Answer:
        """Places around the query's cell, from the cache for 24 hours. Raises ProviderError."""
        answer = cache.get(_cache_key(query))
        if answer is None:
            answer = guarded(self.source, lambda: _ask(query))
            cache.set(_cache_key(query), answer, CACHE_SECONDS)
        unnamed = _("Skin specialist (name not known)")
        return replace(answer, places=tuple(replace(p, name=p.name or unnamed) for p in answer.places))


def _cell(query: Query) -> tuple[float, float]:
    """The middle of the cell: what leaves this server says even less than the rounded position."""
    latitude, longitude = (
        round(math.floor(value / CELL_DEGREES) * CELL_DEGREES + CELL_DEGREES / 2, 3)
        for value in (query.latitude, query.longitude)
    )
    return min(latitude, 90.0), min(longitude, 180.0)


def _cache_key(query: Query) -> str:
    latitude, longitude = _cell(query)
    return f"finder:osm:1:{latitude}:{longitude}:{query.radius_m}"


def _ask(query: Query) -> Answer:
    latitude, longitude = _cell(query)
    radius = query.radius_m + HALF_DIAGONAL_M
    text = OVERPASS_QUERY.format(radius=radius, latitude=latitude, longitude=longitude)
    answer = as_object(
        fetch_json("POST", settings.OVERPASS_URL, headers={"User-Agent": user_agent()}, form={"data": text})
    )
    # Overpass answers 200 with a remark and half a result when it ran out of time or memory.
    if "error" in as_text(answer.get("remark")).lower():
        raise ProviderError("busy")
    if "elements" not in answer:
        raise ProviderError("malformed")
    elements = as_list(answer["elements"])
    places = [_place(as_object(element)) for element in elements]
    return Answer(tuple(p for p in places if p), truncated=len(elements) >= MAX_ELEMENTS)


def _place(element: dict) -> Place | None:
    """A node, or a way or relation by its center; None without a position."""
    position = as_position(element) or as_position(element.get("center"))
    kind, number = as_text(element.get("type")), element.get("id")
    if not position or kind not in {"node", "way", "relation"} or not isinstance(number, int):
        return None
    tags = as_object(element.get("tags") or {})
    return Place(
        id=f"osm:{kind}/{number}",
        name=as_text(tags.get("name")) or as_text(tags.get("operator")),
        latitude=position[0],
        longitude=position[1],
        address=_postal_address(tags),
        phone=as_phone(tags.get("phone") or tags.get("contact:phone")),
        website=as_link(tags.get("website") or tags.get("contact:website")),
        url=f"https://www.openstreetmap.org/{kind}/{number}",
        hours=as_text(tags.get("opening_hours")),
    )


def _postal_address(tags: Mapping[str, object]) -> str:
    if full := as_text(tags.get("addr:full")):
        return full
    street = " ".join(filter(None, (as_text(tags.get("addr:housenumber")), as_text(tags.get("addr:street")))))
    town = " ".join(filter(None, (as_text(tags.get("addr:postcode")), as_text(tags.get("addr:city")))))
    return ", ".join(filter(None, (street, town)))
