"""Dermatologists and operators: no page without a second factor, no session that outlives its person."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.kit import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy_release")]


@pytest.fixture
def second_factor(settings) -> None:
    settings.MFA_REQUIRED = True


def browser(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def add_totp(user) -> str:
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(user, secret)
    return secret


@pytest.mark.usefixtures("second_factor")
@pytest.mark.parametrize("name", ["review_queue", "my_data", "note_template_list"])
def test_a_dermatologist_without_a_second_factor_is_led_to_it(name):
    answer = browser(factories.DermatologistFactory()).get(reverse(name))
    assert (answer.status_code, answer["Location"]) == (302, reverse("mfa_index"))


@pytest.mark.usefixtures("second_factor")
def test_an_operator_without_a_second_factor_sees_no_admin():
    answer = browser(factories.OperatorFactory(is_superuser=True)).get(reverse("admin:index"))
    assert answer["Location"] == reverse("mfa_index")


@pytest.mark.usefixtures("second_factor")
def test_the_way_to_the_second_factor_is_open_and_patients_need_none():
    reader = browser(factories.DermatologistFactory())
    assert reader.get(reverse("mfa_index")).status_code == 200
    assert reader.get(reverse("account_logout")).status_code == 200
    assert browser(factories.PatientFactory()).get(reverse("case_list")).status_code == 200


@pytest.mark.usefixtures("second_factor")
def test_with_a_code_the_desk_opens():
    reader = factories.DermatologistFactory()
    secret = add_totp(reader)
    client = Client()
    log_in = {"login": reader.email, "password": factories.PASSWORD}
    answer = client.post(reverse("account_login"), log_in)
    assert answer["Location"] == reverse("mfa_authenticate")
    assert client.get(reverse("review_queue")).status_code == 302  # the password alone is not enough
    counter = int(time.time()) // 30
    code = totp.format_hotp_value(totp.hotp_value(secret, counter))
    answer = client.post(reverse("mfa_authenticate"), {"code": code})
    assert answer["Location"] == reverse("review_queue")
    assert client.get(reverse("review_queue")).status_code == 200
    Authenticator.objects.filter(user=reader).delete()
    assert client.get(reverse("review_queue"))["Location"] == reverse("mfa_index")


def test_passkeys_and_recovery_codes_are_offered():
    page = browser(factories.DermatologistFactory()).get(reverse("mfa_index")).content.decode()
    assert reverse("mfa_add_webauthn") in page
    assert "Recovery Codes" in page


@pytest.mark.parametrize("make", [factories.DermatologistFactory, factories.OperatorFactory])
def test_nothing_done_for_a_while_ends_the_session(make, settings, time_machine):
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    client = browser(make())
    url = reverse("my_data")
    assert client.get(url).status_code == 200
    time_machine.move_to(start + timedelta(seconds=settings.STAFF_SESSION_SECONDS - 60))
    assert client.get(url).status_code == 200
    time_machine.move_to(start + timedelta(seconds=2 * settings.STAFF_SESSION_SECONDS - 120))
    assert client.get(url).status_code == 200  # somebody was at work meanwhile
    time_machine.move_to(start + timedelta(seconds=4 * settings.STAFF_SESSION_SECONDS))
    assert client.get(url)["Location"].startswith(reverse("account_login"))


def test_an_open_page_alone_keeps_no_session(settings, time_machine):
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    case = factories.case_in_review()
    client = browser(factories.DermatologistFactory())
    client.post(reverse("review_take", args=[case.pk]))
    pulse = reverse("review_keep", args=[case.pk])
    for minutes in range(5, settings.STAFF_SESSION_SECONDS // 60, 5):
        time_machine.move_to(start + timedelta(minutes=minutes))
        assert client.post(pulse).status_code == 204
    time_machine.move_to(start + timedelta(seconds=settings.STAFF_SESSION_SECONDS + 1))
    assert client.post(pulse, headers={"HX-Request": "true"}).status_code == 401


def test_patients_stay_logged_in(settings, time_machine):
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    client = browser(factories.PatientFactory())
    client.get(reverse("my_data"))
    time_machine.move_to(start + timedelta(seconds=settings.STAFF_SESSION_SECONDS + 60))
    assert client.get(reverse("my_data")).status_code == 200
