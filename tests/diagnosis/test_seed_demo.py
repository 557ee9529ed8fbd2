"""The demo accounts: every role, real cases, once, and never in production."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts.models import PartnerKey, Role, User
from diagnosis.management.commands.seed_demo import ACCOUNTS, PASSWORD
from diagnosis.models import Analysis, Case
from diagnosis.numbers.pages import PAGES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy_release")]


@pytest.fixture
def demo(settings):
    settings.DEMO_ACCOUNTS = settings.DEBUG = True


def seed() -> str:
    out = StringIO()
    call_command("seed_demo", stdout=out)
    return out.getvalue()


def test_every_role_and_finished_cases(demo, client):
    text = seed()
    assert all(email in text for email in ACCOUNTS)
    assert set(User.objects.values_list("role", flat=True)) == set(Role.values)
    assert set(Analysis.objects.values_list("status", flat=True)) == {"done"}
    assert Case.objects.filter(patient__isnull=False, reviews__version=1).count() == 1
    form = {"login": "patient@demo.example", "password": PASSWORD}
    assert client.post(reverse("account_login"), form)["Location"] == reverse("case_list")


def test_key_is_shown_once_and_works(demo, client):
    key = seed().split("shown once: ")[1].split()[0]
    assert key not in str(PartnerKey.objects.values())
    answer = client.post("/api/v1/analyses", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 400  # the key is known, the photo is missing


def test_the_numbers_have_something_to_show(demo, client):
    seed()
    client.force_login(User.objects.get(email="derma@demo.example"))
    for page in PAGES:
        figures = client.get(reverse("numbers_page", args=[page])).context["figures"]
        empty = [one.table.key for one in figures if not any(cell.amount for row in one.table.rows for cell in row)]
        assert set(empty) <= {"photo_requests"}


def test_again_changes_nothing(demo):
    seed()
    before = (User.objects.count(), Case.objects.count(), PartnerKey.objects.count())
    assert "shown once" not in seed()
    assert (User.objects.count(), Case.objects.count(), PartnerKey.objects.count()) == before


@pytest.mark.parametrize(("debug", "demo_accounts"), [(False, True), (True, False)])
def test_refuses_outside_development(settings, debug, demo_accounts):
    settings.DEBUG, settings.DEMO_ACCOUNTS = debug, demo_accounts
    with pytest.raises(CommandError, match="only in development"):
        seed()
    assert not User.objects.exists()
