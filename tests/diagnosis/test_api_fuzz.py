"""A public fuzzer over the whole schema: no 5xx, no undocumented status, no answer that breaks its schema."""

from __future__ import annotations

import pytest

from tests.kit import factories
from tests.kit.fuzzing import failures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]


@pytest.fixture
def headers(monkeypatch) -> dict[str, str]:
    monkeypatch.setattr("accounts.authentication.KeyThrottle.THROTTLE_RATES", {"key": "1000000/min"})
    _key, text = factories.partner_key()
    return {"Authorization": f"Bearer {text}"}


def test_with_a_key(live_server, headers):
    assert failures(live_server.url, headers, examples=8, seed=1) == []


def test_without_a_key(live_server):
    assert failures(live_server.url, {}, examples=3, seed=1) == []
