"""The search: our own directory first, then the first outside provider that answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from finder import geocoding
from finder.cities import nearest_city
from finder.directory import DirectoryProvider
from finder.google import Details, GoogleProvider
from finder.osm import OverpassProvider
from finder.places import Place, Provider, ProviderError, Query, nearest_first, without_doubles
from finder.spots import Spot

DIRECTORY_LIMIT = 30


@dataclass(frozen=True)
class Found:
    """The answer to one search; `notes` are sentences for the reader about what is missing and why."""

    query: Query
    source: str
    attribution: str
    places: tuple[Place, ...]
    notes: tuple[str, ...]
    label: str = ""

    def as_json(self) -> dict[str, object]:
        return {
            "source": self.source,
            "attribution": self.attribution,
            "results": [place.as_json() for place in self.places],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Outcome:
    """What became of a typed place: results, or choices, or `problem` ("unknown_place", "place_service")."""

    found: Found | None = None
    choices: tuple[Spot, ...] = ()
    problem: str = ""


def place_search(*, text: str, choice: str, radius_m: int) -> Outcome:
    """Search around a typed place, or around the choice among several places of that name."""
    if choice and (spot := geocoding.spot_by_key(choice)):
        return Outcome(_spot_search(spot=spot, radius_m=radius_m))
    try:
        geocoded = geocoding.geocode(text, language=_language())
    except ProviderError:
        return Outcome(problem="place_service")
    if geocoded.sure:
        return Outcome(_spot_search(spot=geocoded.spots[0], radius_m=radius_m))
    return Outcome(choices=geocoded.spots, problem="" if geocoded.spots else "unknown_place")


def _spot_search(*, spot: Spot, radius_m: int) -> Found:
    query = Query(spot.latitude, spot.longitude, radius_m, _language(), spot.country)
    return replace(nearby_search(query=query), label=spot.label)


def position_search(*, latitude: float, longitude: float, radius_m: int) -> Outcome:
    """Search around the position of a device (degrees, WGS 84); the nearest town tells the country."""
    town = nearest_city(round(latitude, 3), round(longitude, 3))
    query = Query(latitude, longitude, radius_m, _language(), town.country if town else "")
    return Outcome(nearby_search(query=query))


def nearby_search(*, query: Query) -> Found:
    """Directory results by distance, then those of one outside provider by distance, each place once."""
    own = nearest_first(DirectoryProvider().search(query).places, query)
    notes = [_more_note()] if len(own) > DIRECTORY_LIMIT else []
    own = own[:DIRECTORY_LIMIT]
    providers = outside_providers()
    for provider in providers:
        try:
            answer = provider.search(query)
        except ProviderError:
            notes.append(_failed_note(provider))
            continue
        notes += [_more_note()] if answer.truncated and _more_note() not in notes else []
        places = without_doubles([*own, *nearest_first(answer.places, query)])
        return Found(query, provider.source, provider.attribution, tuple(places), tuple(notes))
    notes += [] if providers else [_alone_note()]
    return Found(query, DirectoryProvider.source, DirectoryProvider.attribution, tuple(own), tuple(notes))


def outside_providers() -> list[Provider]:
    """In the order in which they are asked; the next is asked only when the one before fails."""
    providers: list[Provider] = []
    if settings.GOOGLE_PLACES_API_KEY:
        providers.append(GoogleProvider())
    if settings.OVERPASS_URL:
        providers.append(OverpassProvider())
    return providers


def place_details(*, place_id: str) -> Details:
    """Phone and hours of one Google place. Raises ProviderError ("missing" without a key or with an unknown id)."""
    if not settings.GOOGLE_PLACES_API_KEY:
        raise ProviderError("missing")
    return GoogleProvider().details(place_id, language=_language())


def _language() -> str:
    return get_language() or "en"


def _failed_note(provider: Provider) -> str:
    name = {"google": "Google Maps", "osm": "OpenStreetMap"}[provider.source]
    return _("%(service)s did not answer just now, so its places are not in this list.") % {"service": name}


def _more_note() -> str:
    return _("There are more places than this list shows. Search within a shorter distance to see the nearest ones.")


def _alone_note() -> str:
    return _("This site has no link to a map service. The list shows only skin doctors who joined this site.")
