"""The list of a patient's checks: where each stands, filters, pages by position, number of queries."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from diagnosis import services
from diagnosis.history import Stage, in_stage, stage_of, with_history
from diagnosis.models import Case
from smartderma.keyset import keyset_page
from tests.kit import factories

pytestmark = pytest.mark.django_db

EXPECTED = {
    "queued": Stage.CHECKING,
    "running": Stage.CHECKING,
    "abandoned": Stage.CHECKING,
    "failed": Stage.UNFINISHED,
    "done": Stage.CHECKED,
    "inconclusive": Stage.CHECKED,
    "in_review": Stage.ASKED,
    "photos_asked": Stage.PHOTOS,
    "signed": Stage.ANSWERED,
    "amended": Stage.AMENDED,
}


def photos_asked(patient: User) -> Case:
    case = factories.case_in_review(patient=patient)
    services.photos_request(case=case, reader=factories.DermatologistFactory(), missing=["sharp"])
    return case


def make_all(patient: User) -> dict[str, Case]:
    makers = {name: make for name, make in factories.CASE_IN_STATE.items() if name in EXPECTED}
    return {name: make(patient=patient) for name, make in makers.items()} | {"photos_asked": photos_asked(patient)}


def references(page: str) -> set[str]:
    return set(re.findall(r"C-[0-9A-F]{8}", page))


def test_every_state_is_named_and_found_by_its_filter(portal, patient):
    cases = make_all(patient)
    for stage in Stage:
        wanted = {case.reference for name, case in cases.items() if EXPECTED[name] == stage}
        page = portal.get(reverse("case_list"), {"stage": stage.value}).content.decode()
        assert references(page) == wanted, stage
        assert str(stage.label) in page


def test_the_words_and_the_filter_say_the_same(patient):
    make_all(patient)
    for case in with_history(Case.objects.all()):
        found = [stage for stage in Stage if in_stage(with_history(Case.objects.filter(pk=case.pk)), stage).exists()]
        assert found == [stage_of(case)]


def test_filters_work_together_and_an_unknown_one_hides_nothing(portal, patient):
    arm = factories.case_done(patient=patient, site="arm")
    leg = factories.case_done(patient=patient, site="leg")
    url = reverse("case_list")
    assert references(portal.get(url, {"site": "leg"}).content.decode()) == {leg.reference}
    assert references(portal.get(url, {"site": "arm", "stage": "checked"}).content.decode()) == {arm.reference}
    assert "No check is like this." in portal.get(url, {"site": "arm", "stage": "asked"}).content.decode()
    assert references(portal.get(url, {"stage": "nonsense"}).content.decode()) == {arm.reference, leg.reference}


def test_pages_lead_to_older_and_back_and_keep_the_filter(portal, patient, monkeypatch):
    monkeypatch.setattr("diagnosis.views_history.PAGE_SIZE", 2)
    cases = [factories.case_done(patient=patient) for _ in range(5)]
    newest_first = [case.reference for case in reversed(cases)]
    url, seen = f"{reverse('case_list')}?site=arm", []
    while url:
        page = portal.get(url).content.decode()
        seen.append(re.findall(r"C-[0-9A-F]{8}", page))
        older = re.search(r'rel="next" href="([^"]+)"', page)
        url = reverse("case_list") + older.group(1).replace("&amp;", "&") if older else ""
    assert seen == [newest_first[:2], newest_first[2:4], newest_first[4:]]
    newer = re.search(r'rel="prev" href="([^"]+)"', page).group(1).replace("&amp;", "&")
    assert "site=arm" in newer
    assert re.findall(r"C-[0-9A-F]{8}", portal.get(reverse("case_list") + newer).content.decode()) == newest_first[2:4]


@pytest.mark.parametrize("cursor", ["x", "o", "oAAAA", "n%00", "o" + "A" * 400, "oMjAyNi0xMS0yM3xub3QtYW4taWQ"])
def test_a_strange_cursor_shows_the_first_page(portal, patient, cursor):
    case = factories.case_done(patient=patient)
    assert references(portal.get(reverse("case_list"), {"at": cursor}).content.decode()) == {case.reference}


def test_rows_of_the_same_moment_are_neither_lost_nor_doubled(patient):
    moment = timezone.now()
    for _ in range(5):
        factories.case_done(patient=patient)
    Case.objects.update(created_at=moment)
    seen, cursor = [], ""
    while True:
        page = keyset_page(Case.objects.all(), cursor=cursor, size=2)
        seen += [case.pk for case in page.object_list]
        if not page.older:
            break
        cursor = page.older
    assert len(seen) == len(set(seen)) == 5


def test_the_list_costs_the_same_for_one_and_for_many(portal, patient, django_assert_max_num_queries):
    for _ in range(3):
        make_all(patient)
    with django_assert_max_num_queries(12):
        portal.get(reverse("case_list"))
