"""Overpass against a server that accepts the documented query only."""

import pytest

from finder.osm import OverpassProvider
from finder.places import ProviderError, Query, distance_m, nearest_first
from tests.finder.conftest import PUNE, osm_node
from tests.finder.servers import Reply, reply_json

QUERY = Query(*PUNE, 10_000)


def search(query=QUERY):
    return OverpassProvider().search(query)


def reason_of():
    with pytest.raises(ProviderError) as caught:
        search()
    return caught.value.reason


def test_a_node_with_all_its_tags(overpass, settings):
    settings.FINDER_CONTACT = "operator@example.org"
    tags = {
        "addr:housenumber": "7",
        "addr:street": "MG Road",
        "addr:postcode": "411001",
        "addr:city": "Pune",
        "phone": "+91 20 1111; +91 20 2222",
        "contact:website": "www.camp.example.org",
        "opening_hours": "Mo-Fr 09:00-18:00",
    }
    overpass.elements = [osm_node(7, **tags)]
    (place,) = search().places
    assert place.as_json() == {
        "id": "osm:node/7",
        "verified": False,
        "name": "Camp Dermatology",
        "address": "7 MG Road, 411001 Pune",
        "latitude": PUNE[0],
        "longitude": PUNE[1],
        "distance_m": 0,
        "phone": "+91 20 1111",
        "website": "https://www.camp.example.org",
        "url": "https://www.openstreetmap.org/node/7",
    }
    assert place.hours == "Mo-Fr 09:00-18:00"
    assert overpass.seen[0].headers["user-agent"] == "SmartDerma/1.0 (+http://testserver) operator@example.org"


def test_ways_and_relations_stand_at_their_center(overpass):
    center = {"lat": 18.53, "lon": 73.86}
    overpass.elements = [
        {"type": kind, "id": 1, "center": center, "tags": {"name": kind}} for kind in ("way", "relation")
    ]
    places = search().places
    assert [(p.id, p.latitude, p.longitude) for p in places] == [
        ("osm:way/1", 18.53, 73.86),
        ("osm:relation/1", 18.53, 73.86),
    ]


def test_elements_without_a_position_are_left_out(overpass):
    overpass.elements = [{"type": "way", "id": 1, "tags": {"name": "x"}}, {"type": "area", "id": 2, "lat": 1, "lon": 1}]
    assert search().places == ()


def test_a_place_without_a_name_gets_one_in_the_readers_language(overpass):
    overpass.elements = [osm_node(name="")]
    assert search().places[0].name == "Skin specialist (name not known)"


def test_what_leaves_is_the_middle_of_the_cell_and_its_circle_covers_the_asked_one(overpass):
    search(Query(18.5249, 73.8551, 10_000))
    radius, latitude, longitude = overpass.asked()
    assert (latitude, longitude) == (18.525, 73.875)
    assert radius - distance_m(18.5249, 73.8551, latitude, longitude) >= 10_000


@pytest.mark.parametrize("corner", [(0, 0), (0.0499, 0.0499), (-0.05, -0.05), (89.999, 179.999), (-90, -180)])
def test_the_circle_covers_every_corner_of_a_cell(overpass, corner):
    search(Query(*corner, 5_000))
    radius, latitude, longitude = overpass.asked()
    assert abs(latitude) <= 90
    assert abs(longitude) <= 180
    assert radius - distance_m(*corner, latitude, longitude) >= 5_000


def test_a_cell_is_asked_once_a_day(overpass, clock):
    overpass.elements = [osm_node()]
    first = search(Query(18.51, 73.86, 10_000))
    assert search(Query(18.54, 73.89, 10_000)) == first
    assert len(overpass.seen) == 1
    search(Query(18.56, 73.86, 10_000))
    search(Query(18.51, 73.86, 25_000))
    assert len(overpass.seen) == 3, "another cell and another radius are other questions"
    clock.shift(24 * 3600 + 1)
    search(Query(18.51, 73.86, 10_000))
    assert len(overpass.seen) == 4


def test_distances_are_from_the_person_and_not_from_the_cell(overpass):
    overpass.elements = [osm_node(at=(18.52, 73.855))]
    query = Query(18.52, 73.855, 5_000)
    assert nearest_first(search(query).places, query)[0].distance_m == 0


@pytest.mark.parametrize("status", [429, 504])
def test_a_busy_server_is_left_alone_at_once(overpass, status):
    overpass.script = [Reply(status, b"<html>busy</html>")]
    assert reason_of() == "busy"
    assert reason_of() == "paused"
    assert len(overpass.seen) == 1


def test_half_an_answer_is_not_taken_for_a_whole_one(overpass):
    remark = 'runtime error: Query timed out in "query" at line 1 after 3 seconds.'
    overpass.script = [reply_json({"elements": [osm_node()], "remark": remark})]
    assert reason_of() == "busy"


def test_a_failure_is_not_cached(overpass):
    overpass.script = [Reply(body=b"not json")]
    assert reason_of() == "malformed"
    overpass.elements = [osm_node()]
    assert len(search().places) == 1


def test_an_answer_without_elements_is_malformed(overpass):
    overpass.script = [reply_json({})]
    assert reason_of() == "malformed"


def test_sixty_elements_may_hide_nearer_ones_and_say_so(overpass):
    overpass.elements = [osm_node(n) for n in range(60)]
    assert search().truncated
    overpass.elements = overpass.elements[:59]
    assert not search(Query(*PUNE, 5_000)).truncated


def test_a_link_that_is_no_web_address_is_dropped(overpass):
    overpass.elements = [osm_node(1, website="javascript:alert(1)"), osm_node(2, website="http://[bad")]
    assert [p.website for p in search().places] == ["", ""]
