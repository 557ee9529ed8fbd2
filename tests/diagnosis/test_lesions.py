"""Spots over time through their addresses: filing, timeline, notes, comparison, reminders."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Purpose, User
from accounts.services import consent_set
from diagnosis import services
from diagnosis.models import Case, Lesion, LesionNote, Notice, Reminder
from diagnosis.services.lesions import months_later
from diagnosis.tasks import send_notice_task, send_reminders_task
from tests.kit import factories, photos

pytestmark = pytest.mark.django_db


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def followed(patient: User) -> Lesion:
    """A spot with two checks, the second of them signed."""
    lesion = services.lesion_create(patient=patient, body_site="arm", name="Mole on the left arm")
    for make in (factories.case_done, factories.case_signed):
        services.case_file(case=make(patient=patient), lesion=lesion)
    Notice.objects.all().delete()  # the e-mail about the signed opinion is not what these tests look at
    return lesion


def text_of(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


# --- filing --------------------------------------------------------------------------------------------------------
def test_a_check_is_filed_under_a_new_spot_and_the_next_under_the_same(portal, patient):
    first, second = (factories.case_done(patient=patient) for _ in range(2))
    answer = portal.post(reverse("case_file", args=[first.pk]), {"lesion": "new", "name": "Mole"})
    lesion = Lesion.objects.get()
    assert answer["Location"] == reverse("lesion_detail", args=[lesion.pk])
    assert (lesion.name, lesion.body_site, lesion.patient) == ("Mole", "arm", patient)
    assert f'value="{lesion.pk}"' in text_of(portal.get(reverse("case_file", args=[second.pk])))
    portal.post(reverse("case_file", args=[second.pk]), {"lesion": str(lesion.pk)})
    assert set(lesion.cases.all()) == {first, second}


def test_nobody_files_under_the_spot_of_somebody_else(portal, patient):
    case = factories.case_done(patient=patient)
    foreign = services.lesion_create(patient=factories.PatientFactory(), body_site="arm", name="Secret mole")
    page = portal.post(reverse("case_file", args=[case.pk]), {"lesion": str(foreign.pk)})
    assert page.status_code == 422
    assert "Secret" not in text_of(page)
    assert Case.objects.get(pk=case.pk).lesion is None
    with pytest.raises(PermissionError):
        services.case_file(case=case, lesion=foreign)


def test_a_check_is_taken_out_again_and_stays(portal, followed):
    case = followed.cases.first()
    answer = portal.post(reverse("case_unfile", args=[case.pk]))
    assert answer["Location"] == reverse("lesion_detail", args=[followed.pk])
    assert Case.objects.get(pk=case.pk).lesion is None


def test_very_many_spots_are_refused_with_a_sentence(portal, patient, monkeypatch):
    monkeypatch.setattr("diagnosis.services.lesions.MAX_LESIONS", 1)
    services.lesion_create(patient=patient, body_site="arm")
    case = factories.case_done(patient=patient)
    page = portal.post(reverse("case_file", args=[case.pk]), {"lesion": "new", "name": ""})
    assert page.status_code == 422
    assert "very many spots" in text_of(page)
    assert Lesion.objects.count() == 1


# --- the page of a spot --------------------------------------------------------------------------------------------
def test_list_and_timeline_show_dates_results_and_notes(portal, followed):
    services.note_create(lesion=followed, text="Itches since Monday.")
    assert "Mole on the left arm" in text_of(portal.get(reverse("lesion_list")))
    page = text_of(portal.get(reverse("lesion_detail", args=[followed.pk])))
    for expected in (
        "Itches since Monday.",
        "Looks most like: Eczema",
        "Signed by Dr Test Person",
        "Compare two photos",
    ):
        assert expected in page
    assert page.count("/photos/") == 2


def test_notes_are_written_refused_and_deleted(portal, followed):
    url = reverse("note_create", args=[followed.pk])
    assert portal.post(url, {"text": " "}).status_code == 422
    portal.post(url, {"text": "Bigger?"})
    note = LesionNote.objects.get()
    portal.post(reverse("note_delete", args=[followed.pk, note.pk]))
    assert not LesionNote.objects.exists()


def test_a_note_is_never_shown_to_a_dermatologist(followed):
    services.note_create(lesion=followed, text="Only for me.")
    dermatologist = client_of(factories.DermatologistFactory())
    assert dermatologist.get(reverse("lesion_detail", args=[followed.pk])).status_code == 404
    page = dermatologist.get(reverse("lesion_compare", args=[followed.pk]))
    assert page.status_code == 404, "only one of the two checks was sent to the dermatologists: nothing to compare"


def test_renaming_and_deleting_a_spot_keeps_its_checks(portal, followed):
    portal.post(reverse("lesion_rename", args=[followed.pk]), {"name": "Left arm"})
    followed.refresh_from_db()
    assert followed.name == "Left arm"
    services.reminder_set(lesion=followed, months=3)
    assert portal.get(reverse("lesion_delete", args=[followed.pk])).status_code == 200
    portal.post(reverse("lesion_delete", args=[followed.pk]))
    assert Case.objects.filter(lesion=None).count() == 2
    assert not Reminder.objects.exists()


def test_without_consent_to_storage_the_pages_say_that_photos_go(portal, patient, followed):
    assert "Your photos are not kept" not in text_of(portal.get(reverse("lesion_list")))
    consent_set(user=patient, purposes=[Purpose.CARE], language="en")
    assert "Your photos are not kept" in text_of(portal.get(reverse("lesion_list")))


# --- comparing -----------------------------------------------------------------------------------------------------
def test_two_photos_side_by_side_the_first_against_the_last(portal, followed):
    page = text_of(portal.get(reverse("lesion_compare", args=[followed.pk])))
    first, last = (case.images.get() for case in followed.cases.order_by("created_at"))
    shown = re.findall(r'<img src="/photos/([0-9a-f-]+)/"', page)
    assert shown == [str(first.pk), str(last.pk)]
    swapped = text_of(
        portal.get(reverse("lesion_compare", args=[followed.pk]), {"before": str(last.pk), "after": str(first.pk)})
    )
    assert re.findall(r'<img src="/photos/([0-9a-f-]+)/"', swapped) == [str(last.pk), str(first.pk)]


@pytest.mark.parametrize("photo", ["nonsense", "11111111-1111-4111-8111-111111111111"])
def test_a_photo_that_is_not_of_this_spot_is_not_found(portal, followed, photo):
    assert portal.get(reverse("lesion_compare", args=[followed.pk]), {"before": photo}).status_code == 404


def test_a_spot_with_one_photo_has_nothing_to_compare(portal, patient):
    lesion = services.lesion_create(patient=patient, body_site="arm")
    services.case_file(case=factories.case_done(patient=patient), lesion=lesion)
    assert portal.get(reverse("lesion_compare", args=[lesion.pk])).status_code == 404
    assert "Compare two photos" not in text_of(portal.get(reverse("lesion_detail", args=[lesion.pk])))


def test_a_dermatologist_compares_the_checks_that_were_sent(patient):
    lesion = services.lesion_create(patient=patient, body_site="arm", name="Mole")
    sent = [factories.case_in_review(patient=patient) for _ in range(2)]
    for case in [*sent, factories.case_done(patient=patient)]:
        services.case_file(case=case, lesion=lesion)
    page = text_of(client_of(factories.DermatologistFactory()).get(reverse("lesion_compare", args=[lesion.pk])))
    options = set(re.findall(r'<option value="([0-9a-f-]+)"', page))
    assert options == {str(case.images.get().pk) for case in sent}


# --- a new check of a spot -----------------------------------------------------------------------------------------
def test_checking_a_spot_again_says_so_and_a_plain_new_check_forgets_it(portal, followed):
    page = text_of(portal.get(reverse("case_create"), {"spot": str(followed.pk)}))
    assert "will be filed under “Mole on the left arm”" in page
    assert f'name="spot" value="{followed.pk}"' in page_of_start(portal, followed)
    assert 'name="spot"' not in portal.get(reverse("case_create")).content.decode()


def page_of_start(portal: Client, spot: Lesion) -> str:
    return portal.get(reverse("case_create"), {"spot": str(spot.pk)}).content.decode()


def send_check(portal: Client, spot: Lesion | None = None) -> Case:
    photo = SimpleUploadedFile("photo.jpg", photos.skin(), "image/jpeg")
    data = {**factories.ANSWERS, "step": "send", "submission_key": str(uuid.uuid4()), "photo_close_up": photo}
    data |= {"spot": str(spot.pk)} if spot else {}
    answer = portal.post(reverse("case_create"), data)
    assert answer.status_code == 302
    return Case.objects.latest("created_at")


def test_a_check_of_a_spot_is_filed_when_it_is_sent(portal, followed, toy_release):
    page_of_start(portal, followed)
    assert send_check(portal).lesion is None, "a check of something else, begun in another tab"
    assert send_check(portal, followed).lesion == followed


def test_a_check_of_a_spot_that_was_deleted_meanwhile_is_sent_all_the_same(portal, followed, toy_release):
    gone = Lesion(pk=followed.pk)
    services.lesion_delete(lesion=followed)
    assert send_check(portal, gone).lesion is None


@pytest.mark.parametrize("spot", ["nonsense", "11111111-1111-4111-8111-111111111111"])
def test_a_strange_spot_is_ignored(portal, spot):
    assert portal.get(reverse("case_create"), {"spot": spot}).status_code == 200


# --- reminders -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("start", "months", "expected"),
    [((2026, 1, 31), 1, (2026, 2, 28)), ((2026, 11, 23), 3, (2027, 2, 23)), ((2024, 2, 29), 12, (2025, 2, 28))],
)
def test_months_later_is_a_day_that_exists(start, months, expected):
    assert months_later(datetime(*start, tzinfo=UTC), months) == datetime(*expected, tzinfo=UTC)


@pytest.fixture
def due(portal, followed) -> Reminder:
    """A reminder whose day has come."""
    portal.post(reverse("reminder_set", args=[followed.pk]), {"months": "3"})
    reminder = Reminder.objects.get()
    assert reminder.due_at > timezone.now() + timedelta(days=85)
    Reminder.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    return Reminder.objects.get()


def send_due_reminders() -> None:
    send_reminders_task()
    for notice in Notice.objects.filter(status="queued"):
        send_notice_task(str(notice.pk))


def test_a_reminder_goes_out_once_and_comes_again(due):
    for _ in range(3):
        send_due_reminders()
    assert len(mail.outbox) == 1
    due.refresh_from_db()
    assert due.due_at > timezone.now() + timedelta(days=85)
    assert due.is_active


def test_two_beats_that_saw_the_same_reminder_queue_one_mail(due):
    stale = Reminder.objects.get()
    assert services.reminders_send() == 1
    from diagnosis.services.lesions import _reminder_send

    assert _reminder_send(stale) is False
    assert Notice.objects.count() == 1


def test_the_mail_says_nothing_about_the_spot(due, patient):
    send_due_reminders()
    message = mail.outbox[0]
    assert message.to == [patient.email]
    for secret in ("Mole", "arm", "spot", "skin", "photo", "month"):
        assert secret not in f"{message.subject} {message.body.split('http')[0]}"
    assert reverse("lesion_detail", args=[due.lesion_id]) in message.body


def stop_link() -> str:
    return re.search(r"http://testserver(/stop/\S+)", mail.outbox[0].body).group(1)


def test_the_link_in_the_mail_stops_the_reminder_without_a_log_in(due, client):
    send_due_reminders()
    link = stop_link()
    assert client.get(link).status_code == 200
    assert Reminder.objects.get().is_active, "mail programmes open links by themselves"
    stranger = Client(enforce_csrf_checks=True)
    assert stranger.post(link, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not Reminder.objects.get().is_active
    Reminder.objects.update(due_at=timezone.now() - timedelta(days=1))
    send_due_reminders()
    assert len(mail.outbox) == 1


def test_a_forged_or_foreign_token_stops_nothing(due, client):
    from django.core import signing

    send_due_reminders()
    link = stop_link()
    forged = [link[:-3] + "xx/", "/stop/nonsense/", f"/stop/{signing.dumps(['reminder', str(due.pk)], salt='x')}/"]
    for address in forged:
        assert client.get(address).status_code == client.post(address).status_code == 404
    assert Reminder.objects.get().is_active


def test_a_reminder_is_stopped_on_the_page(portal, due, followed):
    portal.post(reverse("reminder_stop", args=[followed.pk]))
    send_due_reminders()
    assert mail.outbox == []
    assert portal.post(reverse("reminder_set", args=[followed.pk]), {"months": "5"}).status_code == 422
    portal.post(reverse("reminder_set", args=[followed.pk]), {"months": "6"})
    assert Reminder.objects.get().is_active


def test_a_reminder_that_was_stopped_after_it_was_queued_is_not_mailed(due):
    send_reminders_task()
    services.reminder_stop(reminder_id=due.pk)
    send_due_reminders()
    assert mail.outbox == []
    assert not Notice.objects.exists()


def test_notes_have_a_limit_with_a_sentence(portal, followed, monkeypatch):
    monkeypatch.setattr("diagnosis.services.lesions.MAX_NOTES", 1)
    address = reverse("note_create", args=[followed.pk])
    assert portal.post(address, {"text": "One"}).status_code == 302
    refused = portal.post(address, {"text": "Two"})
    assert refused.status_code == 422
    assert "very many notes" in text_of(refused)
    assert LesionNote.objects.count() == 1
