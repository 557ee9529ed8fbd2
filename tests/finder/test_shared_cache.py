"""On a real Valkey, as in production: what processes share survives being written and read back."""

import pytest
from django.core.cache import cache, caches

from finder import geocoding
from finder.breaker import Breaker
from finder.osm import OverpassProvider
from finder.places import Query
from tests.finder.conftest import PUNE, osm_node


@pytest.fixture(autouse=True)
def _shared_cache(valkey, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": valkey}}
    yield
    for connection in caches.all(initialized_only=True):
        connection._cache._get_connection_pool(write=True).disconnect()


def test_an_answer_of_overpass_comes_back_whole(overpass):
    overpass.elements = [osm_node(opening_hours="24/7", phone="+91 20 1111")]
    first = OverpassProvider().search(Query(*PUNE, 5_000))
    assert OverpassProvider().search(Query(*PUNE, 5_000)) == first
    assert len(overpass.seen) == 1


def test_the_breaker_counts_opens_and_closes():
    breaker = Breaker("shared")
    for _time in range(3):
        assert breaker.allows()
        breaker.failed()
    assert not Breaker("shared").allows()
    cache.delete(breaker.open)  # the pause is over
    assert Breaker("shared").allows()
    assert not Breaker("shared").allows()
    breaker.succeeded()
    assert Breaker("shared").allows()


def test_a_choice_of_nominatim_is_found_again(nominatim):
    place = {"osm_type": "way", "osm_id": 9, "lat": "18.4", "lon": "73.5", "display_name": "Lavasa, India"}
    nominatim.places = [place]
    (spot,) = geocoding.geocode("Lavasa", language="en").spots
    assert geocoding.spot_by_key("W9") == spot
    assert geocoding.geocode("Lavasa", language="en").spots == (spot,)
    assert len(nominatim.seen) == 1
