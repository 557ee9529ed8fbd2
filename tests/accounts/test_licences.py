"""A dermatologist applies, an operator decides; documents are opened, not believed, and seen by two only."""

from __future__ import annotations

import io

import pytest
from auditlog.models import LogEntry
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from accounts.documents import checked_document
from accounts.models import AccessLog, DermatologistProfile, Role
from tests.kit import factories, photos

pytestmark = pytest.mark.django_db

DATA = {"full_name": "Dr New Person", "licence_number": "N-1", "licence_country": "IN"}


def browser(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def pdf(pages: int = 1, *, script: bool = False, password: str = "") -> bytes:
    writer = PdfWriter()
    for _page in range(pages):
        writer.add_blank_page(200, 200)
    if script:
        action = {"/S": NameObject("/JavaScript"), "/JS": TextStringObject("app.alert('hello')")}
        writer.root_object[NameObject("/OpenAction")] = DictionaryObject(
            {NameObject(key): value for key, value in action.items()}
        )
        writer.add_attachment("virus.exe", b"MZ")
    if password:
        writer.encrypt(password)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def apply(client: Client, **changes):
    document = SimpleUploadedFile("licence.pdf", pdf(script=True))
    return client.post(reverse("licence_apply"), {**DATA, "document": document, **changes})


def decide(operator, profile, decision: str, reason: str = ""):
    url = reverse("admin:accounts_dermatologistprofile_change", args=[profile.pk])
    data = {"decision": decision, "reason": reason, "clinic_name": "", "clinic_address": "", "clinic_phone": ""}
    return browser(operator).post(url, {**data, "clinic_website": "", "latitude": "", "longitude": ""})


def test_from_application_to_the_first_case(django_capture_on_commit_callbacks):
    operator = factories.OperatorFactory(is_superuser=True)
    person = factories.UserFactory()
    client = browser(person)
    with django_capture_on_commit_callbacks(execute=True):
        assert apply(client).status_code == 302
    assert [message.to for message in mail.outbox] == [[operator.email]]
    person.refresh_from_db()
    profile = person.dermatologist
    assert (person.role, profile.standing) == (Role.DERMATOLOGIST, "waiting")
    assert client.get(reverse("review_queue")).status_code == 404
    assert "We are checking your licence" in client.get(reverse("licence_apply")).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        assert decide(operator, profile, "verify").status_code == 302
    assert mail.outbox[-1].to == [person.email]
    assert client.get(reverse("review_queue")).status_code == 200
    change = LogEntry.objects.filter(object_pk=str(profile.pk), actor=operator).latest("timestamp")
    assert "verified_at" in change.changes_dict


def test_a_refusal_needs_a_reason_and_lets_the_person_apply_again():
    operator = factories.OperatorFactory(is_superuser=True)
    person = factories.UserFactory()
    client = browser(person)
    apply(client)
    profile = person.dermatologist
    assert decide(operator, profile, "refuse").status_code == 200
    decide(operator, profile, "refuse", "The document is not readable.")
    assert "The document is not readable." in client.get(reverse("licence_apply")).content.decode()
    former = DermatologistProfile.objects.get().document.name
    apply(client, licence_number="N-2")
    profile = DermatologistProfile.objects.get()
    assert (profile.standing, profile.licence_number, profile.refusal_reason) == ("waiting", "N-2", "")
    assert profile.document.name != former


def test_a_withdrawn_licence_closes_the_desk_at_once():
    operator = factories.OperatorFactory(is_superuser=True)
    reader = factories.DermatologistFactory()
    client = browser(reader)
    assert client.get(reverse("review_queue")).status_code == 200
    decide(operator, reader.dermatologist, "refuse", "The licence has ended.")
    assert client.get(reverse("review_queue")).status_code == 404


@pytest.mark.parametrize(
    "make", [factories.PatientFactory, factories.DermatologistFactory], ids=["patient", "verified"]
)
def test_who_is_something_already_cannot_apply(make):
    apply(browser(make()))
    assert not DermatologistProfile.objects.filter(full_name=DATA["full_name"]).exists()


def test_a_licence_belongs_to_one_person():
    apply(browser(factories.UserFactory()))
    answer = apply(browser(factories.UserFactory()))
    assert answer.status_code == 422
    assert DermatologistProfile.objects.count() == 1


def test_a_pdf_keeps_its_pages_only():
    stored = PdfReader(io.BytesIO(checked_document(io.BytesIO(pdf(2, script=True))).read()))
    assert len(stored.pages) == 2
    assert "/Names" not in stored.trailer["/Root"]
    assert "/OpenAction" not in stored.trailer["/Root"]


def test_a_photo_becomes_a_fresh_jpeg():
    stored = checked_document(io.BytesIO(photos.with_gps())).read()
    assert stored.startswith(b"\xff\xd8")
    assert b"Exif" not in stored


@pytest.mark.parametrize(
    "data",
    [b"", b"MZ executable", b"%PDF-1.7 but no more", pdf(21), pdf(password="secret"), b"%PDF-" + b"x" * 11_000_000],
    ids=["empty", "program", "broken", "long", "locked", "large"],
)
def test_what_cannot_be_opened_is_refused(data):
    with pytest.raises(ValidationError):
        checked_document(io.BytesIO(data))


def test_a_look_at_a_document_is_logged():
    apply(browser(factories.UserFactory()))
    profile = DermatologistProfile.objects.get()
    operator = factories.OperatorFactory()
    answer = browser(operator).get(reverse("licence_document", args=[profile.pk]))
    assert answer["Content-Type"] == "application/pdf"
    answer.getvalue()
    assert AccessLog.objects.filter(actor=operator, action="licence").count() == 1
