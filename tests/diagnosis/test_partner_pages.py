"""A partner's pages: keys made, replaced, changed and revoked; use as chart and table; retention."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from accounts.models import KeyUsage, PartnerKey
from accounts.services_partners import usage_record
from tests.kit import factories

pytestmark = pytest.mark.django_db
KEY = re.compile(r"sd_(?:live|test)_[\w-]{43}")


@pytest.fixture
def mine(client, partner):
    client.force_login(partner.contact)
    return client


def make(mine, partner, **changes) -> tuple[str, PartnerKey]:
    """A new key through the form; gives the text that the page shows."""
    data = {"partner": partner.pk, "name": "Server 1", "kind": "live", "scopes": ["analysis:read"], "days": ""}
    answer = mine.post(reverse("partner_key_list"), {**data, **changes})
    assert answer.status_code == 200, answer.context["form"].errors
    return KEY.search(answer.content.decode()).group(), PartnerKey.objects.latest("created_at")


def status_with(client, text: str) -> int:
    return client.get("/api/v1/cases", headers={"Authorization": f"Bearer {text}"}).status_code


def test_a_key_is_shown_once_and_works(mine, partner, client):
    text, key = make(mine, partner)
    assert (key.sandbox, key.scopes, key.expires_at) == (False, ["analysis:read"], None)
    assert status_with(client, text) == 200
    listed = mine.get(reverse("partner_key_list")).content.decode()
    assert text not in listed
    assert f"{key.prefix}…{key.last_four}" in listed
    assert text not in mine.get(reverse("partner_key", args=[key.pk])).content.decode()
    assert text not in str(PartnerKey.objects.values())


def test_a_sandbox_key_with_an_end(mine, partner, client):
    text, key = make(mine, partner, kind="sandbox", days="30")
    assert text.startswith("sd_test_")
    assert key.sandbox
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        assert status_with(client, text) == 401


@pytest.mark.parametrize("wrong", [{"name": ""}, {"scopes": []}, {"scopes": ["root"]}, {"kind": "x"}, {"days": "5"}])
def test_wrong_fields_make_no_key(mine, partner, wrong):
    data = {"partner": partner.pk, "name": "x", "kind": "live", "scopes": ["analysis:read"], "days": "", **wrong}
    answer = mine.post(reverse("partner_key_list"), data)
    assert answer.status_code == 422
    assert not PartnerKey.objects.exists()


def test_nobody_makes_keys_for_another_partner(mine):
    other = factories.PartnerFactory()
    data = {"partner": other.pk, "name": "x", "kind": "live", "scopes": ["analysis:read"], "days": ""}
    assert mine.post(reverse("partner_key_list"), data).status_code == 422
    assert not PartnerKey.objects.exists()


def test_replacing_a_key_lets_both_work_for_a_while(mine, partner, client):
    old, key = make(mine, partner)
    answer = mine.post(reverse("partner_key", args=[key.pk]), {"action": "rotate", "overlap": "7"})
    new = KEY.search(answer.content.decode()).group()
    assert new != old
    assert [status_with(client, text) for text in (old, new)] == [200, 200]
    assert PartnerKey.objects.get(replaces=key).scopes == key.scopes
    again = mine.post(reverse("partner_key", args=[key.pk]), {"action": "rotate", "overlap": "7"})
    assert again.status_code == 302  # one successor
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert [status_with(client, text) for text in (old, new)] == [401, 200]


def test_changing_the_rights_of_a_key(mine, partner, client):
    text, key = make(mine, partner)
    mine.post(reverse("partner_key", args=[key.pk]), {"action": "change", "scopes": ["report:read"], "days": "90"})
    key.refresh_from_db()
    assert (key.scopes, key.expires_at is not None) == (["report:read"], True)
    for days, ends in (("", True), ("0", False)):
        mine.post(reverse("partner_key", args=[key.pk]), {"action": "change", "scopes": ["report:read"], "days": days})
        key.refresh_from_db()
        assert (key.expires_at is not None) is ends
    assert status_with(client, text) == 403


def test_revoking_a_key(mine, partner, client):
    text, key = make(mine, partner)
    mine.post(reverse("partner_key", args=[key.pk]), {"action": "revoke"})
    assert status_with(client, text) == 401
    assert "Revoked" in mine.get(reverse("partner_key_list")).content.decode()


def test_last_use_is_shown(mine, partner, client):
    text, key = make(mine, partner)
    status_with(client, text)
    key.refresh_from_db()
    assert timezone.now() - key.last_used_at < timedelta(minutes=1)
    assert "Never used" not in mine.get(reverse("partner_key_list")).content.decode()


def test_use_by_day(mine, partner):
    key, _text = factories.partner_key(partner)
    for _ in range(3):
        usage_record(key=key, requests=1, analyses=2)
    usage_record(key=key, refused=1)
    KeyUsage.objects.create(key=key, day=timezone.now().date() - timedelta(days=3), requests=9, analyses=12)
    foreign, _text = factories.partner_key()
    usage_record(key=foreign, requests=777, analyses=777)
    answer = mine.get(reverse("partner_usage"))
    days = answer.context["days"]
    assert (days[0]["requests"], days[0]["refused"], days[0]["analyses"], days[3]["analyses"]) == (3, 1, 6, 12)
    assert [bar["height"] for bar in answer.context["chart"]["bars"]][-4:] == [100, 0, 0, 50]
    assert "777" not in answer.content.decode()
    assert mine.get(reverse("partner_usage"), {"sandbox": ""}).context["used"] == 0


def test_retention_is_set_within_bounds(mine, partner):
    case = factories.case_done(partner=partner)
    for days, status in (("0", 422), ("9999", 422), ("x", 422), ("5", 302)):
        assert mine.post(reverse("partner_settings"), {"days": days}).status_code == status
    partner.refresh_from_db()
    case.refresh_from_db()
    assert partner.retention_days == 5
    assert case.expires_at - case.created_at == timedelta(days=5)


def test_another_partners_pages_do_not_exist(mine):
    other = factories.PartnerFactory()
    for name in ("partner_usage", "partner_settings"):
        assert mine.get(reverse(name), {"partner": other.pk}).status_code == 404
        assert mine.get(reverse(name), {"partner": "nonsense"}).status_code == 404
