"""Fixtures that every test may ask for; the servers live in `tests.kit`."""

import os
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.utils import translation

from deploy import messages

pytest_plugins = ["tests.kit.fixtures"]


def pytest_configure() -> None:
    """The translations as they stand in locale/, also where somebody starts pytest without `make`."""
    messages.compile_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """In CI a test that needs the shared data fails instead of being skipped."""
    report = yield
    if report.skipped and os.environ.get("CI") and "shared_data" in item.keywords:
        report.outcome = "failed"
        report.longrepr = "A test of the shared data was skipped in CI: ../shared/data must be there."
    return report


@pytest.fixture(autouse=True)
def _english() -> None:
    """A request leaves its language in the thread: no test may read that of the one before."""
    translation.activate("en")


@pytest.fixture(autouse=True)
def _clean_cache() -> None:
    """Rate limits count in the cache: no test may hit the limit of the one before."""
    cache.clear()
