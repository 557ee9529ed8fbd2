"""A real browser (Debian's chromium) on the real site of `tests.kit`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import BrowserContext, expect

from accounts.models import User

expect.set_options(timeout=20_000)  # on a machine with two cores that runs other tests at the same time

# Playwright keeps an event loop in the thread until the session ends; Django would refuse every later query for it.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
CHROMIUM = "/usr/bin/chromium"
SCREENSHOTS = Path(__file__).resolve().parents[2] / "var" / "screenshots"


@pytest.fixture(scope="session")
def base_url() -> None:
    """Each test asks its own site; the plugin's fixture of this name warns under pytest 9."""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": ["--no-sandbox"]}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict) -> dict:
    """Without the service worker, which would only load every file twice; tests/e2e/test_app.py allows it."""
    return {**browser_context_args, "service_workers": "block"}


@pytest.fixture
def screenshots() -> Path:
    """Where pictures of pages go, for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS


def log_in(context: BrowserContext, address: str, user: User) -> None:
    """A session of `user` in the browser, without typing the password."""
    client = Client()
    client.force_login(user)
    name = django_settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": address}])
