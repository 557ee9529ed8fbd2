"""The finder as a browser and a partner's program see it."""

import json
import logging
import re

import pytest
from django.test import Client
from django.urls import reverse

from finder.limits import FinderThrottle
from tests.finder.conftest import PUNE, google_place, osm_node
from tests.finder.servers import Reply, google_error
from tests.kit.factories import PatientFactory, UserFactory

pytestmark = pytest.mark.django_db
PAGE, RESULTS = "/find/", "/find/results"
TILES = {"TILES": [("Map", "https://{s}.tiles.example.org/{z}/{x}/{y}.png", "© Someone")]}
POSITION = {"latitude": "18.5204303", "longitude": "73.8567437", "radius": "10"}


@pytest.fixture
def patient_client():
    client = Client()
    client.force_login(PatientFactory())
    return client


def page(client, **query):
    response = client.get(PAGE, query)
    assert response.status_code == 200
    return response.content.decode()


def test_the_names_of_the_routes():
    assert (reverse("finder_search"), reverse("finder_results")) == (PAGE, RESULTS)


def test_the_empty_page_asks_and_searches_nothing(client, google):
    text = page(client)
    assert 'name="place"' in text
    assert re.search(r'<form method="post"[^>]*id="position-form"[^>]* hidden', text), "without a script: no button"
    assert google.seen == []


def test_a_typed_town_lists_the_directory_without_key_or_network(client, listed):
    listed(clinic_name="Rao Skin Clinic", clinic_phone="+91 20 1234", clinic_website="https://rao.example.org/")
    text = page(client, place="Pune", radius="5")
    assert "1 result near Pune, India" in text
    assert "certified: licence checked by this platform" in text
    assert 'href="tel:+91201234"' in text
    assert 'href="https://rao.example.org/"' in text
    assert "https://www.openstreetmap.org/directions?to=18.520000%2C73.855000" in text
    assert "no link to a map service" in text
    assert "not checked by this platform" not in text
    assert "GeoNames (CC BY 4.0)" in text


def test_nothing_found_says_what_to_do(client):
    assert "We found no skin doctor within this distance" in page(client, place="Pune")


def test_the_default_distance_is_shown_as_chosen(client, overpass):
    text = page(client, place="Pune")
    assert re.search(r'<option value="25" selected>', text)
    assert overpass.asked()[0] == 25_000 + 4_000


def test_the_position_comes_by_post_and_is_rounded(client, overpass):
    overpass.elements = [osm_node(opening_hours="24/7")]
    response = client.post(PAGE, POSITION)
    text = response.content.decode()
    assert "1 result near you" in text
    assert "open now" in text
    assert "not checked by this platform" in text
    assert '<a href="https://www.openstreetmap.org/copyright"' in text
    assert re.search(r'<option value="10" selected>', text), "the distance stays as chosen"
    for exact in ("18.5204", "73.8567"):
        assert exact not in text


def test_the_post_needs_a_csrf_token():
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(PAGE, POSITION).status_code == 403


@pytest.mark.parametrize("latitude", ["91", "nan", "x", "", "1e999"])
def test_a_wrong_position_is_refused_in_words(client, google, latitude):
    response = client.post(PAGE, {**POSITION, "latitude": latitude})
    assert "We could not read the position" in response.content.decode()
    assert google.seen == []


@pytest.mark.parametrize("path", [PAGE, RESULTS])
def test_a_position_in_the_address_is_not_used(patient_client, google, path):
    response = patient_client.get(path, {"place": "Pune", "latitude": "18.5", "lon": "73.8"})
    assert google.seen == []
    assert response.status_code == (200 if path == PAGE else 400)


def test_an_ambiguous_town_is_a_choice_that_leads_on(client):
    text = page(client, place="Paris", radius="5")
    assert "Which place do you mean?" in text
    link = re.search(r'href="(/find/\?[^"]+)"><bdi>Paris, Texas', text)[1].replace("&amp;", "&")
    chosen = client.get(link).content.decode()
    assert "near Paris, Texas, United States" in chosen
    assert re.search(r'<option value="5" selected>', chosen)


def test_an_unknown_town_says_what_to_do(client):
    assert "We do not know this place" in page(client, place="Xyzzyville")


def test_a_failing_place_search_is_not_called_an_unknown_place(client, nominatim):
    nominatim.script = [Reply(429)]
    text = page(client, place="Xyzzyville")
    assert "The place search did not answer" in text
    assert "We do not know" not in text


@pytest.mark.parametrize("query", [{"place": ""}, {"place": "x" * 101}, {"place": "Pune", "radius": "51"}])
def test_wrong_input_is_named_at_its_field(client, google, query):
    assert 'class="field-error"' in page(client, **query)
    assert google.seen == []


def test_names_of_places_cannot_bring_markup(client, overpass, settings):
    settings.LEAFLET_CONFIG = TILES
    overpass.elements = [osm_node(name="</script><img src=x onerror=alert(1)>")]
    assert "<img src=x" not in page(client, place="Pune")


def test_a_degraded_page_has_a_note(client, google, overpass):
    google.script = [google_error(429)]
    overpass.elements = [osm_node()]
    text = page(client, place="Pune")
    assert "Google Maps did not answer just now" in text
    assert "Camp Dermatology" in text


def test_the_map_and_its_pictures_are_allowed_only_when_drawn(client, overpass, settings):
    settings.LEAFLET_CONFIG = TILES
    overpass.elements = [osm_node()]
    response = client.get(PAGE, {"place": "Pune"})
    assert 'id="finder-map"' in response.content.decode()
    assert "https://*.tiles.example.org" in response["Content-Security-Policy"]
    assert "tiles.example.org" not in client.get(PAGE)["Content-Security-Policy"]


def test_google_results_have_attribution_and_no_map(client, google, listed, settings):
    settings.LEAFLET_CONFIG = TILES
    listed()
    google.places = [google_place()]
    response = client.get(PAGE, {"place": "Pune"})
    text = response.content.decode()
    assert 'translate="no">Google Maps</p>' in text
    assert "https://maps.google.com/?cid=ChIJ-pune-1" in text
    assert "finder-map" not in text
    assert "leaflet" not in text
    assert "openstreetmap.org/copyright" not in text
    assert "tiles.example.org" not in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]


def test_no_inline_script_or_style(client, overpass, settings):
    settings.LEAFLET_CONFIG = TILES
    overpass.elements = [osm_node()]
    text = page(client, place="Pune")
    scripts = re.findall(r"<script(?![^>]*\bsrc=)([^>]*)>", text)
    assert all('type="application/json"' in attributes for attributes in scripts)
    assert not re.search(r"\son[a-z]+=|\sstyle=", text)


def test_details_are_fetched_on_a_click(client, google):
    google.places = [google_place()]
    assert 'hx-get="/find/place/ChIJ-pune-1"' in page(client, place="Pune")
    assert len(google.seen) == 1
    text = client.get("/find/place/ChIJ-pune-1").content.decode()
    assert "<h1><bdi>Kothrud Skin Clinic</bdi></h1>" in text
    assert "Monday: 9:00 AM – 5:00 PM" in text
    assert 'href="tel:+912012345678"' in text
    assert "open now" in text


def test_htmx_gets_the_details_as_a_fragment(client, google):
    google.places = [google_place()]
    text = client.get("/find/place/ChIJ-pune-1", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in text
    assert "020 1234 5678" in text


def test_details_of_an_unknown_place_or_without_a_key_are_404(client, google, settings):
    assert client.get("/find/place/ChIJ-none").status_code == 404
    settings.GOOGLE_PLACES_API_KEY = ""
    assert client.get("/find/place/ChIJ-pune-1").status_code == 404


def test_details_that_google_does_not_give_say_so(client, google):
    google.script = [google_error(500), google_error(500)]
    response = client.get("/find/place/ChIJ-pune-1")
    assert response.status_code == 503
    assert "Google Maps did not answer" in response.content.decode()


def test_the_limit_is_per_person(patient_client, monkeypatch):
    monkeypatch.setattr(FinderThrottle, "rate", "2/min")
    for _time in range(2):
        assert patient_client.get(PAGE, {"place": "Pune"}).status_code == 200
    refused = patient_client.get(PAGE, {"place": "Pune"})
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert "Too many searches" in refused.content.decode()
    assert patient_client.get(RESULTS, {"place": "Pune"}).status_code == 429
    assert patient_client.get("/find/place/ChIJ-pune-1").status_code == 429
    assert patient_client.get(PAGE).status_code == 200, "the empty page is free"
    other = Client()
    other.force_login(UserFactory())
    assert other.get(PAGE, {"place": "Pune"}).status_code == 200


def test_the_limit_of_visitors_is_per_address_and_ends(client, monkeypatch, clock):
    monkeypatch.setattr(FinderThrottle, "rate", "1/min")
    assert client.get(PAGE, {"place": "Pune"}).status_code == 200
    assert client.get(PAGE, {"place": "Pune"}).status_code == 429
    assert client.get(PAGE, {"place": "Pune"}, REMOTE_ADDR="192.0.2.7").status_code == 200
    clock.shift(61)
    assert client.get(PAGE, {"place": "Pune"}).status_code == 200


def test_the_json_has_the_one_shape(patient_client, listed, overpass):
    listed()
    overpass.elements = [osm_node(at=(18.53, 73.86))]
    answer = patient_client.get(RESULTS, {"place": "Pune", "radius": "5"}).json()
    assert (answer["source"], answer["attribution"], answer["notes"]) == ("osm", "© OpenStreetMap contributors", [])
    fields = ["id", "verified", "name", "address", "latitude", "longitude", "distance_m", "phone", "website", "url"]
    assert [list(result) for result in answer["results"]] == [fields, fields]
    assert [result["verified"] for result in answer["results"]] == [True, False]


def test_the_json_takes_a_position_by_post(patient_client, listed):
    listed()
    answer = patient_client.post(RESULTS, POSITION).json()
    assert answer["source"] == "directory"
    assert len(answer["results"]) == 1


def test_the_json_names_the_choices_and_takes_one(patient_client):
    refusal = patient_client.get(RESULTS, {"place": "Paris"})
    assert refusal.status_code == 409
    choice = refusal.json()["choices"][1]
    assert choice["label"] == "Paris, Texas, United States"
    chosen = patient_client.get(RESULTS, {"place": "Paris", "choice": choice["choice"]})
    assert chosen.status_code == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [({}, 400), ({"place": ""}, 400), ({"place": "Xyzzyville"}, 404), ({"place": "Pune", "choice": "x"}, 400)],
)
def test_json_refusals_are_problems(patient_client, query, status):
    response = patient_client.get(RESULTS, query)
    assert response.status_code == response.json()["status"] == status
    assert response["Content-Type"] == "application/problem+json"


def test_the_json_needs_a_login(client, google):
    assert client.get(RESULTS, {"place": "Pune"}).status_code == 401
    assert google.seen == []


def test_a_failing_place_search_is_503(patient_client, nominatim):
    nominatim.script = [Reply(403)]
    assert patient_client.get(RESULTS, {"place": "Xyzzyville"}).status_code == 503


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(patient_client, method):
    for path in (PAGE, RESULTS, "/find/place/ChIJ-pune-1"):
        assert getattr(patient_client, method)(path).status_code == 405


def test_no_log_line_of_a_request_holds_its_position(patient_client, overpass, caplog):
    caplog.set_level(logging.DEBUG)
    overpass.elements = [osm_node()]
    patient_client.post(PAGE, POSITION)
    patient_client.post(RESULTS, POSITION)
    text = "\n".join(f"{r.msg} {r.args} {r.exc_text}" for r in caplog.records if r.name != "django.db.backends")
    assert "request_finished" in text
    for secret in ("18.5", "73.8"):
        assert secret not in text


def test_a_list_costs_few_queries(patient_client, listed, django_assert_max_num_queries):
    for number in range(12):
        listed(f"Dr {number}")
    with django_assert_max_num_queries(4):
        patient_client.get(PAGE, {"place": "Pune"})


def test_the_map_data_is_json_in_the_page(client, overpass, settings):
    settings.LEAFLET_CONFIG = TILES
    overpass.elements = [osm_node()]
    text = page(client, place="Pune")
    data = json.loads(re.search(r'id="finder-map-data" type="application/json">(.+?)</script>', text)[1])
    assert data["places"] == [{"name": "Camp Dermatology", "position": [*PUNE]}]
