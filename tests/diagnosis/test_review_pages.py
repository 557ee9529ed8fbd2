"""The dermatologist's pages: urgent first, signing, nothing lost when two read at once."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from diagnosis import services
from diagnosis.models import Case
from ml.taxonomy import TIERS
from tests.kit import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy_release")]

OPINION = {"diagnosis": "psoriasis", "tier": "routine", "note_to_patient": "It is psoriasis.", "seen_version": "0"}
QUERY_CEILING = 12


@pytest.fixture
def reader(client):
    user = factories.DermatologistFactory()
    client.force_login(user)
    return user


def test_most_urgent_first_then_the_nearest_deadline(client, reader):
    first, second, third = (factories.case_in_review() for _ in range(3))
    now = timezone.now()
    for case, rank, tier, hours in ((first, 1, "routine", 1), (second, 3, "urgent", 20), (third, 3, "urgent", 5)):
        due = now + timedelta(hours=hours)
        Case.objects.filter(pk=case.pk).update(tier_rank=rank, tier=tier, review_due_at=due)
    page = client.get(reverse("review_queue"))
    assert page.context["page"].cases == [third, second, first]


def test_queue_holds_only_requested_cases_and_lets_signed_ones_go(client, reader):
    factories.case_done()
    waiting, signed = factories.case_in_review(), factories.case_signed()
    assert client.get(reverse("review_queue")).context["page"].cases == [waiting]
    assert client.get(reverse("review_queue"), {"show": "signed"}).context["page"].cases == [signed]


def test_queue_asks_the_database_a_fixed_number_of_times(client, reader, django_assert_max_num_queries):
    for _ in range(8):
        factories.case_in_review()
    with django_assert_max_num_queries(QUERY_CEILING):
        client.get(reverse("review_queue"))


def test_case_page_stays_below_its_query_ceiling(client, reader, django_assert_max_num_queries):
    case = factories.case_amended()
    client.get(reverse("review_queue"))  # the session knows now that somebody is at work
    with django_assert_max_num_queries(QUERY_CEILING):
        assert client.get(reverse("review_case", args=[case.pk])).status_code == 200


def test_signing_makes_the_opinion_the_patients_result(client, reader):
    case = factories.case_in_review()
    answer = client.post(reverse("review_case", args=[case.pk]), OPINION)
    assert answer.status_code == 302
    client.force_login(case.patient)
    page = client.get(reverse("case_detail", args=[case.pk])).content.decode()
    assert "It is psoriasis." in page
    assert "Dr Test Person" in page


@pytest.mark.parametrize(
    "change",
    [{"diagnosis": ""}, {"diagnosis": "other"}, {"tier": "lowest"}, {"note_to_patient": ""}, {"seen_version": ""}],
    ids=str,
)
def test_an_incomplete_opinion_is_not_signed(client, reader, change):
    case = factories.case_in_review()
    answer = client.post(reverse("review_case", args=[case.pk]), {**OPINION, **change})
    assert answer.status_code == 422
    assert answer.context["form"].errors
    assert not case.reviews.exists()


def test_the_second_of_two_readers_is_told(client, reader):
    case = factories.case_in_review()
    url = reverse("review_case", args=[case.pk])
    client.post(url, OPINION)
    client.force_login(factories.DermatologistFactory())
    answer = client.post(url, OPINION)
    assert case.reviews.count() == 1
    assert answer.status_code == 422
    assert answer.context["form"].errors


def test_private_note_stays_private(client, reader):
    case = factories.case_in_review()
    client.post(reverse("review_case", args=[case.pk]), {**OPINION, "private_note": "Smells of secrets"})
    client.force_login(case.patient)
    assert "Smells of secrets" not in client.get(reverse("case_detail", args=[case.pk])).content.decode()


def test_a_signed_case_wears_the_tier_that_was_signed(client, reader):
    case = factories.case_signed(reviewer=reader)
    Case.objects.filter(pk=case.pk).update(tier="urgent", tier_rank=3)  # signed as routine
    for address in (f"{reverse('review_queue')}?show=signed", reverse("review_case", args=[case.pk])):
        page = client.get(address).content.decode()
        assert 'class="badge toned tone-routine">Routine</span>' in page
        assert "tone-urgent" not in page


def test_signed_cases_are_found_by_the_tier_that_was_signed(client, reader):
    case = factories.case_signed(reviewer=reader)
    Case.objects.filter(pk=case.pk).update(tier="urgent", tier_rank=3)  # signed as routine
    services.case_take(case=case, reader=reader)
    for show in ("signed", "mine"):
        for tier, found in (("routine", [case]), ("urgent", [])):
            page = client.get(reverse("review_queue"), {"show": show, "tier": tier}).context["page"]
            assert page.cases == found, (show, tier)


def waiting(tier: str = "soon", **fields) -> Case:
    case = factories.case_in_review()
    Case.objects.filter(pk=case.pk).update(tier=tier, tier_rank=TIERS.index(tier), **fields)
    return Case.objects.get(pk=case.pk)


def test_each_filter_finds_its_cases_and_no_others(client, reader):
    plain = waiting(language="en", skin_type="II", body_site="arm")
    past = timezone.now() - timedelta(hours=1)
    partner = factories.PartnerFactory()
    of_partner = factories.case_in_review(partner=partner)
    wanted = {
        "tier": ("urgent", waiting("urgent")),
        "site": ("scalp", waiting(body_site="scalp")),
        "skin": ("VI", waiting(skin_type="VI")),
        "language": ("hi", waiting(language="hi")),
        "signs": ("on", waiting(warning_signs=True)),
        "late": ("on", waiting(review_due_at=past)),
        "read": ("third", waiting(review_state="third")),
        "partner": (str(partner.pk), of_partner),
    }
    for name, (value, case) in wanted.items():
        assert client.get(reverse("review_queue"), {name: value}).context["page"].cases == [case], name
    assert client.get(reverse("review_queue"), {"q": plain.reference}).context["page"].cases == [plain]
    client.post(reverse("saved_view_create"), {"name": "Scalps", "site": "scalp"})
    assert '<a href="?site=scalp&"><bdi>Scalps</bdi></a>' in client.get(reverse("review_queue")).content.decode()


def test_pages_show_every_case_once_in_order(client, reader, monkeypatch):
    monkeypatch.setattr("diagnosis.queue.PAGE_SIZE", 2)
    cases = [waiting(tier) for tier in ("soon", "urgent", "soon", "emergency", "urgent")]
    seen, after = [], ""
    for _page in range(3):
        page = client.get(reverse("review_queue"), {"after": after}).context["page"]
        seen, after = [*seen, *page.cases], page.after
    assert (set(seen), len(seen), after) == (set(cases), 5, "")
    assert [case.tier for case in seen] == ["emergency", "urgent", "urgent", "soon", "soon"]


def test_the_panel_shows_likelihoods_votes_the_set_and_the_quality(client, reader):
    case = factories.case_in_review(top="psoriasis")
    case.analyses.get().findings.create(
        image=case.images.get(), outcome="assessed", quality={"band": "poor", "issues": []}, focus="centre"
    )
    page = " ".join(client.get(reverse("review_case", args=[case.pk])).content.decode().split())
    assert '<h3>Psoriasis <span class="hint font-normal">L40.9</span></h3>' in page
    for words in ("70 %</span>", "Weight 100 %", "Disagreement of the models (0 to 1)", "Unlike the photos"):
        assert words in page, words
    assert "<dt>Cannot be ruled out</dt><dd>Psoriasis</dd>" in page
    assert "<dt>Quality of photo 1</dt><dd>poor</dd>" in page


def test_a_text_for_notes_is_changed_and_offered_beside_the_note(client, reader):
    text = {"title": "Hello", "language": "en", "text": "Dear patient."}
    client.post(reverse("note_template_create"), text)
    changed = {**text, "text": "Good news for you."}
    client.post(reverse("note_template_edit", args=[reader.note_templates.get().pk]), changed)
    case = factories.case_in_review()
    services.case_take(case=case, reader=reader)
    page = client.get(reverse("review_case", args=[case.pk])).content.decode()
    assert "Good news for you." in page
    assert "Dear patient." not in page


def test_views_and_texts_of_a_person_have_a_limit_with_a_sentence(client, reader, monkeypatch):
    monkeypatch.setattr("diagnosis.services.desk.MAX_VIEWS", 1)
    monkeypatch.setattr("diagnosis.services.desk.MAX_TEMPLATES", 1)
    for name in ("One", "Two", "One"):
        page = client.post(reverse("saved_view_create"), {"name": name, "late": "on"}, follow=True).content.decode()
        assert ("very many saved views" in page) == (name == "Two")
    text = {"title": "One", "language": "en", "text": "Dear patient."}
    assert client.post(reverse("note_template_create"), text).status_code == 302
    refused = client.post(reverse("note_template_create"), text)
    assert "very many texts" in refused.content.decode()
    assert (reader.saved_views.count(), reader.note_templates.count()) == (1, 1)


@pytest.mark.parametrize(
    ("url_name", "fields"),
    [
        ("review_case", OPINION),
        ("review_photos", {"missing": "close", "note": "It is psoriasis."}),
    ],
)
def test_a_refusal_stands_beside_what_was_written_when_somebody_else_has_the_case(client, reader, url_name, fields):
    case = factories.case_in_review()
    services.case_take(case=case, reader=factories.DermatologistFactory())
    page = client.post(reverse(url_name, args=[case.pk]), fields)
    assert page.status_code == 422
    assert {"Another dermatologist works on this case now.", "It is psoriasis."} <= words_of(page)


def words_of(page) -> set[str]:
    """The texts of the elements of a page that hold nothing but text."""
    return {" ".join(text.split()) for text in re.findall(r">([^<>]+)<", page.content.decode())}
