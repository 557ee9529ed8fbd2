"""Messages in a case, from both sides, through their addresses."""

from __future__ import annotations

import io
import re
import uuid
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image

from accounts.models import AccessLog, Purpose, User
from accounts.services import consent_set
from diagnosis import services
from diagnosis.models import Case, Message, MessageAttachment, Notice
from diagnosis.tasks import send_notice_task
from tests.kit import factories, photos

pytestmark = pytest.mark.django_db


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def dermatologist() -> User:
    return factories.DermatologistFactory()


@pytest.fixture
def case(dermatologist) -> Case:
    """A case that the dermatologist has signed; no e-mail waits."""
    case = factories.case_signed(reviewer=dermatologist)
    Notice.objects.all().delete()
    return case


def url_of(case: Case) -> str:
    return reverse("message_list", args=[case.pk])


def write(user: User, case: Case, text: str = "Hello", **data):
    return client_of(user).post(url_of(case), {"submission_key": str(uuid.uuid4()), "text": text, **data})


def upload(data: bytes | None = None, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, photos.with_gps() if data is None else data, "image/jpeg")


def status_of(user: User, url: str) -> int:
    answer = client_of(user).get(url)
    if answer.streaming:
        answer.getvalue()  # the test client closes the file at its end
    return answer.status_code


def text_of(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def stored_files() -> set[Path]:
    return {path for path in Path(django_settings.PRIVATE_ROOT).rglob("*") if path.is_file()}


# --- writing and reading -------------------------------------------------------------------------------------------
def test_both_sides_write_and_see_who_wrote(case, dermatologist):
    assert write(case.patient, case, "Does it spread?")["Location"] == f"{url_of(case)}#last"
    write(dermatologist, case, "It does not.")
    page = text_of(client_of(case.patient).get(url_of(case)))
    assert page.index("Does it spread?") < page.index("It does not.")
    assert "Dr Test Person" in page
    other_side = text_of(client_of(dermatologist).get(url_of(case)))
    assert "The patient" in other_side
    assert case.patient.email not in other_side


def test_a_message_that_is_sent_twice_is_stored_once(case):
    key = str(uuid.uuid4())
    for _ in range(2):
        write(case.patient, case, "Once", submission_key=key)
    assert Message.objects.count() == 1


def test_a_message_is_shown_as_text(case):
    write(case.patient, case, "<script>alert(1)</script>")
    page = client_of(case.patient).get(url_of(case)).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_nobody_writes_before_a_dermatologist_was_asked():
    case = factories.case_done()
    page = write(case.patient, case)
    assert page.status_code == 422
    assert "Please ask a dermatologist first" in text_of(page)
    assert not Message.objects.exists()


@pytest.mark.parametrize("text", ["", "   \n "])
def test_an_empty_message_is_refused(case, text):
    page = write(case.patient, case, text)
    assert page.status_code == 422
    assert "Please write something" in text_of(page)


def test_an_overlong_message_is_refused(case):
    assert write(case.patient, case, "x" * 4001).status_code == 422
    assert not Message.objects.exists()


def test_a_flood_is_refused(case, settings):
    settings.MAX_MESSAGES_PER_HOUR = 2
    assert [write(case.patient, case).status_code for _ in range(3)] == [302, 302, 422]


def test_strangers_find_nothing(case):
    for user in (
        factories.PatientFactory(),
        factories.DermatologistFactory(verified=False),
        factories.OperatorFactory(),
    ):
        assert write(user, case).status_code == 404
    assert not Message.objects.exists()


# --- read state ----------------------------------------------------------------------------------------------------
def test_opening_marks_the_other_sides_messages_as_read(case, dermatologist):
    write(case.patient, case)
    client_of(case.patient).get(url_of(case))
    assert Message.objects.get().read_at is None, "the own message is not read by reading it oneself"
    assert "Not read yet" in text_of(client_of(case.patient).get(url_of(case)))
    client_of(dermatologist).get(url_of(case))
    assert Message.objects.get().read_at is not None
    assert "Read on" in text_of(client_of(case.patient).get(url_of(case)))


def test_unread_messages_are_counted_in_list_and_menu(case, dermatologist):
    write(dermatologist, case)
    write(dermatologist, case)
    page = text_of(client_of(case.patient).get(reverse("case_list")))
    assert "2 new messages" in page
    assert 'class="count">2<' in page
    client_of(case.patient).get(url_of(case))
    page = text_of(client_of(case.patient).get(reverse("case_list")))
    assert "new message" not in page
    assert 'class="count"' not in page


def test_inbox_of_a_dermatologist_holds_the_cases_that_they_took_on(case, dermatologist):
    other = factories.case_in_review()
    write(case.patient, case)
    write(other.patient, other)
    client = client_of(dermatologist)
    page = text_of(client.get(reverse("message_inbox")))
    assert case.reference in page
    assert other.reference not in page
    assert 'class="count">1<' in page
    write(dermatologist, other, "I look at it.")
    assert other.reference in text_of(client.get(reverse("message_inbox")))
    assert case.reference in text_of(client_of(case.patient).get(reverse("message_inbox")))


def test_a_page_with_two_menus_counts_once(case, dermatologist):
    write(dermatologist, case)
    client = client_of(case.patient)
    with CaptureQueriesContext(connection) as queries:
        assert 'class="count">1<' in text_of(client.get(reverse("my_data")))
    assert sum("diagnosis_message" in query["sql"] for query in queries) == 1


def test_who_holds_a_case_has_its_messages_in_the_menu():
    case, reader = factories.case_in_review(), factories.DermatologistFactory()
    write(case.patient, case)
    client = client_of(reader)
    assert 'class="count"' not in text_of(client.get(reverse("message_inbox")))
    services.case_take(case=case, reader=reader)
    assert 'class="count">1<' in text_of(client.get(reverse("message_inbox")))


def test_reading_is_written_to_the_access_log(case, dermatologist):
    client_of(dermatologist).get(url_of(case))
    log = AccessLog.objects.get(action="messages")
    assert (log.actor, log.subject, log.object_id) == (dermatologist, case.patient, str(case.pk))


# --- photos --------------------------------------------------------------------------------------------------------
def test_photos_are_stripped_and_open_to_both_sides_only(case, dermatologist):
    write(case.patient, case, "", photo_files=[upload(), upload()])
    attachments = MessageAttachment.objects.all()
    assert [one.position for one in attachments] == [0, 1]
    with attachments[0].file.open() as file:
        assert not Image.open(io.BytesIO(file.read())).getexif()
    url = reverse("attachment_file", args=[attachments[0].pk])
    people = (case.patient, dermatologist, factories.PatientFactory(), factories.OperatorFactory())
    assert [status_of(user, url) for user in people] == [200, 200, 404, 404]
    assert url in client_of(dermatologist).get(url_of(case)).content.decode()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([b"no photo at all"], "We cannot read this file as a photo"),
        ([None, b"GIF89a"], "Photo 2"),
        ([None] * 4, "at most three photos"),
    ],
)
def test_a_bad_photo_is_refused_and_nothing_is_left(case, files, words):
    before = stored_files()
    page = write(case.patient, case, "Look", photo_files=[upload(data) for data in files])
    assert page.status_code == 422
    assert words in text_of(page)
    assert not Message.objects.exists()
    assert stored_files() == before


def test_without_consent_to_care_no_photo_is_taken(case):
    consent_set(user=case.patient, purposes=[Purpose.STORAGE], language="en")
    write(case.patient, case, "Only words", photo_files=[upload()])
    assert not MessageAttachment.objects.exists()
    assert Message.objects.get().text == "Only words"


def test_messages_go_with_their_case(case, django_capture_on_commit_callbacks):
    before = stored_files()
    write(case.patient, case, "Look", photo_files=[upload()])
    assert len(stored_files() - before) == 1
    with django_capture_on_commit_callbacks(execute=True):
        services.case_erase(case=case)
    assert not Message.objects.exists()
    assert not stored_files() - before


# --- e-mails -------------------------------------------------------------------------------------------------------
def deliver() -> None:
    for notice in Notice.objects.filter(status="queued"):
        send_notice_task(str(notice.pk))


def test_the_other_side_gets_one_mail_until_it_has_read(case, dermatologist):
    for _ in range(3):
        write(case.patient, case, "I am worried about my eczema")
    deliver()
    assert [message.to for message in mail.outbox] == [[dermatologist.email]]
    client_of(dermatologist).get(url_of(case))
    write(case.patient, case, "One more thing")
    write(dermatologist, case, "Do not worry")
    deliver()
    assert sorted(message.to[0] for message in mail.outbox[1:]) == sorted([dermatologist.email, case.patient.email])


def test_the_mail_has_nothing_of_the_message(case, dermatologist):
    write(dermatologist, case, "Your eczema needs a cream")
    deliver()
    text = f"{mail.outbox[0].subject} {mail.outbox[0].body}"
    for secret in ("eczema", "cream", "Test Person", case.reference, "dermatolog", "skin"):
        assert secret not in text
    assert url_of(case) in text


def test_messages_of_a_case_that_nobody_took_mail_nobody():
    case = factories.case_in_review()
    write(case.patient, case)
    assert not Notice.objects.exists()


# --- on the pages of the case --------------------------------------------------------------------------------------
def test_the_case_page_loads_the_thread_and_comes_back_to_itself(case):
    client = client_of(case.patient)
    page = client.get(reverse("case_detail", args=[case.pk])).content.decode()
    assert f'hx-get="{url_of(case)}"' in page
    fragment = client.get(url_of(case), headers={"hx-request": "true"}).content.decode()
    assert "<html" not in fragment
    assert 'name="from" value="case"' in fragment
    data = {"submission_key": str(uuid.uuid4()), "text": "Hello", "from": "case"}
    answer = client.post(url_of(case), data)
    assert answer["Location"] == f"{reverse('case_detail', args=[case.pk])}#messages"


def test_the_review_screen_shows_the_messages(case, dermatologist):
    page = client_of(dermatologist).get(reverse("review_case", args=[case.pk])).content.decode()
    assert f'hx-get="{url_of(case)}"' in page
    assert "htmx" in page.split("</head>")[1]


def test_the_page_of_a_case_that_nobody_was_asked_about_has_no_messages():
    case = factories.case_done()
    page = client_of(case.patient).get(reverse("case_detail", args=[case.pk])).content.decode()
    assert url_of(case) not in page


# --- independent readers, partners, long threads -------------------------------------------------------------------
def test_who_had_nobody_to_tell_at_first_tells_the_reader_later():
    case, reader = factories.case_in_review(), factories.DermatologistFactory()
    write(case.patient, case, "Is anybody there?")
    assert not Notice.objects.filter(kind="new_message").exists()
    services.review_sign(
        case=case, reviewer=reader, diagnosis="eczema", tier="routine", note_to_patient="Use the cream."
    )
    for _ in range(2):
        write(case.patient, case, "One more question")
    assert [notice.user for notice in Notice.objects.filter(kind="new_message")] == [reader]


def test_a_second_reader_sees_nothing_of_what_the_first_wrote(settings):
    settings.SECOND_READ_TIERS = ["routine"]
    case, first, second = factories.case_in_review(), *(factories.DermatologistFactory() for _ in range(2))
    write(case.patient, case, "It itches.")
    write(first, case, "This is psoriasis.", photo_files=[upload()])
    photo = reverse("attachment_file", args=[MessageAttachment.objects.get().pk])
    services.review_sign(
        case=case, reviewer=first, diagnosis="psoriasis", tier="routine", note_to_patient="It is psoriasis."
    )
    pages = {user: text_of(client_of(user).get(url_of(case))) for user in (first, second, case.patient)}
    assert ["This is psoriasis." in pages[user] for user in (first, second, case.patient)] == [True, False, True]
    assert "It itches." in pages[second]
    assert [status_of(user, photo) for user in (first, second, case.patient)] == [200, 404, 200]
    services.review_sign(
        case=case, reviewer=second, diagnosis="psoriasis", tier="routine", note_to_patient="It is psoriasis."
    )
    assert "This is psoriasis." in text_of(client_of(second).get(url_of(case)))


def test_a_partners_case_has_no_messages_which_nobody_could_read(dermatologist):
    case = factories.case_signed(partner=factories.PartnerFactory(), reviewer=dermatologist)
    assert client_of(dermatologist).get(url_of(case)).status_code == 404
    assert write(dermatologist, case).status_code == 404
    assert not Message.objects.exists()


def test_a_long_thread_has_pages_and_an_old_page_reads_nothing(case, dermatologist, monkeypatch):
    monkeypatch.setattr("diagnosis.views_messages.THREAD_SIZE", 2)
    for number in range(3):
        write(dermatologist, case, f"Message {number}")
    client = client_of(case.patient)
    last = client.get(url_of(case))
    page = text_of(last)
    assert [f"Message {number}" in page for number in range(3)] == [False, True, True]
    assert page.index("Message 1") < page.index("Message 2")
    Message.objects.update(read_at=None)
    older = client.get(url_of(case), {"at": last.context["page"].older})
    assert "Message 0" in text_of(older)
    assert "Message 2" not in text_of(older)
    assert not Message.objects.exclude(read_at=None).exists()
