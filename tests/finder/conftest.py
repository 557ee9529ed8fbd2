from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from accounts.models import DermatologistProfile, Role, User
from finder import http
from tests.e2e.conftest import base_url as base_url
from tests.e2e.conftest import browser_type_launch_args as browser_type_launch_args
from tests.e2e.conftest import screenshots as screenshots
from tests.finder.servers import KEY, GoogleService, NominatimService, OverpassService, TileService

PUNE = (18.52, 73.855)


@pytest.fixture(autouse=True)
def _fresh_connections() -> Iterator[None]:
    """No test meets a pooled connection of the server of another test."""
    yield
    http.client().close()
    http.client.cache_clear()


@pytest.fixture
def google(settings) -> Iterator[GoogleService]:
    with GoogleService() as service:
        settings.GOOGLE_PLACES_API_KEY, settings.GOOGLE_PLACES_URL = KEY, service.url
        yield service


@pytest.fixture
def overpass(settings) -> Iterator[OverpassService]:
    with OverpassService() as service:
        settings.OVERPASS_URL = f"{service.url}/api/interpreter"
        yield service


@pytest.fixture
def nominatim(settings) -> Iterator[NominatimService]:
    with NominatimService() as service:
        settings.NOMINATIM_URL = service.url
        yield service


@pytest.fixture
def tiles(settings) -> Iterator[TileService]:
    with TileService() as service:
        settings.LEAFLET_CONFIG = {"TILES": [("Map", f"{service.url}/{{z}}/{{x}}/{{y}}.png", "© Test tiles")]}
        yield service


@pytest.fixture
def clock(time_machine):
    """A clock that runs on; tests `shift` it by seconds."""
    time_machine.move_to(datetime(2026, 11, 23, 6, 30, tzinfo=UTC))  # a Monday, noon in India
    return time_machine


@pytest.fixture
def impatient(monkeypatch) -> float:
    """A short time-out, so that a silent server costs little time; its length in seconds."""
    monkeypatch.setattr(http, "TIMEOUT_SECONDS", 0.3)
    return 0.3


@pytest.fixture
def listed(db):
    """Make dermatologists: verified and listed in Pune unless said otherwise."""
    numbers = itertools.count(1)

    def make(name: str = "Dr Asha Rao", position=PUNE, *, verified=True, active=True, **fields) -> DermatologistProfile:
        number = next(numbers)
        user = User.objects.create_user(f"doctor{number}@example.org", role=Role.DERMATOLOGIST, is_active=active)
        values = {"listed": True, "latitude": position[0], "longitude": position[1], "licence_country": "IN", **fields}
        return DermatologistProfile.objects.create(
            user=user,
            full_name=name,
            licence_number=str(number),
            verified_at=timezone.now() if verified else None,
            **values,
        )

    return make


def google_place(place_id: str = "ChIJ-pune-1", name: str = "Kothrud Skin Clinic", at=PUNE, **fields) -> dict:
    """A place with all that Google knows; the server cuts it down to the mask."""
    return {
        "id": place_id,
        "displayName": {"text": name, "languageCode": "en"},
        "formattedAddress": "1 Paud Road, Pune",
        "location": {"latitude": at[0], "longitude": at[1]},
        "googleMapsUri": f"https://maps.google.com/?cid={place_id}",
        "businessStatus": "OPERATIONAL",
        "types": ["doctor"],
        "nationalPhoneNumber": "020 1234 5678",
        "internationalPhoneNumber": "+91 20 1234 5678",
        "websiteUri": "https://clinic.example.org/",
        "rating": 4.9,
        "currentOpeningHours": {"openNow": True, "weekdayDescriptions": ["Monday: 9:00 AM – 5:00 PM"]},
        **fields,
    }


def osm_node(number: int = 1, name: str = "Camp Dermatology", at=PUNE, **tags) -> dict:
    values = {"healthcare": "doctor", "healthcare:speciality": "dermatology", "name": name, **tags}
    return {"type": "node", "id": number, "lat": at[0], "lon": at[1], "tags": values}
