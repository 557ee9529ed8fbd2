"""Units, links, opening hours and the map's rule."""

import pytest
from django.utils import translation

from finder.places import Place, Query
from finder.presentation import call_number, distance_text, is_open_now, map_data, rows
from finder.services import Found
from tests.finder.conftest import PUNE

TILES = {"TILES": [("Map", "https://{s}.tiles.example.org/{z}/{x}/{y}.png", "© Someone")]}


def place(source="osm", at=PUNE, **fields):
    return Place(f"{source}:node/1", "Rao", *at, **fields)


def found(*places, source="osm", country="IN"):
    return Found(Query(*PUNE, 5_000, "en", country), source, "", places, ())


@pytest.mark.parametrize(
    ("metres", "country", "text"),
    [
        (0, "IN", "0 m"),
        (847, "IN", "850 m"),
        (1_000, "IN", "1.0 km"),
        (12_345, "", "12.3 km"),
        (1_609, "US", "1.0 miles"),
        (8_047, "GB", "5.0 miles"),
    ],
)
def test_distances_are_in_the_units_of_the_road_signs(metres, country, text):
    assert distance_text(metres, country) == text


def test_numbers_follow_the_language():
    with translation.override("es"):
        assert distance_text(12_345, "ES") == "12,3 km"


@pytest.mark.parametrize(
    ("phone", "number"),
    [
        ("+91 (20) 1234-5678", "+912012345678"),
        ("020 1234 5678", "02012345678"),
        ("+44 (0)20 7946 0000 ext. 12", "+442079460000"),
        ("(555) 123-4567 x9", "5551234567"),
        ("", ""),
    ],
)
def test_a_call_link_holds_digits_only(phone, number):
    assert call_number(phone) == number


@pytest.mark.parametrize(
    ("hours", "position", "is_open"),
    [
        ("Mo-Fr 09:00-18:00", PUNE, True),  # the clock stands at Monday noon in India
        ("Mo-Fr 13:00-18:00", PUNE, False),
        ("Mo-Fr 07:00-18:00", (40.71, -74.0), False),  # and at half past one at night in New York
        ("24/7", (40.71, -74.0), True),
        ("unknown", PUNE, None),
        ("by appointment", PUNE, None),
        ("Mo-Fr 09:00-18:00; PH off", PUNE, None),  # the library has no calendar of Indian holidays
        ("Mo-Fr 00:00-24:00; PH off", (40.71, -74.0), True),
        ("24/7", (0, -140), None),
        ("", PUNE, None),
    ],
)
def test_open_now_is_said_only_when_it_is_known(clock, hours, position, is_open):
    assert is_open_now(place(at=position, hours=hours)) is is_open


def test_directions_name_the_goal_only():
    (osm, google) = rows(found(place(), Place("google:ChIJ-1", "G", *PUNE)))
    assert osm.directions_url == "https://www.openstreetmap.org/directions?to=18.520000%2C73.855000"
    assert google.directions_url == (
        "https://www.google.com/maps/dir/?api=1&destination=18.520000%2C73.855000&destination_place_id=ChIJ-1"
    )
    assert (osm.details_id, google.details_id) == ("", "ChIJ-1")


def test_the_map_is_drawn_from_the_configured_tiles(settings):
    settings.LEAFLET_CONFIG = TILES
    assert map_data(found(place())) == {
        "tiles": {"url": TILES["TILES"][0][1], "attribution": "© Someone"},
        "places": [{"name": "Rao", "position": [*PUNE]}],
    }


@pytest.mark.parametrize(
    ("config", "results"),
    [
        ({"TILES": []}, found(place())),
        (TILES, found()),
        (TILES, found(place("google"), source="google")),
        (TILES, found(place("directory"), source="google")),
    ],
    ids=["no-tiles", "nothing-to-draw", "google", "directory-beside-google"],
)
def test_no_map_without_tiles_and_none_beside_google(settings, config, results):
    settings.LEAFLET_CONFIG = config
    assert map_data(results) is None
