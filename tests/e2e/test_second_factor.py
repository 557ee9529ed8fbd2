"""A dermatologist's passkey in a real browser: asked for, set up, and asked again at the next log-in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.e2e.looking import Looker
from tests.kit import factories

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def log_in(page: Page, address: str, email: str) -> None:
    page.goto(f"{address}/account/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(factories.PASSWORD)
    page.get_by_role("main").get_by_role("button", name=re.compile("sign in|log in", re.I)).click()


def test_a_passkey_opens_the_desk(toy_release, stack, page: Page, screenshots: Path):
    address = stack.web(MFA_REQUIRED="1").replace("127.0.0.1", "localhost")  # a passkey belongs to a name
    hasher = Argon2PasswordHasher()  # the site's own; tests hash in a faster way
    reader = factories.DermatologistFactory()
    User.objects.filter(pk=reader.pk).update(password=hasher.encode(factories.PASSWORD, hasher.salt()))
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    looker = Looker(page, screenshots)

    log_in(page, address, reader.email)
    expect(page.get_by_text("Please set up a second factor first")).to_be_visible()
    looker.look("mfa_index-staff")
    page.goto(f"{address}/account/2fa/webauthn/add/")
    if page.url.startswith(f"{address}/account/reauthenticate"):
        page.get_by_label("Password", exact=True).fill(factories.PASSWORD)
        page.get_by_role("main").get_by_role("button").last.click()
    looker.look("mfa_add_passkey")
    page.get_by_label("Name").fill("My phone")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="Recovery Codes")).to_be_visible()
    page.goto(f"{address}/review/")
    expect(page.get_by_role("heading", name="Review queue")).to_be_visible()

    page.context.clear_cookies()
    log_in(page, address, reader.email)
    expect(page).to_have_url(re.compile("/account/2fa/authenticate/"))
    looker.look("mfa_authenticate-passkey")
    page.get_by_role("button", name=re.compile("security key", re.I)).click()
    expect(page.get_by_role("heading", name="Review queue")).to_be_visible()
    assert not looker.problems, "\n".join(looker.problems)
