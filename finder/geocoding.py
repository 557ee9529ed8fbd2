"""From a typed place to a position: the bundled towns first (nothing leaves the server), then Nominatim if it is on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from finder import cities, nominatim
from finder.cities import City
from finder.spots import Spot

MAX_CHOICES = 10


@dataclass(frozen=True)
class Geocoded:
    """What a text can mean. `sure` when it is one place and every word of the text was understood."""

    spots: tuple[Spot, ...]
    sure: bool


def geocode(text: str, *, language: str) -> Geocoded:
    """All that the text can mean, the likeliest first. Raises ProviderError when the outside service was needed."""
    towns, understood = cities.cities_matching(text)
    if settings.NOMINATIM_URL and not (towns and understood):
        spots = tuple(nominatim.spots_named(text, language=language))
        return Geocoded(spots, sure=len(spots) == 1)
    spots = tuple(_town_spots(towns[:MAX_CHOICES]))
    return Geocoded(spots, sure=understood and len(spots) == 1)


def spot_by_key(key: str) -> Spot | None:
    """The place of a choice that was offered; None when it is unknown or no longer kept."""
    if key[:1] == "G" and key[1:].isdecimal():
        town = cities.city_by_number(int(key[1:]))
        return _town_spot(town, cities.city_label(town)) if town else None
    return nominatim.spot_by_key(key) if settings.NOMINATIM_URL else None


def _town_spots(towns: Sequence[City]) -> list[Spot]:
    """Towns of one name in one country are told apart by their size."""
    labels = [cities.city_label(town) for town in towns]
    count = Counter(labels)
    return [
        _town_spot(town, label if count[label] == 1 else _with_size(town, label))
        for town, label in zip(towns, labels, strict=True)
    ]


def _with_size(town: City, label: str) -> str:
    people = number_format(town.population, use_l10n=True, force_grouping=True)
    return _("%(place)s (about %(people)s people)") % {"place": label, "people": people}


def _town_spot(town: City, label: str) -> Spot:
    return Spot(f"G{town.number}", label, town.latitude, town.longitude, town.country)
