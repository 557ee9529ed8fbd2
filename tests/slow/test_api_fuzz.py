"""The long variant of tests/diagnosis/test_api_fuzz.py: every operation with many requests, in chains, other seeds."""

from __future__ import annotations

import random

import pytest

from tests.diagnosis.test_api_fuzz import headers as headers
from tests.kit.fuzzing import failures

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(3600)]


def test_a_long_run_with_a_key(live_server, headers):
    seed = random.SystemRandom().randrange(10**6)
    assert failures(live_server.url, headers, examples=150, seed=seed) == [], f"seed {seed}"


def test_a_long_run_without_a_key(live_server):
    assert failures(live_server.url, {}, examples=30, seed=1) == []
