"""Sign-up, landing pages by role, and consents, through the address."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Role, User
from accounts.services import consent_held
from tests.kit import factories

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_sign_up_makes_a_patient_and_leads_to_the_first_check(client):
    data = {"email": "New.Person@Example.org", "password1": "a-long-and-odd-phrase", "role": "operator"}
    answer = client.post(reverse("account_signup"), data)
    assert (answer.status_code, answer["Location"]) == (302, reverse("case_create"))
    user = User.objects.get()
    assert (user.email, user.role, user.is_staff) == ("new.person@example.org", Role.PATIENT, False)


@pytest.mark.parametrize(
    ("make", "landing"),
    [
        (factories.PatientFactory, "case_list"),
        (factories.DermatologistFactory, "review_queue"),
        (factories.OperatorFactory, "operator_overview"),
    ],
)
def test_each_role_lands_on_its_own_page(client, make, landing):
    user = make()
    answer = client.post(reverse("account_login"), {"login": user.email, "password": factories.PASSWORD})
    assert answer["Location"] == reverse(landing)


def test_consents_are_apart_and_none_is_ticked_beforehand():
    client = signed_in(factories.UserFactory())
    page = client.get(reverse("consent_edit")).content.decode()
    assert page.count('type="checkbox"') == 4
    assert "checked" not in page


def test_consent_to_care_leads_on_and_can_be_withdrawn():
    user = factories.UserFactory()
    client = signed_in(user)
    answer = client.post(reverse("consent_edit"), {"care": "on", "next": reverse("case_create")})
    assert answer["Location"] == reverse("case_create")
    assert consent_held(user=user)
    assert client.post(reverse("consent_edit"), {"storage": "on"})["Location"] == reverse("my_data")
    assert not consent_held(user=user)
    assert set(user.consents.in_force().values_list("purpose", flat=True)) == {"storage"}


def test_consent_leads_nowhere_outside_this_site():
    client = signed_in(factories.UserFactory())
    answer = client.post(reverse("consent_edit"), {"care": "on", "next": "https://evil.example/"})
    assert answer["Location"] == reverse("my_data")


def test_an_older_text_does_not_count(settings):
    user = factories.PatientFactory()
    settings.CONSENT_VERSION = "2099-01"
    answer = signed_in(user).get(reverse("case_create"))
    assert answer["Location"] == f"{reverse('consent_edit')}?next=%2Fcases%2Fnew%2F"


def test_account_page_shows_consents_and_the_name_that_a_dermatologist_sees():
    user = factories.PatientFactory()
    page = signed_in(user).get(reverse("my_data")).content.decode()
    assert user.pseudonym in page
    assert "text version 2026-11" in page


def test_demo_log_ins_are_those_of_the_seed_and_only_shown_with_demo_accounts(client, settings):
    from diagnosis.management.commands.seed_demo import ACCOUNTS, PASSWORD

    assert PASSWORD not in client.get(reverse("account_login")).content.decode()
    settings.DEBUG = settings.DEMO_ACCOUNTS = True
    page = client.get(reverse("account_login")).content.decode()
    assert [text for text in (PASSWORD, *ACCOUNTS) if text not in page] == []
