"""A public fuzzer over the whole schema: no 5xx, no undocumented status, no answer that breaks its schema.

Short, with a fixed seed; tests/slow/test_api_fuzz.py is the long run with another seed each time.
"""

from __future__ import annotations

import pytest

from tests.kit import factories
from tests.kit.fuzzing import failures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]


@pytest.fixture
def headers(settings) -> dict[str, str]:
    """A key of a partner whose plan no fuzzer uses up."""
    endless = {"requests_per_minute": 10**9, "analyses_per_month": 10**9, "concurrent": 10**6}
    settings.PARTNER_PLANS = {**settings.PARTNER_PLANS, "standard": endless}
    return {"Authorization": f"Bearer {factories.partner_key()[1]}"}


def test_with_a_key(live_server, headers):
    assert failures(live_server.url, headers, examples=2, seed=1) == []


def test_without_a_key(live_server):
    assert failures(live_server.url, {}, examples=1, seed=1, phases=("examples", "fuzzing")) == []
