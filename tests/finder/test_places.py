"""Distances, names, and places that are the same."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from finder.places import (
    EARTH_RADIUS_M,
    MAX_RADIUS_M,
    Place,
    Query,
    distance_m,
    nearest_first,
    same_place,
    similar_names,
    without_doubles,
)

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)
POINTS = st.tuples(LATITUDES, LONGITUDES)
HALF_ROUND = math.pi * EARTH_RADIUS_M


def place(number=1, name="Rao Skin Clinic", at=(18.52, 73.855), source="google", **fields):
    return Place(f"{source}:{number}", name, *at, **fields)


@pytest.mark.parametrize(
    ("start", "end", "metres"),
    [
        # Airports LAX and JFK: 2,144 nautical miles on the sphere (E. Williams, Aviation Formulary 1.47).
        ((33.95, -118.4), (40.633333, -73.783333), 2144 * 1852),
        ((0, 0), (0, 90), HALF_ROUND / 2),
        ((90, 0), (-90, 0), HALF_ROUND),
        ((0, 179.9), (0, -179.9), HALF_ROUND * 0.2 / 180),
    ],
)
def test_known_distances(start, end, metres):
    assert distance_m(*start, *end) == pytest.approx(metres, rel=1e-3)


@given(POINTS, POINTS)
def test_distance_is_symmetric_and_at_most_half_round_the_earth(start, end):
    there = distance_m(*start, *end)
    assert there == pytest.approx(distance_m(*end, *start), abs=1e-3)
    assert 0 <= there <= HALF_ROUND + 1e-3


@given(POINTS, POINTS, POINTS)
def test_no_detour_is_shorter(start, middle, end):
    assert distance_m(*start, *end) <= distance_m(*start, *middle) + distance_m(*middle, *end) + 0.5


@given(POINTS, POINTS)
def test_distance_agrees_with_the_angle_between_vectors(start, end):
    """An independent way: the chord between two points of the unit sphere."""

    def vector(latitude, longitude):
        phi, lam = math.radians(latitude), math.radians(longitude)
        return math.cos(phi) * math.cos(lam), math.cos(phi) * math.sin(lam), math.sin(phi)

    chord = math.dist(vector(*start), vector(*end))
    assume(chord < 1.99)  # near the antipode the chord loses its digits
    assert distance_m(*start, *end) == pytest.approx(2 * EARTH_RADIUS_M * math.asin(chord / 2), abs=1)


@given(LATITUDES, LONGITUDES, st.integers(-10, 10**7))
def test_a_query_holds_three_decimals_and_a_lawful_radius(latitude, longitude, radius):
    query = Query(latitude, longitude, radius)
    assert query.latitude == round(latitude, 3)
    assert query.longitude == round(longitude, 3)
    assert 1 <= query.radius_m <= MAX_RADIUS_M


@given(st.lists(st.tuples(st.floats(18, 19), st.floats(73, 74)), max_size=20))
def test_results_are_inside_the_circle_and_nearest_first(points):
    query = Query(18.5, 73.5, 20_000)
    places = [place(number, at=point) for number, point in enumerate(points)]
    ordered = nearest_first(places, query)
    distances = [p.distance_m for p in ordered]
    assert distances == sorted(distances)
    inside = {p.id for p in places if distance_m(18.5, 73.5, p.latitude, p.longitude) <= 20_000}
    assert {p.id for p in ordered} <= inside | {p.id for p in ordered if p.distance_m == 20_000}
    assert inside <= {p.id for p in ordered}


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Rao Skin Clinic", "RAO SKIN CLINIC"),
        ("Dr. Asha Rao, Rao Skin Clinic", "Rao Skin Clinic"),
        ("Clínica Dermatológica Núñez", "Clinica Dermatologica Nunez"),
        ("Dr Schmidt", "Praxis Dr. med. Schmidt"),
        ("Meyerson Dermatology", "Meyersson Dermatology Center"),
        ("त्वचा रुग्णालय", "त्वचा  रुग्णालय"),
    ],
)
def test_names_that_mean_one_place(name, other):
    assert similar_names(name, other)
    assert similar_names(other, name)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Smith Dermatology", "Jones Dermatology"),
        ("Dr Smith Skin Care Center", "Dr Brown Skin Care Center"),
        ("Dermatology", "Jones Dermatology"),
        ("Skin Clinic", "Dermatology Practice"),
        ("त्वचा", "तवच"),
    ],
)
def test_neighbours_of_another_name_stay_two(name, other):
    assert not similar_names(name, other)
    assert not similar_names(other, name)


def test_same_name_100_metres_away_is_one_place_and_far_away_is_two():
    metre = 1 / 111_195
    here = place()
    assert same_place(here, place(2, at=(18.52 + 95 * metre, 73.855)))
    assert not same_place(here, place(2, at=(18.52 + 110 * metre, 73.855)))


def test_of_doubles_the_first_stays_so_the_directory_wins():
    own = place(1, source="directory", verified=True)
    others = [place(2, source="osm"), place(3, "Jones", source="osm")]
    assert without_doubles([own, *others]) == [own, others[1]]


def test_two_listed_dermatologists_of_one_practice_both_stay():
    partners = [place(n, "Dr Rao, Rao Clinic", source="directory", verified=True) for n in (1, 2)]
    assert without_doubles(partners) == partners


@given(st.lists(st.sampled_from(["Rao", "Rao Clinic", "Jones", "Dr Jones", "Khan"]), max_size=8))
def test_removing_doubles_twice_changes_nothing_and_leaves_no_double(names):
    kept = without_doubles([place(number, name) for number, name in enumerate(names)])
    assert without_doubles(kept) == kept
    assert not any(same_place(a, b) for a in kept for b in kept if a is not b)
    assert bool(kept) == bool(names)


def test_the_json_shape():
    assert list(place(hours="24/7").as_json()) == [
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
    ]
