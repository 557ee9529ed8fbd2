"""Google Places (New) against a server that checks what Google checks."""

import json
import time

import pytest
from django.core.cache import cache

from finder import http
from finder.google import GoogleProvider
from finder.places import ProviderError, Query
from tests.finder.conftest import PUNE, google_place
from tests.finder.servers import Reply, google_error, reply_json

QUERY = Query(*PUNE, 25_000, "hi", "IN")


def search(query=QUERY):
    return GoogleProvider().search(query).places


def reason_of(call=search):
    with pytest.raises(ProviderError) as caught:
        call()
    return caught.value


def test_a_search_sends_mask_key_and_body_as_documented(google):
    google.places = [google_place()]
    (place,) = search(Query(18.5200499, 73.8554567, 80_000, "hi", "IN"))
    assert (place.id, place.name, place.verified) == ("google:ChIJ-pune-1", "Kothrud Skin Clinic", False)
    assert place.url == "https://maps.google.com/?cid=ChIJ-pune-1"
    (seen,) = google.seen
    assert seen.headers["x-goog-fieldmask"] == (
        "places.id,places.displayName,places.formattedAddress,places.location,places.googleMapsUri,"
        "places.businessStatus,places.types"
    )
    assert json.loads(seen.body) == {
        "textQuery": "dermatologist",
        "languageCode": "hi",
        "regionCode": "IN",
        "locationBias": {"circle": {"center": {"latitude": 18.52, "longitude": 73.855}, "radius": 50000.0}},
        "rankPreference": "DISTANCE",
        "maxResultCount": 20,
    }


def test_the_search_never_pays_for_phone_or_hours(google):
    google.places = [google_place()]
    (place,) = search()
    assert (place.phone, place.website, place.hours) == ("", "", "")


def test_nothing_found_is_an_empty_object(google):
    assert search() == ()


def test_closed_nameless_and_unplaced_entries_are_left_out(google):
    google.places = [
        google_place("ChIJ-open"),
        google_place("ChIJ-shut", businessStatus="CLOSED_PERMANENTLY"),
        google_place("ChIJ-away", businessStatus="CLOSED_TEMPORARILY"),
        google_place("ChIJ-nameless", displayName={}),
        google_place("ChIJ-nowhere", location={"latitude": 91, "longitude": 0}),
        google_place("../../bad"),
    ]
    assert [place.id for place in search()] == ["google:ChIJ-open"]


def test_a_script_link_is_dropped(google):
    google.places = [google_place(googleMapsUri="javascript:alert(1)")]
    assert search()[0].url == ""


def test_without_a_mask_google_answers_400(google, monkeypatch):
    monkeypatch.setattr("finder.google.SEARCH_MASK", "")
    assert reason_of().reason == "rejected"
    assert len(google.seen) == 1, "a wrong request is not tried again"


def test_a_wrong_key_is_denied_once_and_then_not_asked_again(google, settings):
    settings.GOOGLE_PLACES_API_KEY = "wrong"
    assert reason_of().reason == "denied"
    assert reason_of().reason == "paused"
    assert len(google.seen) == 1


def test_a_used_up_quota_pauses_for_as_long_as_google_says(google, clock):
    google.script = [google_error(429, headers={"Retry-After": "300"})]
    error = reason_of()
    assert (error.reason, error.retry_after) == ("busy", 300)
    clock.shift(290)
    assert reason_of().reason == "paused"
    clock.shift(20)
    assert search() == ()
    assert len(google.seen) == 2


def test_a_server_error_is_tried_once_more(google):
    google.places = [google_place()]
    google.script = [google_error(503)]
    assert len(search()) == 1
    assert len(google.seen) == 2


def test_a_second_server_error_is_unavailable(google):
    google.script = [google_error(500), google_error(500)]
    assert reason_of().reason == "unavailable"
    assert len(google.seen) == 2


def test_a_silent_server_is_given_up_twice(google, impatient):
    google.script = [Reply(delay=1), Reply(delay=1)]
    started = time.monotonic()
    assert reason_of().reason == "unavailable"
    assert time.monotonic() - started < 4 * impatient + 0.6
    assert len(google.seen) == 2


def test_a_dripping_server_is_given_up_too(google, impatient):
    google.script = [Reply(body=b"{" + b" " * 50 + b"}", drip=0.1)] * 2
    started = time.monotonic()
    assert reason_of().reason == "unavailable"
    assert time.monotonic() - started < 4 * impatient + 0.6


def test_no_server_at_all_is_unavailable(settings):
    settings.GOOGLE_PLACES_API_KEY, settings.GOOGLE_PLACES_URL = "k", "http://127.0.0.1:1"
    assert reason_of().reason == "unavailable"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b'{"places": ['),
        Reply(body=b"<html>captive portal</html>"),
        Reply(body=b""),
        Reply(body=b"\xff\xfe"),
        Reply(body=b"[" * 100_000),
        reply_json([]),
        reply_json({"places": {}}),
        reply_json({"places": ["x"]}),
        Reply(302, headers={"Location": "/elsewhere"}),
    ],
    ids=["cut", "html", "nothing", "bytes", "deep", "list", "places-object", "place-text", "redirect"],
)
def test_what_is_not_the_documented_json_is_malformed(google, reply):
    google.script = [reply]
    assert reason_of().reason == "malformed"


def test_an_endless_answer_is_malformed(google, monkeypatch):
    monkeypatch.setattr(http, "MAX_BYTES", 1000)
    google.script = [Reply(body=b" " * 2000 + b"{}")]
    assert reason_of().reason == "malformed"


def test_google_content_is_never_cached(google):
    google.places = [google_place()]
    search()
    search()
    GoogleProvider().details("ChIJ-pune-1", language="en")
    assert len(google.seen) == 3
    assert not [key for key in cache._cache if "breaker" not in key], "only the breaker may write"


def test_details_ask_without_the_prefix_and_give_phone_and_hours(google):
    google.places = [google_place()]
    details = GoogleProvider().details("ChIJ-pune-1", language="hi")
    assert (details.phone, details.call) == ("020 1234 5678", "+91 20 1234 5678")
    assert details.hours == ("Monday: 9:00 AM – 5:00 PM",)
    assert details.open_now is True
    (seen,) = google.seen
    assert seen.query == {"languageCode": ["hi"]}
    assert "places." not in seen.headers["x-goog-fieldmask"]
    assert "rating" not in seen.headers["x-goog-fieldmask"]


def test_details_without_hours_do_not_say_open_or_closed(google):
    google.places = [google_place(currentOpeningHours={})]
    details = GoogleProvider().details("ChIJ-pune-1", language="en")
    assert (details.hours, details.open_now) == ((), None)


def test_an_unknown_place_is_missing_and_does_not_open_the_breaker(google):
    for _again in range(5):
        assert reason_of(lambda: GoogleProvider().details("ChIJ-none", language="en")).reason == "missing"
    assert search() == ()


@pytest.mark.parametrize("place_id", ["../../v1/other", "a b", "", "x" * 400])
def test_a_strange_id_never_reaches_google(google, place_id):
    assert reason_of(lambda: GoogleProvider().details(place_id, language="en")).reason == "missing"
    assert google.seen == []
