"""Who most of these tests are about: a patient with a browser, a partner with a key."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Partner, User
from smartderma.celery import app
from tests.kit import factories


@pytest.fixture
def patient() -> User:
    return factories.PatientFactory()


@pytest.fixture
def portal(patient: User) -> Client:
    """The patient's browser, logged in."""
    client = Client()
    client.force_login(patient)
    return client


@pytest.fixture
def partner() -> Partner:
    return factories.PartnerFactory()


@pytest.fixture
def auth(partner: Partner) -> dict[str, str]:
    """The Authorization header of a live key of the partner."""
    _key, text = factories.partner_key(partner)
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def empty_broker() -> None:
    """The broker in memory without what earlier tests of this process have sent."""
    with app.connection_for_write() as connection:
        for queue in {route["queue"] for route in app.conf.task_routes.values()}:
            connection.SimpleQueue(queue).clear()
