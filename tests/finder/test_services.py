"""The whole search: directory first, one outside provider after it, nothing said that was not found."""

import logging

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import DermatologistProfile
from finder import services
from finder.places import Query, distance_m
from finder.services import nearby_search, place_search, position_search
from tests.finder.conftest import PUNE, google_place, osm_node
from tests.finder.servers import Reply, google_error

METRE = 1 / 111_195
QUERY = Query(*PUNE, 25_000, "en", "IN")
pytestmark = pytest.mark.django_db


def ids(found):
    return [place.id.partition(":")[0] for place in found.places]


def north(metres):
    return PUNE[0] + metres * METRE, PUNE[1]


def test_the_directory_works_alone_and_says_so(listed):
    listed(clinic_name="Rao Skin Clinic", clinic_phone="+91 20 1", clinic_address="1 Paud Road")
    found = nearby_search(query=QUERY)
    assert (found.source, found.attribution) == ("directory", "")
    (place,) = found.places
    assert (place.name, place.verified, place.phone) == ("Dr Asha Rao, Rao Skin Clinic", True, "+91 20 1")
    assert found.notes == (services._alone_note(),)


def test_only_verified_listed_active_dermatologists_are_in_the_directory(listed):
    listed("Dr Verified")
    listed("Dr Unverified", verified=False)
    listed("Dr Unlisted", listed=False)
    listed("Dr Gone", active=False)
    assert [place.name for place in nearby_search(query=QUERY).places] == ["Dr Verified"]


@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), max_size=6), st.integers(1, 50_000))
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_directory_gives_exactly_the_circle_anywhere_on_earth(listed, points, radius):
    """Near poles and the date line too, where a box of degrees would cut places off."""
    DermatologistProfile.objects.all().delete()
    made = {f"directory:{listed(position=point).pk}": point for point in points}
    for centre in [*points, (89.99, 0.0), (0.0, 180.0)]:
        query = Query(*centre, radius)
        found = {place.id: place.distance_m for place in nearby_search(query=query).places}
        true = {key: distance_m(query.latitude, query.longitude, *point) for key, point in made.items()}
        assert found == {key: round(metres) for key, metres in true.items() if round(metres) <= radius}


def test_google_results_follow_the_directory_even_when_nearer(listed, google):
    listed(position=north(9_000))
    google.places = [google_place("ChIJ-far01", "Far", north(5_000)), google_place("ChIJ-near1", "Near", north(100))]
    found = nearby_search(query=QUERY)
    assert (found.source, found.attribution, found.notes) == ("google", "Google Maps", ())
    assert [place.name for place in found.places] == ["Dr Asha Rao", "Near", "Far"]
    assert [place.verified for place in found.places] == [True, False, False]


def test_with_google_overpass_is_not_asked(google, overpass):
    nearby_search(query=QUERY)
    assert (len(google.seen), len(overpass.seen)) == (1, 0)


def test_an_empty_google_answer_is_an_answer(google, overpass):
    assert nearby_search(query=QUERY).source == "google"
    assert overpass.seen == []


def test_a_doctor_known_to_both_is_shown_once_as_certified(listed, google):
    listed(clinic_name="Rao Skin Clinic")
    google.places = [google_place(name="Rao Skin Clinic", at=north(60)), google_place("ChIJ-other", "Jones", north(60))]
    assert [place.name for place in nearby_search(query=QUERY).places] == ["Dr Asha Rao, Rao Skin Clinic", "Jones"]


@pytest.mark.parametrize(
    "script",
    [[google_error(403)], [google_error(429)], [google_error(500)] * 2, [Reply(body=b"oops")], [google_error(400)]],
    ids=["403", "429", "500", "malformed", "400"],
)
def test_a_failing_google_degrades_to_openstreetmap_with_a_note(listed, google, overpass, script):
    listed()
    google.script = script
    overpass.elements = [osm_node(at=north(500))]
    found = nearby_search(query=QUERY)
    assert (found.source, found.attribution) == ("osm", "© OpenStreetMap contributors")
    assert ids(found) == ["directory", "osm"]
    assert found.notes == ("Google Maps did not answer just now, so its places are not in this list.",)


def test_when_all_fail_the_directory_stays_with_a_note_for_each(listed, google, overpass):
    listed()
    google.script, overpass.script = [google_error(403)], [Reply(504)]
    found = nearby_search(query=QUERY)
    assert (found.source, ids(found), len(found.notes)) == ("directory", ["directory"], 2)
    assert "OpenStreetMap" in found.notes[1]


def test_places_outside_the_circle_are_not_shown(google):
    google.places = [google_place("ChIJ-inside", at=north(24_000)), google_place("ChIJ-outside", at=north(26_000))]
    assert [place.id for place in nearby_search(query=QUERY).places] == ["google:ChIJ-inside"]


def test_a_cut_list_says_so(overpass):
    overpass.elements = [osm_node(n, f"Practice {n}") for n in range(60)]
    assert nearby_search(query=QUERY).notes == (services._more_note(),)


def test_a_long_directory_is_cut_to_the_nearest_and_says_so(listed, monkeypatch):
    monkeypatch.setattr(services, "DIRECTORY_LIMIT", 2)
    for metres in (300, 100, 200):
        listed(f"Dr {metres}", north(metres))
    found = nearby_search(query=QUERY)
    assert [place.name for place in found.places] == ["Dr 100", "Dr 200"]
    assert services._more_note() in found.notes


def test_a_typed_town_is_searched_with_its_country(google):
    outcome = place_search(text="Pune", choice="", radius_m=5_000)
    assert outcome.found.label == "Pune, India"
    assert b'"regionCode":"IN"' in google.seen[0].body.replace(b": ", b":")


def test_a_choice_decides_among_several(listed):
    paris = place_search(text="Paris", choice="", radius_m=5_000)
    assert paris.found is None
    second = place_search(text="Paris", choice=paris.choices[1].key, radius_m=5_000)
    assert second.found.label == "Paris, Texas, United States"


def test_what_leaves_is_rounded(google):
    position_search(latitude=18.5204303, longitude=73.8567437, radius_m=5_000)
    assert b"18.52," in google.seen[0].body
    assert b"73.857" in google.seen[0].body
    assert b"18.5204" not in google.seen[0].body


def test_nothing_sent_names_a_person(google, overpass):
    google.script = [google_error(403)]
    position_search(latitude=PUNE[0], longitude=PUNE[1], radius_m=5_000)
    for seen in google.seen + overpass.seen:
        assert not {"cookie", "authorization", "referer", "x-forwarded-for", "from"} & set(seen.headers)


def test_no_log_line_holds_a_position_a_place_or_the_key(google, overpass, nominatim, caplog):
    """At DEBUG, with retries, refusals and each provider failing once."""
    caplog.set_level(logging.DEBUG)
    google.script = [google_error(500, "Invalid latitude: 18.52"), google_error(500)]
    overpass.script = [Reply(504)]
    position_search(latitude=18.5204303, longitude=73.8567437, radius_m=5_000)
    nominatim.script = [Reply(503), Reply(503)]
    place_search(text="Secret Hamlet", choice="", radius_m=5_000)
    text = "\n".join(f"{r.name} {r.msg} {r.args} {r.exc_text} {r.__dict__}" for r in caplog.records)
    assert "finder_provider_failed" in text
    assert "stamina.retry_scheduled" in text
    for secret in ("18.5", "73.8", "Hamlet", "test-key"):
        assert secret not in text
