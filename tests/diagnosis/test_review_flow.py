"""Who holds a case, blind first reads, second and third readers, new photos, late reviews."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from diagnosis import images, services
from diagnosis.models import Case, EventKind, Read, ReviewState
from diagnosis.tasks import escalate_reviews_task
from ml.releases.loader import release_info
from ml.taxonomy import BY_SLUG
from tests.kit import factories, photos

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy_release")]

OPINION = {"diagnosis": "eczema", "tier": "routine", "note_to_patient": "It is eczema."}
FORM = {**OPINION, "seen_version": "0"}


@pytest.fixture
def case() -> Case:
    return factories.case_in_review()


def browser(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def readers(count: int) -> list:
    return [factories.DermatologistFactory() for _ in range(count)]


def url(name: str, case: Case) -> str:
    return reverse(name, args=[case.pk])


def fresh(case: Case) -> Case:
    return Case.objects.get(pk=case.pk)


def test_nobody_takes_keeps_gives_back_or_signs_what_another_holds(case):
    holder, other = readers(2)
    browser(holder).post(url("review_take", case))
    browser(other).post(url("review_take", case))
    assert browser(other).post(url("review_keep", case)).status_code == 286
    browser(other).post(url("review_release", case))
    assert browser(other).post(url("review_case", case), FORM).status_code == 422
    assert fresh(case).review_holder == holder
    assert browser(holder).post(url("review_keep", case)).status_code == 204
    assert browser(holder).post(url("review_case", case), FORM).status_code == 302
    assert (fresh(case).review_state, fresh(case).review_holder) == (ReviewState.DONE, None)


def test_a_lease_expires_and_a_heartbeat_keeps_it(case, time_machine, settings):
    holder, other = readers(2)
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    services.case_take(case=case, reader=holder)
    time_machine.move_to(start + timedelta(seconds=settings.REVIEW_LEASE_SECONDS - 1))
    assert services.case_keep(case_id=case.pk, reader=holder)
    time_machine.move_to(start + timedelta(seconds=settings.REVIEW_LEASE_SECONDS + 1))
    with pytest.raises(services.WrongState):
        services.case_take(case=case, reader=other)
    time_machine.move_to(start + timedelta(seconds=2 * settings.REVIEW_LEASE_SECONDS))
    services.case_take(case=case, reader=other)
    assert not services.case_keep(case_id=case.pk, reader=holder)
    assert case.events.filter(kind=EventKind.REVIEW_TAKEN).count() == 2


def test_given_back_means_free_and_a_late_heartbeat_takes_nothing(case):
    holder, other = readers(2)
    services.case_take(case=case, reader=holder)
    services.case_release(case=case, reader=holder)
    assert not services.case_keep(case_id=case.pk, reader=holder)
    services.case_take(case=case, reader=other)


def test_a_holder_without_lease_cannot_be_stored(case):
    with pytest.raises(IntegrityError), transaction.atomic():
        Case.objects.filter(pk=case.pk).update(review_holder=readers(1)[0])


@pytest.fixture
def blind(settings) -> None:
    settings.BLIND_FIRST_READ = True


def words_of_the_model(html: str) -> list[str]:
    return [word for word in ("Psoriasis</h3>", "heatmaps/", "Disagreement", "Weight 100", "70 %") if word in html]


@pytest.mark.usefixtures("blind")
def test_the_panel_is_closed_until_the_first_opinion_and_a_change_says_why():
    case = factories.case_in_review(top="psoriasis")
    reader = readers(1)[0]
    client = browser(reader)
    client.post(url("review_take", case))
    before = client.get(url("review_case", case)).content.decode()
    assert words_of_the_model(before) == []
    assert "Your first opinion" in before
    assert client.post(url("review_case", case), FORM).status_code == 422  # no signature around it
    answer = client.post(url("review_first_opinion", case), {"diagnosis": "eczema", "tier": "routine"})
    assert answer.status_code == 302
    after = client.get(url("review_case", case)).content.decode()
    assert words_of_the_model(after)
    changed = {**FORM, "diagnosis": "psoriasis"}
    refused = client.post(url("review_case", case), changed)
    assert "change_reason" in refused.context["form"].errors
    client.post(url("review_case", case), {**changed, "change_reason": "I see the scale now."})
    read = case.reads.get()
    assert (read.changed, read.first_opinion.diagnosis, read.diagnosis) == (True, "eczema", "psoriasis")
    assert words_of_the_model(browser(factories.DermatologistFactory()).get(url("review_case", case)).content.decode())


@pytest.mark.usefixtures("blind")
def test_a_first_opinion_is_stored_once_and_not_by_who_does_not_hold_the_case(case):
    reader, other = readers(2)
    verdict = {"diagnosis": "acne", "tier": "routine"}
    services.first_opinion_store(case=case, reader=reader, **verdict)
    for person in (reader, other):
        with pytest.raises(services.WrongState):
            services.first_opinion_store(case=case, reader=person, **verdict)
    assert browser(other).post(url("review_first_opinion", case), verdict).status_code == 422


@pytest.mark.usefixtures("blind")
def test_new_photos_close_the_panel_again():
    case = factories.case_asked()
    reader = readers(1)[0]
    services.first_opinion_store(case=case, reader=reader, diagnosis="acne", tier="routine")
    add_photo(case)
    assert "Your first opinion" in browser(reader).get(url("review_case", case)).content.decode()


def test_a_read_that_changed_without_a_reason_cannot_be_stored(case):
    services.review_sign(case=case, reviewer=readers(1)[0], **OPINION)
    with pytest.raises(IntegrityError), transaction.atomic():
        case.reads.update(changed=True, change_reason="")


def test_two_who_agree_publish_the_first_opinion(case):
    first, second = readers(2)
    opinion = {**OPINION, "follow_up_weeks": 4}
    assert services.review_sign(case=case, reviewer=first, second_read=True, **opinion) is None
    assert not case.reviews.exists()
    assert "It is eczema" not in browser(second).get(url("review_case", case)).content.decode()
    with pytest.raises(services.WrongState):
        services.case_take(case=case, reader=first)
    review = services.review_sign(case=case, reviewer=second, **{**OPINION, "note_to_patient": "Yes."})
    result = browser(case.patient).get(url("case_detail", case)).content.decode()
    assert "Please have it looked at again after 4 weeks." in result
    assert "Read by a second dermatologist too" in result
    assert (review.reviewer, review.note_to_patient) == (first, "It is eczema.")
    assert review.confirmed_by_name == second.dermatologist.full_name
    assert fresh(case).review_state == ReviewState.DONE


def test_two_who_disagree_go_to_a_third_who_sees_both_and_decides(case, settings):
    settings.SECOND_READ_TIERS = ["urgent"]
    first, second, third = readers(3)
    services.review_sign(case=case, reviewer=first, **{**OPINION, "tier": "urgent"})
    services.review_sign(case=case, reviewer=second, **OPINION)
    assert fresh(case).review_state == ReviewState.THIRD
    for earlier in (first, second):
        with pytest.raises(services.WrongState):
            services.case_take(case=case, reader=earlier)
    assert "Second read" in browser(third).get(url("review_case", case)).content.decode()
    review = services.review_sign(case=case, reviewer=third, **{**OPINION, "tier": "soon"})
    assert (review.reviewer, review.tier) == (third, "soon")
    assert list(case.reads.values_list("kind", flat=True)) == ["first", "second", "third"]
    assert case.reads.filter(signed_at__isnull=False).count() == 3


def test_a_second_read_needs_a_second_person(case):
    with pytest.raises(services.WrongState):
        services.review_sign(case=case, reviewer=readers(1)[0], second_read=True, **OPINION)
    assert not Read.objects.exists()


def test_the_same_person_never_reads_twice(case):
    first, _second = readers(2)
    services.review_sign(case=case, reviewer=first, second_read=True, **OPINION)
    read = case.reads.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Read.objects.create(case=case, kind="second", reader=first, **read.opinion())


def test_a_change_after_signing_keeps_the_old_version(case):
    client = browser(readers(1)[0])
    client.post(url("review_case", case), FORM)
    again = {
        **FORM,
        "seen_version": "1",
        "diagnosis": "tinea",
        "follow_up_weeks": "4",
        "differential": "Eczema\nScabies",
    }
    assert client.post(url("review_case", case), again).status_code == 422  # no reason
    client.post(url("review_case", case), {**again, "amendment_reason": "The culture is back."})
    assert list(case.reviews.values_list("version", "diagnosis")) == [(2, "tinea"), (1, "eczema")]
    assert case.reviews.first().differential == ["Eczema", "Scabies"]


def test_a_term_of_icd10_is_a_diagnosis(case):
    client = browser(readers(1)[0])
    terms = client.get(reverse("icd10_terms"), {"icd10": "pityriasis ros"}).content.decode()
    assert "L42 Pityriasis rosea" in terms
    wrong = client.post(url("review_case", case), {**FORM, "diagnosis": "", "icd10": "Q99.99"})
    assert "icd10" in wrong.context["form"].errors
    client.post(url("review_case", case), {**FORM, "diagnosis": "", "icd10": "L42 Pityriasis rosea"})
    review = case.reviews.get()
    assert (review.diagnosis, review.icd10, review.diagnosis_text) == ("other", "L42", "Pityriasis rosea")


def add_photo(case: Case) -> None:
    photo = images.inspect_upload(photos.skin(size=(400, 300)))
    services.photos_add(case=case, patient=case.patient, photos=[photo])


def test_new_photos_are_asked_for_and_bring_the_case_back(case, time_machine):
    client = browser(readers(1)[0])
    data = {"missing": ["sharp", "size"], "note": "The spot on the left."}
    assert client.post(url("review_photos", case), data).status_code == 302
    assert client.get(reverse("review_queue")).context["page"].cases == []
    assert [c.pk for c in client.get(reverse("review_queue"), {"show": "photos"}).context["page"].cases] == [case.pk]
    due = fresh(case).review_due_at
    time_machine.move_to(timezone.now() + timedelta(days=30))
    patient = browser(case.patient)
    page = patient.get(url("photos_add", case)).content.decode()
    assert "The spot on the left." in page
    assert "A coin or a ruler" in page
    upload = SimpleUploadedFile("new.jpg", photos.skin(size=(500, 400)))
    assert patient.post(url("photos_add", case), {"photos": [upload]}).status_code == 302
    case = fresh(case)
    assert (case.images.count(), case.analyses.count(), case.review_state) == (2, 2, ReviewState.WAITING)
    assert case.review_due_at > due
    assert case.photo_requests.get().answered_at
    assert patient.get(url("photos_add", case)).status_code == 404


def test_a_refused_photo_leaves_nothing(case):
    case = factories.case_asked()
    upload = SimpleUploadedFile("new.jpg", b"no photo at all")
    answer = browser(case.patient).post(url("photos_add", case), {"photos": [upload]})
    assert answer.status_code == 422
    assert (case.images.count(), fresh(case).review_state) == (1, ReviewState.PHOTOS)


def test_a_request_without_what_is_missing_is_not_sent(case):
    assert browser(readers(1)[0]).post(url("review_photos", case), {"missing": []}).status_code == 422
    assert not case.photo_requests.exists()


def test_photos_that_nobody_asked_for_are_refused(case):
    with pytest.raises(services.WrongState):
        add_photo(case)


def test_a_late_review_escalates_once(case, settings, django_capture_on_commit_callbacks):
    settings.ON_CALL_EMAILS = ["oncall@example.org"]
    operator = factories.OperatorFactory()
    Case.objects.filter(pk=case.pk).update(review_due_at=timezone.now() - timedelta(minutes=1))
    for _run in range(2):
        escalate_reviews_task()
    assert {message.to[0] for message in mail.outbox} == {operator.email, "oncall@example.org"}
    assert len(mail.outbox) == 2
    text = mail.outbox[0].subject + mail.outbox[0].body
    assert case.reference not in text
    assert case.patient.email not in text
    assert case.events.filter(kind=EventKind.REVIEW_OVERDUE).count() == 1
    factories.case_in_review()  # in time
    page = browser(readers(1)[0]).get(reverse("review_queue")).content.decode()
    assert (page.count("is-late"), page.count("Late</span>")) == (1, 1), "the edge and the badge of the late one alone"


def test_a_mail_server_that_refuses_leaves_the_case_for_the_next_run(case, settings):
    factories.OperatorFactory()
    Case.objects.filter(pk=case.pk).update(review_due_at=timezone.now() - timedelta(minutes=1))
    settings.EMAIL_BACKEND = "tests.kit.mailing.RefusingBackend"
    with pytest.raises(OSError, match="refused"):
        escalate_reviews_task()
    assert fresh(case).review_escalated_at is None
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    escalate_reviews_task()
    assert fresh(case).review_escalated_at


def test_signed_cases_and_those_without_a_request_are_never_late(case):
    services.review_sign(case=case, reviewer=readers(1)[0], **OPINION)
    factories.case_done()
    Case.objects.filter(pk=case.pk).update(review_due_at=timezone.now() - timedelta(days=1))
    assert services.reviews_escalate() == 0


def test_signing_asks_who_is_there(case, settings):
    settings.SIGN_REAUTH_SECONDS = 600
    reader = readers(1)[0]
    client = browser(reader)  # a session without a log-in that allauth saw
    client.post(url("review_take", case))
    answer = client.post(url("review_case", case), FORM)
    assert answer.status_code == 422
    assert "It is eczema." in answer.content.decode()  # nothing typed is lost
    assert not case.reads.exists()
    confirm = f"{reverse('account_reauthenticate')}?next=/review/"
    assert reverse("account_reauthenticate") in answer.content.decode()
    client.post(confirm, {"password": factories.PASSWORD})
    assert client.post(url("review_case", case), FORM).status_code == 302


def test_bad_fields_are_refused_by_the_service_too(case):
    with pytest.raises(ValidationError):
        services.review_sign(case=case, reviewer=readers(1)[0], **{**OPINION, "severity": "awful"})
    assert not Read.objects.exists()


def test_who_asked_for_photos_may_sign_without_them_and_the_request_is_withdrawn():
    reader = readers(1)[0]
    case = factories.case_asked(reader=reader)
    client = browser(reader)
    client.post(url("review_take", case))
    assert client.post(url("review_case", case), FORM).status_code == 302
    request = case.photo_requests.get()
    assert (request.withdrawn, request.answered_at is not None) == (True, True)
    assert "they are no longer needed" in client.get(url("review_related", case)).content.decode()
    assert browser(case.patient).get(url("photos_add", case)).status_code == 404


def test_a_class_that_the_active_release_brings_along_can_be_signed(case, settings, tmp_path, monkeypatch):
    toy = release_info("toy").path
    document = json.loads((toy / "release.json").read_text())
    document["classes"].append("rare-rash")
    document |= {"name": "r9", "conditions": {"rare-rash": {"label": "Rare rash", "tier": "soon"}}}
    (tmp_path / "toy").symlink_to(toy)
    (tmp_path / "r9").mkdir()
    (tmp_path / "r9" / "release.json").write_text(json.dumps(document))
    monkeypatch.setenv("SMARTDERMA_RELEASE_DIR", str(tmp_path))
    monkeypatch.setitem(BY_SLUG, "rare-rash", BY_SLUG["acne"])  # forgotten again after the test
    settings.MODEL_RELEASE = "r9"
    client = browser(readers(1)[0])
    client.post(url("review_take", case))
    assert '<option value="rare-rash">Rare rash</option>' in client.get(url("review_case", case)).content.decode()
    assert client.post(url("review_case", case), {**FORM, "diagnosis": "rare-rash"}).status_code == 302
    assert case.reviews.get().diagnosis == "rare-rash"
