"""Typed places: bundled towns without a network, Nominatim for the rest."""

import itertools
import threading

import pytest
from django.core.cache import cache
from django.utils import translation

from finder import cities, geocoding
from finder import nominatim as nominatim_module
from finder.geocoding import geocode
from finder.places import ProviderError
from tests.finder.servers import Reply


def labels(text):
    return [spot.label for spot in geocode(text, language="en").spots]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Pune", "Pune, India"),
        ("  pUNE ", "Pune, India"),
        ("Bombay", "Mumbai, India"),
        ("मुंबई", "Mumbai, India"),
        ("Paris, France", "Paris, France"),
        ("Paris, fr", "Paris, France"),
        ("Portland, OR", "Portland, Oregon, United States"),
        ("Portland, Maine, USA", "Portland, Maine, United States"),
        ("London, UK", "London, United Kingdom"),
    ],
)
def test_a_clear_place_is_one_town(text, label):
    geocoded = geocode(text, language="en")
    assert [spot.label for spot in geocoded.spots] == [label]
    assert geocoded.sure


def test_a_country_may_be_named_in_the_readers_language():
    with translation.override("es"):
        assert labels("Londres, Reino Unido") == ["London, Reino Unido"]


def test_an_ambiguous_name_is_a_choice_with_the_largest_first():
    geocoded = geocode("Paris", language="en")
    assert not geocoded.sure
    assert [s.label for s in geocoded.spots][:2] == ["Paris, France", "Paris, Texas, United States"]


def test_towns_of_one_name_in_one_country_are_told_apart():
    choices = labels("San José, Costa Rica")
    assert len(choices) == len(set(choices)) == 2
    assert choices[0] == "San José, Costa Rica (about 335,007 people)"


def test_a_word_that_was_not_understood_asks_back():
    geocoded = geocode("Pune, Maharashtra", language="en")
    assert [spot.label for spot in geocoded.spots] == ["Pune, India"]
    assert not geocoded.sure


@pytest.mark.parametrize("text", ["Xyzzyville", "Pune, France", "", ",", "\n", "Pune\nMumbai"])
def test_an_unknown_place_is_none_at_all(text):
    assert geocode(text, language="en").spots == ()


def test_a_choice_is_found_again_by_its_key():
    spot = geocode("Paris", language="en").spots[1]
    assert geocoding.spot_by_key(spot.key) == spot
    assert geocoding.spot_by_key("G1") is None
    assert geocoding.spot_by_key("N1") is None


@pytest.mark.parametrize(
    ("position", "country"),
    [((18.52, 73.85), "IN"), ((51.5, -0.12), "GB"), ((-16.9, 179.98), "FJ"), ((40.7, -74.0), "US")],
)
def test_the_nearest_town_tells_the_country(position, country):
    assert cities.nearest_city(*position).country == country


@pytest.mark.parametrize("position", [(0, -140), (90, 0), (-90, 180)])
def test_at_sea_and_on_the_ice_there_is_no_country(position):
    assert cities.nearest_city(*position) is None


def village(number=5, name="Lavasa, Pune, Maharashtra, India", **fields):
    values = {"osm_type": "node", "osm_id": number, "lat": "18.405", "lon": "73.506", "display_name": name}
    return {**values, "address": {"country_code": "in"}, **fields}


def test_a_bundled_town_is_not_asked_outside(nominatim):
    assert labels("Pune") == ["Pune, India"]
    assert nominatim.seen == []


def test_a_village_is_asked_with_our_name_and_language(nominatim):
    nominatim.places = [village()]
    geocoded = geocode("Lavasa", language="hi")
    (spot,) = geocoded.spots
    assert geocoded.sure
    assert (spot.key, spot.latitude, spot.longitude, spot.country) == ("N5", 18.405, 73.506, "IN")
    (seen,) = nominatim.seen
    assert seen.headers["user-agent"].startswith("SmartDerma/1.0 (+http://testserver)")
    assert seen.headers["accept-language"] == "hi"
    assert seen.query["q"] == ["Lavasa"]


def test_several_villages_are_a_choice_that_can_be_chosen(nominatim):
    nominatim.places = [village(5), village(6, "Lavasa, elsewhere"), village(7, "", osm_type="way")]
    geocoded = geocode("Lavasa", language="en")
    assert [spot.key for spot in geocoded.spots] == ["N5", "N6"]
    assert not geocoded.sure
    assert geocoding.spot_by_key("N6").label == "Lavasa, elsewhere"


def test_an_answer_is_kept_for_a_day_even_an_empty_one(nominatim, clock):
    assert labels("Nowhere at all") == []
    assert labels(" nowhere AT all") == []
    assert len(nominatim.seen) == 1
    clock.shift(24 * 3600 + 1)
    labels("Nowhere at all")
    assert len(nominatim.seen) == 2


def test_the_cache_does_not_hold_the_typed_text(nominatim):
    labels("Secret Hamlet")
    assert not [key for key in cache._cache if "secret" in key.lower()]


def test_switched_off_it_is_not_asked(nominatim, settings):
    settings.NOMINATIM_URL = ""
    assert labels("Lavasa") == []
    assert nominatim.seen == []


def gaps(service):
    times = sorted(seen.at for seen in service.seen)
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_the_whole_application_asks_once_a_second_at_most(nominatim):
    threads = [threading.Thread(target=labels, args=(f"Hamlet {n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(nominatim.seen) == 3
    assert min(gaps(nominatim)) >= 1


def test_a_retry_waits_for_its_turn_too(nominatim):
    nominatim.script = [Reply(503)]
    labels("Lavasa")
    assert len(nominatim.seen) == 2
    assert min(gaps(nominatim)) >= 1


def test_who_waits_too_long_is_told(nominatim, monkeypatch):
    monkeypatch.setattr(nominatim_module, "WAIT_SECONDS", 0.2)
    nominatim.places = [village()]
    labels("Lavasa")
    with pytest.raises(ProviderError, match="busy"):
        geocode("Another", language="en")


@pytest.mark.parametrize("reply", [Reply(403), Reply(429), Reply(body=b"<html>"), Reply(body=b"{}")])
def test_a_failing_service_is_an_error_and_not_an_empty_answer(nominatim, reply):
    nominatim.script = [reply]
    with pytest.raises(ProviderError):
        geocode("Lavasa", language="en")
