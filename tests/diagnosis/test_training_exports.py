"""Signed photos leave for training: only with consent, under pseudonyms, and gone as soon as somebody leaves."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import uuid
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image
from skimage import data

from accounts.models import AccessLog, Purpose, User
from accounts.services import consent_set
from accounts.services_own_data import account_erase
from diagnosis import images, services
from diagnosis.models import Analysis, Case, CaseImage, IntakePhoto, OperatorEvent, TrainingExport
from diagnosis.questions import clean_answers
from diagnosis.tasks import build_training_export_task, sweep_operations_task
from ml.__main__ import main
from tests.kit import factories, photos

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy_release")]
AGREED = [Purpose.CARE, Purpose.STORAGE, Purpose.RESEARCH]


def person(consents=AGREED, **options) -> User:
    return factories.PatientFactory(consents=consents, **options)


def sign(case: Case, diagnosis="eczema", **more) -> Case:
    services.review_sign(
        case=case, reviewer=factories.DermatologistFactory(), diagnosis=diagnosis, tier="routine",
        note_to_patient="Well.", **more,
    )  # fmt: skip
    return Case.objects.get(pk=case.pk)


def signed(patient=None, diagnosis="eczema", **options) -> Case:
    return sign(factories.case_in_review(patient=patient or person(), **options), diagnosis)


def made(release="") -> TrainingExport:
    export = services.training_export_request(operator=factories.OperatorFactory(), release=release)
    build_training_export_task(str(export.pk))
    export.refresh_from_db()
    return export


def archive(export: TrainingExport) -> zipfile.ZipFile:
    with export.file.open("rb") as file:
        return zipfile.ZipFile(io.BytesIO(file.read()))


def rows(export: TrainingExport) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive(export).read("manifest.csv").decode())))


def unpacked(export: TrainingExport, folder: Path) -> Path:
    archive(export).extractall(folder)
    return folder / "manifest.csv"


def test_the_manifest_is_one_that_training_accepts(tmp_path):
    twice = person()
    for diagnosis in ("eczema", "psoriasis"):
        signed(twice, diagnosis, sex="female", skin_type="V", age_band="60_69")
    signed(diagnosis="melanoma")
    manifest = unpacked(made(), tmp_path)
    assert main(["data", "check", str(manifest)]) == 0
    assert main(["data", "split", str(manifest), "--out", str(tmp_path / "split.csv")]) == 0
    parts = {}
    for row in csv.DictReader((tmp_path / "split.csv").read_text().splitlines()):
        parts.setdefault(row["group"], set()).add(row["part"])
    assert [len(found) for found in parts.values()] == [1, 1], "no patient in two parts"
    found = {row["label"]: row for row in csv.DictReader(manifest.read_text().splitlines())}
    row = found["psoriasis"]
    assert (row["fitzpatrick"], row["sex"], row["age"], row["judged_by"]) == ("5", "female", "60", "toy")
    assert row["group"] == found["eczema"]["group"] != found["melanoma"]["group"]


def test_nothing_in_it_leads_back_to_a_person():
    patient = person()
    case = signed(patient)
    export = made()
    text = "".join(
        archive(export).read(name).decode("utf-8", "replace") for name in archive(export).namelist()
    ) + " ".join(archive(export).namelist())
    image = case.images.get()
    secrets = [patient.email, patient.pseudonym, str(case.pk), case.pk.hex, case.reference, str(image.pk), image.pk.hex]
    assert not [word for word in [*secrets, str(timezone.now().year), "Well."] if word in text.replace("2026-11", "")]
    for entry in archive(export).infolist():
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
    photo = Image.open(io.BytesIO(archive(export).read(rows(export)[0]["path"])))
    assert not photo.getexif()
    assert "exif" not in photo.info


def test_photos_with_a_place_in_them_lose_it_and_covered_faces_stay_covered():
    """What leaves is what is stored: EXIF went when the photo came, and paint over a face is in its pixels."""
    patient = person()
    case = services.case_submit(
        photos=[replace(images.inspect_upload(photos.with_gps()), face="none")],
        answers=clean_answers(factories.ANSWERS), language="en", patient=patient,
    )  # fmt: skip
    Analysis.objects.claim(case.analyses.get().pk)
    services.analysis_fail(analysis=Analysis.objects.get(case=case), failure="error")
    sign(services.review_request(case=case, actor=patient))
    with default_storage.open(case.images.get().file.name) as file:
        stored = file.read()
    export = made()
    data = archive(export).read(rows(export)[0]["path"])
    assert Image.open(io.BytesIO(data)).tobytes() == Image.open(io.BytesIO(stored)).tobytes()
    assert not Image.open(io.BytesIO(data)).getexif()


def test_a_covered_face_leaves_as_paint():
    patient, key = person(), uuid.uuid4()
    portrait = photos.encode(Image.fromarray(data.astronaut()))  # a public photo of NASA's
    photo = services.photo_take_in(patient=patient, submission_key=key, shot="close_up", data=portrait)
    services.photo_find_faces(photo_id=photo.pk)
    photo.refresh_from_db()
    face = photo.faces[0]
    services.photo_cover_faces(photo=photo)
    services.photo_find_faces(photo_id=photo.pk)
    case = services.intake_submit(
        patient=patient, submission_key=key, answers=clean_answers(factories.ANSWERS), language="en", ask=True
    )
    sign(case)
    export = made()
    picture = Image.open(io.BytesIO(archive(export).read(rows(export)[0]["path"])))
    middle = face["left"] + face["width"] / 2, face["top"] + face["height"] / 2
    spot = round(middle[0] * picture.width), round(middle[1] * picture.height)
    assert max(abs(value - 96) for value in picture.getpixel(spot)) < 12


FACE = {"top": 0.1, "left": 0.1, "width": 0.5, "height": 0.5}


@pytest.mark.parametrize(
    ("found", "choice", "left_out"),
    [
        (None, "", {"face_unknown": 1}),
        (None, "eyes", {"face_unknown": 1}),
        ([FACE], "", {"face_kept": 1}),
        ([FACE], "kept", {"face_kept": 1}),
        (None, "kept", {"face_kept": 1}),
        ([FACE], "eyes", {}),
        ([], "", {}),
    ],
    ids=str,
)
def test_nobody_who_can_be_recognised_leaves(found, choice, left_out):
    patient, key = person(), uuid.uuid4()
    services.photo_take_in(patient=patient, submission_key=key, shot="close_up", data=photos.skin(size=(320, 240)))
    IntakePhoto.objects.update(faces=found, face_choice=choice)
    case = services.intake_submit(
        patient=patient, submission_key=key, answers=clean_answers(factories.ANSWERS), language="en", ask=True
    )
    sign(case)
    export = made()
    assert export.counts["left_out"] == left_out
    assert export.counts["cases"] == export.counts["photos"] == export.counts["people"] == len(rows(export))
    assert export.counts["photos"] == (0 if left_out else 1)


def test_no_hash_leads_from_the_manifest_to_the_database():
    signed()
    export = made()
    row = rows(export)[0]
    assert row["sha256"] == hashlib.sha256(archive(export).read(row["path"])).hexdigest()
    assert not CaseImage.objects.filter(sha256=row["sha256"]).exists()


def test_one_file_that_cannot_go_does_not_keep_the_others(monkeypatch):
    signed()
    stuck, free = made(), made()
    TrainingExport.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    delete = default_storage.delete

    def refuse(name):
        if name == stuck.file.name:
            raise OSError("The storage says no.")
        delete(name)

    TrainingExport.objects.filter(pk=stuck.pk).update(queued_at=timezone.now() + timedelta(days=1))  # it comes first
    monkeypatch.setattr(default_storage, "delete", refuse)
    sweep_operations_task()
    assert [TrainingExport.objects.get(pk=export.pk).status for export in (stuck, free)] == ["ready", "gone"]


def test_what_is_left_out_and_why():
    signed()
    signed(person([Purpose.CARE, Purpose.STORAGE]))
    withdrawn = signed().patient
    consent_set(user=withdrawn, purposes=[Purpose.CARE], language="en")
    signed(diagnosis="cannot_judge")
    other = factories.case_in_review(patient=person())
    sign(other, "other", diagnosis_text="Scabies")
    factories.case_in_review(patient=person())
    signed(person(email="patient@demo.example"))
    partner = factories.case_in_review(partner=factories.PartnerFactory())
    sign(partner)
    export = made()
    assert export.counts["left_out"] == {
        "cannot_judge": 1, "demo": 1, "no_consent": 2, "not_signed": 1, "other_diagnosis": 1, "partner": 1,
    }  # fmt: skip
    assert (export.counts["photos"], export.counts["people"]) == (1, 1)
    assert json.loads(archive(export).read("export.json"))["left_out"] == export.counts["left_out"]


def test_the_label_is_the_last_word():
    case = signed(diagnosis="moles")
    sign(case, "melanoma", amendment_reason="Histology.", seen_version=1)
    assert [row["label"] for row in rows(made())] == ["melanoma"]


def test_a_case_that_is_read_again_waits(settings):
    settings.SECOND_READ_TIERS = ["routine"]
    factories.DermatologistFactory()
    sign(factories.case_in_review(patient=person()))
    assert made().counts["left_out"] == {"not_signed": 1}


def test_one_release_at_a_time():
    signed()
    old = signed()
    old.analyses.update(release="r1")
    assert made("toy").counts["releases"] == {"toy": 1}
    assert made("r1").counts["left_out"] == {"other_release": 1}
    assert made().counts["releases"] == {"r1": 1, "toy": 1}


def test_who_leaves_is_gone_from_the_next_export_and_from_the_last_one(django_capture_on_commit_callbacks):
    first, second, third = signed(), signed(), signed()
    export = made()
    assert export.counts["people"] == 3
    with django_capture_on_commit_callbacks(execute=True):
        consent_set(user=first.patient, purposes=[Purpose.CARE, Purpose.STORAGE], language="en")
    export.refresh_from_db()
    assert (export.status, bool(export.file)) == ("gone", False)
    again = made()
    assert again.counts["people"] == 2
    services.case_erase(case=second)
    assert fetch(again) == 404, "a file with somebody who left is not handed out, also before the sweep"
    sweep_operations_task()
    again.refresh_from_db()
    assert again.status == "gone"
    last = made()
    with django_capture_on_commit_callbacks(execute=True):
        account_erase(user=third.patient)
    last.refresh_from_db()
    assert last.status == "gone"
    assert made().counts["photos"] == 0
    assert OperatorEvent.objects.filter(kind="export_dropped").count() == 3


def fetch(export: TrainingExport, user: User | None = None) -> int:
    client = Client()
    client.force_login(user or factories.OperatorFactory())
    answer = client.get(reverse("training_export_file", args=[export.pk]))
    if answer.streaming:
        answer.getvalue()
    return answer.status_code


def test_who_took_it_stands_in_the_diary_and_in_the_patients_log():
    case = signed()
    export, operator = made(), factories.OperatorFactory()
    assert fetch(export, factories.DermatologistFactory()) == 404
    assert fetch(export, operator) == 200
    event = OperatorEvent.objects.get(kind="export_fetched")
    assert (event.actor, event.count) == (operator, 1)
    log = AccessLog.objects.get(action="training")
    assert (log.actor, log.subject) == (operator, case.patient)
    client = Client()
    client.force_login(case.patient)
    assert "Took signed photos away for training" in client.get(reverse("access_log")).content.decode()


def test_a_file_lasts_a_day():
    signed()
    export = made()
    name = export.file.name
    TrainingExport.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert fetch(export) == 404
    sweep_operations_task()
    assert not default_storage.exists(name)
    assert not OperatorEvent.objects.filter(kind="export_dropped").exists()


def test_the_command_needs_an_operator_and_leaves_the_same_traces(tmp_path):
    signed()
    with pytest.raises(CommandError, match="no operator"):
        call_command("export_training", str(tmp_path / "out"), operator="nobody@example.org")
    operator = factories.OperatorFactory()
    call_command("export_training", str(tmp_path / "out"), operator=operator.email, stdout=io.StringIO())
    assert main(["data", "check", str(tmp_path / "out" / "manifest.csv")]) == 0
    assert OperatorEvent.objects.get(kind="export_fetched").actor == operator
    with pytest.raises(CommandError, match="is not empty"):
        call_command("export_training", str(tmp_path / "out"), operator=operator.email)


def test_a_worker_that_dies_leaves_a_row_that_says_so():
    export = services.training_export_request(operator=factories.OperatorFactory())
    assert services.training_export_request(operator=factories.OperatorFactory()) == export
    TrainingExport.objects.claim(export.pk)
    TrainingExport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    sweep_operations_task()
    export.refresh_from_db()
    assert export.status == "failed"
