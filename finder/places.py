"""What every provider speaks: a query, a place, an answer, an error; and how answers are merged."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Protocol

EARTH_RADIUS_M = 6_371_008.8  # mean radius R1 of the IUGG (GRS 80)
MAX_RADIUS_M = 50_000  # the largest circle that Google accepts; the same for all
SAME_PLACE_M = 100
SAME_NAME_RATIO = 0.85
PUBLIC_FIELDS = (
    "id",
    "verified",
    "name",
    "address",
    "latitude",
    "longitude",
    "distance_m",
    "phone",
    "website",
    "url",
)
# Words that many practices share: two neighbours are not one place because both say "dermatology".
COMMON_WORDS_TEXT = """
a and care center centre clinic clinica clinique dermatologic dermatological dermatologie dermatologist dermatologists
dermatologo dermatology doctor dr drs for group health hospital institute laser md medical mr mrs ms of office practice
prof professor skin surgery the
"""
COMMON_WORDS = frozenset(COMMON_WORDS_TEXT.split())


@dataclass(frozen=True)
class Query:
    """Where to look. Latitude and longitude are WGS 84 degrees rounded to 3 decimals (about 100 m)."""

    latitude: float
    longitude: float
    radius_m: int
    language: str = "en"
    country: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "latitude", round(self.latitude, 3))
        object.__setattr__(self, "longitude", round(self.longitude, 3))
        object.__setattr__(self, "radius_m", max(1, min(self.radius_m, MAX_RADIUS_M)))


@dataclass(frozen=True)
class Place:
    """One practice. `hours` is an OpenStreetMap opening_hours value; it is not part of the JSON shape."""

    id: str
    name: str
    latitude: float
    longitude: float
    verified: bool = False
    address: str = ""
    distance_m: int = 0
    phone: str = ""
    website: str = ""
    url: str = ""
    hours: str = ""

    @property
    def source(self) -> str:
        return self.id.partition(":")[0]

    def as_json(self) -> dict[str, object]:
        values = asdict(self)
        return {field: values[field] for field in PUBLIC_FIELDS}


@dataclass(frozen=True)
class Answer:
    """What a provider found; `truncated` when it stopped before the nearest places were surely among them."""

    places: tuple[Place, ...]
    truncated: bool = False


class ProviderError(Exception):
    """A provider gave no usable answer. Carries a code only: no address, no position, no key.

    `reason`: "rejected" (400), "denied" (401, 403), "missing" (404), "busy" (429, 504), "unavailable" (5xx, network,
    time-out), "malformed" (not the documented JSON), "paused" (not asked: its breaker is open). `retry_after`: seconds
    the provider asked us to wait, or None.
    """

    def __init__(self, reason: str, *, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class Provider(Protocol):
    """A source of places. `search` raises ProviderError; it need not sort, measure or cut to the radius."""

    source: str
    attribution: str

    def search(self, query: Query) -> Answer: ...


def distance_m(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Great-circle distance in metres by the haversine formula.

    Source: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984), p. 159. On the ellipsoid the true
    distance differs by 0.6 % at most.
    """
    phi, other_phi = math.radians(latitude), math.radians(other_latitude)
    half_phi = (other_phi - phi) / 2
    half_lambda = math.radians(other_longitude - longitude) / 2
    h = math.sin(half_phi) ** 2 + math.cos(phi) * math.cos(other_phi) * math.sin(half_lambda) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, h)))


def nearest_first(places: Iterable[Place], query: Query) -> list[Place]:
    """The places inside the circle, each with its distance in metres, nearest first."""
    measured = [
        replace(p, distance_m=round(distance_m(query.latitude, query.longitude, p.latitude, p.longitude)))
        for p in places
    ]
    return sorted((p for p in measured if p.distance_m <= query.radius_m), key=lambda p: (p.distance_m, p.id))


@lru_cache(maxsize=1)
def _separators() -> dict[int, str]:
    """All that is no letter, mark or digit, as a blank: `str.translate` is fast enough for 350,000 names."""
    return {code: " " for code in range(0x10000) if unicodedata.category(chr(code))[0] not in "LMN"}


def normal_name(name: str) -> str:
    """Lower case, without Latin accents and punctuation; other scripts keep their vowel signs."""
    if name.isascii():
        return " ".join(re.findall(r"[a-z0-9]+", name.lower()))
    text = unicodedata.normalize("NFKD", name.casefold())
    text = re.sub("[\u0300-\u036f]", "", text)
    return " ".join(unicodedata.normalize("NFC", text).translate(_separators()).split())


def similar_names(name: str, other: str) -> bool:
    """True when the telling words of one name are all in the other's, or are spelt nearly alike."""
    plain, other_plain = normal_name(name), normal_name(other)
    if plain == other_plain:
        return True
    words, other_words = set(plain.split()) - COMMON_WORDS, set(other_plain.split()) - COMMON_WORDS
    if not words or not other_words:
        return False
    if words <= other_words or other_words <= words:
        return True
    ratio = SequenceMatcher(None, " ".join(sorted(words)), " ".join(sorted(other_words))).ratio()
    return ratio >= SAME_NAME_RATIO


def same_place(place: Place, other: Place) -> bool:
    """Within about 100 m of each other and of a similar name."""
    apart = distance_m(place.latitude, place.longitude, other.latitude, other.longitude)
    return apart <= SAME_PLACE_M and similar_names(place.name, other.name)


def without_doubles(places: Sequence[Place]) -> list[Place]:
    """The same order; of places that are the same the first stays. Two listed dermatologists are never one place."""
    kept: list[Place] = []
    for place in places:
        if place.verified or not any(same_place(place, earlier) for earlier in kept):
            kept.append(place)
    return kept
