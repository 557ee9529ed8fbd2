"""Own data: the download, who looked, leaving, legal holds, certificates. Nothing of a person stays."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from fhir.resources.R4B.bundle import Bundle
from pypdf import PdfReader

from accounts import services_export
from accounts.models import AccessLog, DataExport, DermatologistProfile, ErasureCertificate, LegalHold, Purpose, User
from accounts.services import consent_set
from accounts.services_own_data import OnHold, account_erase, hold_place
from accounts.tasks import build_export_task, sweep_exports_task
from diagnosis import services
from diagnosis.models import Case, IntakePhoto, Lesion, PendingDeletion, Review, Upload
from tests.kit import factories, whole_person
from tests.kit.whole_person import OWN_WORDS, make_whole_person, models_of_people, rows_of, stored_files

pytestmark = pytest.mark.django_db

# Models that lead to an account by cascade, but never to that of a patient.
NOT_OF_PATIENTS = {
    "accounts.DermatologistProfile": "a dermatologist's licence",
    "accounts.User_groups": "groups are not used",
    "accounts.User_user_permissions": "single permissions are not used",
    "admin.LogEntry": "what an operator did in the administration",
    "account.EmailConfirmation": "confirmations are signed links without a row",
    "diagnosis.SavedView": "a dermatologist's filters",
    "diagnosis.NoteTemplate": "a dermatologist's texts",
    "diagnosis.WebhookDelivery": "a partner's news",
    "diagnosis.WebhookAttempt": "a partner's news",
}


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


# --- nothing stays -------------------------------------------------------------------------------------------------
def test_the_whole_person_has_a_row_in_every_model(toy_release):
    """A new model that belongs to people fails this test until `whole_person` makes a row of it."""
    made = {model._meta.label for model, _pk in rows_of(make_whole_person())}
    assert {model._meta.label for model in models_of_people()} - made - NOT_OF_PATIENTS.keys() == set()


def leave(client: Client, user: User) -> str:
    """The whole way in the browser: ask, prove it with the password, gone. Gives the address of the certificate."""
    answer = client.post(reverse("account_delete"), {"sure": "on"})
    assert answer["Location"].startswith(reverse("account_reauthenticate")), "the password is asked for again"
    assert User.objects.filter(pk=user.pk).exists()
    wrong = client.post(answer["Location"], {"password": "not-the-password"})
    assert wrong.status_code == 200
    answer = client.post(answer["Location"], {"password": factories.PASSWORD})
    return answer["Location"]


def test_leaving_takes_every_row_every_file_and_every_word(toy_release, django_capture_on_commit_callbacks):
    files_before = stored_files()
    with django_capture_on_commit_callbacks(execute=True):
        person = make_whole_person()
    rows, files = rows_of(person), stored_files() - files_before
    other = factories.case_signed()
    folders = {path.parent.name for path in files}
    assert folders >= {"photos", "heatmaps", "reports", "messages", "intake", "exports", "training"}, folders
    words = whole_person.words_of(person, rows, files)
    assert whole_person.traces_of(words), "the search finds what is there"

    client = Client()
    client.post(reverse("account_login"), {"login": person.email, "password": factories.PASSWORD})
    with django_capture_on_commit_callbacks(execute=True):
        certificate_page = leave(client, person)

    left = [(model, pk) for model, pk in rows if model._base_manager.filter(pk=pk).exists()]
    assert left == []
    assert not PendingDeletion.objects.exists()
    assert files & stored_files() == set()
    assert whole_person.traces_of(words) == set()
    assert Case.objects.filter(pk=other.pk).exists()
    _assert_certificate(client, certificate_page, rows)


def _assert_certificate(client: Client, address: str, rows: set) -> None:
    certificate = ErasureCertificate.objects.get()
    assert address == reverse("erasure_certificate", args=[certificate.pk])
    assert sum(certificate.counts.values()) == len(rows)
    assert certificate.counts["diagnosis.Case"] == 2
    assert certificate.files >= 8
    page = text_of(client.get(address))
    assert "Certificate of erasure" in page
    assert certificate.sha256 in page
    assert hashlib.sha256(certificate.document().encode()).hexdigest() == certificate.sha256
    assert text_of(Client().get(address)).count(certificate.sha256) == 1, "open to whoever has the address"


def test_a_changed_certificate_is_found_out():
    services.case_erase(case=factories.case_done())
    certificate = ErasureCertificate.objects.get()
    address = reverse("erasure_certificate", args=[certificate.pk])
    assert "Somebody changed it" not in text_of(Client().get(address))
    ErasureCertificate.objects.update(files=certificate.files + 1)
    assert "Somebody changed it" in text_of(Client().get(address))


def test_the_log_in_ends_with_the_account(django_capture_on_commit_callbacks):
    person = factories.PatientFactory()
    here, elsewhere = Client(), client_of(person)
    here.post(reverse("account_login"), {"login": person.email, "password": factories.PASSWORD})
    with django_capture_on_commit_callbacks(execute=True):
        leave(here, person)
    for client in (here, elsewhere):
        assert client.get(reverse("case_list")).status_code == 302


def test_one_box_must_be_ticked():
    person = factories.PatientFactory()
    client = Client()
    client.post(reverse("account_login"), {"login": person.email, "password": factories.PASSWORD})
    client.post(reverse("account_reauthenticate"), {"password": factories.PASSWORD})
    assert client.post(reverse("account_delete"), {}).status_code == 200
    assert User.objects.filter(pk=person.pk).exists()


def test_deleting_one_case_gives_a_certificate_and_keeps_the_rest(django_capture_on_commit_callbacks):
    person = factories.PatientFactory()
    gone, stays = (factories.case_done(patient=person) for _ in range(2))
    with django_capture_on_commit_callbacks(execute=True):
        answer = client_of(person).post(reverse("case_delete", args=[gone.pk]))
    certificate = ErasureCertificate.objects.get()
    assert answer["Location"] == reverse("erasure_certificate", args=[certificate.pk])
    assert (certificate.scope, certificate.counts["diagnosis.Case"], certificate.files) == ("case", 1, 1)
    assert list(Case.objects.all()) == [stays]


# --- who cannot simply go ------------------------------------------------------------------------------------------
def test_a_legal_hold_is_named_and_stops_every_erasure(settings):
    person = factories.PatientFactory(consents=[Purpose.CARE])
    case = factories.case_done(patient=person)
    hold_place(user=person, reason="Court order 12/2026, until May", operator=factories.OperatorFactory())
    client = Client()
    client.post(reverse("account_login"), {"login": person.email, "password": factories.PASSWORD})
    assert "Court order 12/2026" in text_of(client.get(reverse("account_delete")))
    client.post(reverse("account_reauthenticate"), {"password": factories.PASSWORD})
    assert "Court order 12/2026" in text_of(client.post(reverse("account_delete"), {"sure": "on"}))
    client.post(reverse("case_delete", args=[case.pk]))
    Case.objects.update(created_at=timezone.now() - timedelta(days=999))
    assert services.cases_expire() == 0
    with pytest.raises(OnHold):
        account_erase(user=person)
    assert Case.objects.filter(pk=case.pk).exists()
    LegalHold.objects.all().delete()
    assert services.cases_expire() == 1
    account_erase(user=person)
    assert not User.objects.filter(pk=person.pk).exists()


def test_only_an_operator_places_a_hold():
    with pytest.raises(PermissionError):
        hold_place(user=factories.PatientFactory(), reason="x", operator=factories.DermatologistFactory())


def test_an_operator_places_and_ends_a_hold_in_the_administration():
    root = factories.OperatorFactory(is_superuser=True)
    person = factories.PatientFactory()
    client = client_of(root)
    client.post(reverse("admin:accounts_legalhold_add"), {"user": person.pk, "reason": "Court order"})
    hold = LegalHold.objects.get()
    assert (hold.user, hold.placed_by, hold.reason) == (person, root, "Court order")
    client.post(reverse("admin:accounts_legalhold_delete", args=[hold.pk]), {"post": "yes"})
    assert not LegalHold.objects.exists()


def test_an_operator_who_deletes_an_account_leaves_no_file(django_capture_on_commit_callbacks):
    before = stored_files()
    person = factories.case_done().patient
    root = client_of(factories.OperatorFactory(is_superuser=True))
    with django_capture_on_commit_callbacks(execute=True):
        root.post(reverse("admin:accounts_user_delete", args=[person.pk]), {"post": "yes"})
    assert not User.objects.filter(pk=person.pk).exists()
    assert stored_files() == before


def test_the_administration_refuses_to_delete_a_person_on_hold():
    person = factories.PatientFactory()
    root = factories.OperatorFactory(is_superuser=True)
    hold_place(user=person, reason="Court order", operator=root)
    page = client_of(root).post(reverse("admin:accounts_user_delete", args=[person.pk]), {"post": "yes"})
    assert "Court order" in page.content.decode()
    assert User.objects.filter(pk=person.pk).exists()


def test_a_dermatologist_who_signed_leaves_the_signature_and_nothing_else():
    reader = factories.DermatologistFactory()
    case = factories.case_signed(reviewer=reader)
    held = services.case_take(case=factories.case_in_review(), reader=reader)
    email, licence = reader.email, reader.dermatologist.licence_number
    certificate = account_erase(user=reader)
    assert certificate.scope == "closing"
    assert certificate.kept["diagnosis.Review"] == 1
    reader.refresh_from_db()
    assert (reader.is_active, reader.has_usable_password(), reader.email) == (
        False,
        False,
        f"{reader.pseudonym.lower()}@closed.invalid",
    )
    assert whole_person.traces_of({email}) == set()
    review = Review.objects.get(case=case)
    assert licence in review.reviewer_licence
    assert not User.objects.get(pk=reader.pk).is_verified_dermatologist
    held.refresh_from_db()
    assert held.review_holder is None
    page = text_of(Client().get(reverse("erasure_certificate", args=[certificate.pk])))
    assert "a medical record must say who signed it (1)" in page
    answer = Client().post(reverse("account_login"), {"login": email, "password": factories.PASSWORD})
    assert answer.status_code == 200


def test_a_dermatologist_who_signed_nothing_goes_entirely():
    reader = factories.DermatologistFactory(verified=False)
    assert account_erase(user=reader).scope == "account"
    assert not DermatologistProfile.objects.filter(pk=reader.pk).exists()


# --- consents ------------------------------------------------------------------------------------------------------
def test_without_consent_to_care_nothing_more_is_done(django_capture_on_commit_callbacks):
    person = factories.PatientFactory()
    queued = factories.case_queued(patient=person)
    asked, photos_asked = factories.case_in_review(patient=person), factories.case_asked(patient=person)
    signed = factories.case_signed(patient=person)
    lesion = services.lesion_create(patient=person, body_site="arm")
    reminder = services.reminder_set(lesion=lesion, months=1)
    whole_person._half_sent(person)
    with django_capture_on_commit_callbacks(execute=True):
        consent_set(user=person, purposes=[Purpose.STORAGE], language="en")
    analysis = queued.analyses.get()
    assert (analysis.status, analysis.failure) == ("failed", "consent")
    for case in (asked, photos_asked):
        case.refresh_from_db()
        assert (case.review_requested_at, case.review_state) == (None, "")
    reader = factories.DermatologistFactory()
    again = services.review_request(case=photos_asked, actor=person)
    assert services.photos_request(case=again, reader=reader, missing=["sharp"]), "the old request is closed"
    signed.refresh_from_db()
    assert signed.review_requested_at is not None, "what was answered stays a record"
    reminder.refresh_from_db()
    assert not reminder.is_active
    assert not Upload.objects.exists()
    assert not IntakePhoto.objects.exists()


def test_the_page_says_what_taking_back_does(settings):
    settings.RETENTION_DAYS_WITHOUT_STORAGE_CONSENT = 17
    page = text_of(client_of(factories.PatientFactory()).get(reverse("consent_edit")))
    assert "checks that are older than 17 days are deleted" in page


def test_taking_back_storage_or_research_stops_no_care():
    person = factories.PatientFactory(consents=list(Purpose.values))
    case = factories.case_in_review(patient=person)
    consent_set(user=person, purposes=[Purpose.CARE], language="en")
    case.refresh_from_db()
    assert case.review_requested_at is not None


def test_an_empty_spot_goes_with_the_consent_to_storage():
    keeps, leaves = factories.PatientFactory(), factories.PatientFactory(consents=[Purpose.CARE])
    lesions = {user: services.lesion_create(patient=user, body_site="arm") for user in (keeps, leaves)}
    Lesion.objects.update(created_at=timezone.now() - timedelta(days=2))
    services.cases_expire()
    assert list(Lesion.objects.all()) == [lesions[keeps]]


# --- the download --------------------------------------------------------------------------------------------------
def download(client: Client, export: DataExport) -> zipfile.ZipFile:
    answer = client.get(reverse("data_export_file", args=[export.pk]))
    data = answer.getvalue()
    assert answer.headers["Cache-Control"] == "no-store, private"
    assert hashlib.sha256(data).hexdigest() == export.sha256
    return zipfile.ZipFile(io.BytesIO(data))


def test_the_download_has_everything(toy_release):
    person = make_whole_person()
    archive = download(client_of(person), person.exports.get())
    names = set(archive.namelist())
    folder = next(name.rsplit("/", 1)[0] for name in names if name.endswith(".pdf"))
    expected = {"check.json", "fhir.json", "photo-1.jpg", "message-photo-1.jpg", "message-photo-2.jpg"}
    assert {f"{folder}/{name}" for name in expected} <= names
    assert {"README.txt", "account.json", "consents.json", "who-looked.json", "spots.json", "e-mails.json"} <= names
    assert any(name.startswith(f"{folder}/colours-1-") and name.endswith("-densenet121.png") for name in names)
    assert "not-sent/photo-1.jpg" in names
    pdf = next(name for name in names if name.endswith(".pdf"))
    assert len(PdfReader(io.BytesIO(archive.read(pdf))).pages) >= 1
    Bundle.model_validate_json(archive.read(f"{folder}/fhir.json"))
    check = json.loads(archive.read(f"{folder}/check.json"))
    assert check["opinions"][0]["note_to_patient"] == OWN_WORDS
    assert "private_note" not in check["opinions"][0]
    assert [message["from"] for message in check["messages"]] == ["you", "Dr Test Person"]
    assert check["results"][0]["probabilities"]
    assert json.loads(archive.read("spots.json"))[0]["notes"][0]["text"] == OWN_WORDS
    assert json.loads(archive.read("account.json"))["email"] == person.email
    assert "Dr Test Person" in {look["who"] for look in json.loads(archive.read("who-looked.json"))}


def test_the_download_has_nothing_of_anybody_else():
    other = factories.case_signed()
    person = factories.case_done().patient
    build_export_task(str(services_export.export_request(user=person, language="en").pk))
    archive = download(client_of(person), person.exports.get())
    text = "".join(archive.read(name).decode("latin-1") for name in archive.namelist() if name.endswith("json"))
    for word in (other.reference, other.patient.email, other.patient.pseudonym):
        assert word not in text


def test_asking_waiting_fetching(django_capture_on_commit_callbacks, monkeypatch):
    sent = []
    monkeypatch.setattr("accounts.tasks.build_export_task.delay", sent.append)
    person = factories.PatientFactory()
    client = client_of(person)
    assert "There is no file yet" in text_of(client.get(reverse("data_export")))
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            client.post(reverse("data_export_create"))
    export = DataExport.objects.get()
    assert sent == [str(export.pk)], "asked twice, made once"
    assert "putting your file together" in text_of(client.get(reverse("data_export")))
    assert client.get(reverse("data_export_file", args=[export.pk])).status_code == 404
    build_export_task(str(export.pk))
    fragment = client.get(reverse("data_export"), headers={"hx-request": "true"})
    assert reverse("data_export_file", args=[export.pk]) in text_of(fragment)
    assert "hx-trigger" not in text_of(fragment)
    download(client, DataExport.objects.get())
    assert AccessLog.objects.filter(actor=person, subject=person, action="export").count() == 1


def test_a_new_download_replaces_the_old_one_and_nobody_else_fetches_it():
    before = stored_files()
    person = factories.PatientFactory()
    for _ in range(2):
        build_export_task(str(services_export.export_request(user=person, language="en").pk))
    export = DataExport.objects.get()
    assert len(stored_files() - before) == 1
    for stranger in (factories.PatientFactory(), factories.OperatorFactory()):
        assert client_of(stranger).get(reverse("data_export_file", args=[export.pk])).status_code == 404


def test_a_download_expires_with_its_file():
    before = stored_files()
    person = factories.PatientFactory()
    build_export_task(str(services_export.export_request(user=person, language="en").pk))
    export = DataExport.objects.get()
    DataExport.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client_of(person).get(reverse("data_export_file", args=[export.pk])).status_code == 404
    sweep_exports_task()
    assert not DataExport.objects.exists()
    assert stored_files() == before


def test_a_worker_that_died_or_lost_its_claim_leaves_no_file(monkeypatch):
    sent = []
    monkeypatch.setattr("accounts.tasks.build_export_task.delay_on_commit", sent.append)
    before = stored_files()
    person = factories.PatientFactory()
    export = services_export.export_request(user=person, language="en")
    dead = DataExport.objects.claim(export.pk)
    assert DataExport.objects.claim(export.pk) is None
    DataExport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    sweep_exports_task()
    assert sent == [str(export.pk)] * 2
    assert services_export.export_build(export=dead) is False
    assert stored_files() == before
    build_export_task(str(export.pk))
    assert DataExport.objects.get().status == "ready"


def test_a_download_that_fails_says_so_and_can_be_asked_for_again(monkeypatch):
    person = factories.PatientFactory()
    export = services_export.export_request(user=person, language="en")

    def broken(**_person):
        raise RuntimeError("storage is down")

    monkeypatch.setattr(services_export, "_own_files", broken)
    with pytest.raises(RuntimeError):
        build_export_task(str(export.pk))
    assert "Something went wrong" in text_of(client_of(person).get(reverse("data_export")))
    monkeypatch.undo()
    build_export_task(str(services_export.export_request(user=person, language="en").pk))
    assert DataExport.objects.get().status == "ready"


# --- who looked ----------------------------------------------------------------------------------------------------
def test_the_page_says_who_looked_at_what(monkeypatch):
    reader = factories.DermatologistFactory()
    case = factories.case_signed(reviewer=reader)
    person = case.patient
    client_of(reader).get(reverse("review_case", args=[case.pk]))
    client_of(person).get(reverse("case_detail", args=[case.pk]))
    client = client_of(person)
    page = text_of(client.get(reverse("access_log")))
    assert "Dr Test Person" in page
    assert "Opened a check" in page
    assert "<td>You</td>" in page
    assert "<td>You</td>" not in text_of(client.get(reverse("access_log"), {"others": ""}))
    assert "Nobody has looked" in text_of(client_of(factories.PatientFactory()).get(reverse("access_log")))


def test_the_page_is_paged(monkeypatch):
    monkeypatch.setattr("accounts.views_own_data.LOG_PAGE", 2)
    case = factories.case_done()
    client = client_of(case.patient)
    for _ in range(3):
        client.get(reverse("case_detail", args=[case.pk]))
    page = client.get(reverse("access_log")).content.decode()
    assert page.count("<td>You</td>") == 2
    older = re.search(r'rel="next" href="([^"]+)"', page).group(1)
    assert client.get(reverse("access_log") + older).content.decode().count("<td>You</td>") == 1
