"""Files without a row, rows without a file, and storages that refuse."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from accounts.models import ErasureCertificate
from accounts.services_own_data import account_erase
from diagnosis import services
from diagnosis.models import Case, PendingDeletion
from diagnosis.tasks import sweep_orphans_task
from tests.kit import factories

pytestmark = pytest.mark.django_db


def stored(key: str, *, hours_old: float = 0) -> str:
    name = default_storage.save(key, ContentFile(b"%PDF-1.7"))
    then = time.time() - hours_old * 3600
    os.utime(Path(django_settings.PRIVATE_ROOT) / name, (then, then))
    return name


def test_a_report_that_was_written_while_its_case_was_erased_is_found(django_capture_on_commit_callbacks):
    case = factories.case_done()
    photo = case.images.get().file.name
    old, fresh = stored("reports/orphan.pdf", hours_old=2), stored("reports/being-written.pdf")
    with django_capture_on_commit_callbacks(execute=True):
        sweep_orphans_task()
    assert not default_storage.exists(old)
    assert default_storage.exists(fresh), "somebody may be about to write its row"
    assert default_storage.exists(photo)
    assert not PendingDeletion.objects.exists()
    default_storage.delete(fresh)


def test_files_with_a_row_stay_however_old_they_are(django_capture_on_commit_callbacks):
    case = factories.case_done()
    path = Path(django_settings.PRIVATE_ROOT) / case.images.get().file.name
    os.utime(path, (0, 0))
    with django_capture_on_commit_callbacks(execute=True):
        assert services.orphans_forget() == 0
    assert path.exists()


def test_other_folders_are_not_looked_at(django_capture_on_commit_callbacks):
    name = stored("certificates/signing.pem", hours_old=99)
    with django_capture_on_commit_callbacks(execute=True):
        sweep_orphans_task()
    assert default_storage.exists(name)
    default_storage.delete(name)


def test_orphans_in_a_bucket_are_found_too(s3, django_capture_on_commit_callbacks, monkeypatch):
    from datetime import timedelta

    monkeypatch.setattr("diagnosis.services.erasure.ORPHAN_AGE", timedelta(seconds=-60))
    case = factories.case_done()
    default_storage.save("reports/orphan.pdf", ContentFile(b"%PDF-1.7"))
    with django_capture_on_commit_callbacks(execute=True):
        assert services.orphans_forget() == 1
    names = [item["Key"] for item in s3.client.list_objects_v2(Bucket=s3.name)["Contents"]]
    assert names == [case.images.get().file.name]


def test_a_storage_that_refuses_is_asked_again(django_capture_on_commit_callbacks, monkeypatch):
    case = factories.case_done()
    photo = case.images.get().file.name

    def refuse(_name):
        raise OSError("down")

    with monkeypatch.context() as broken:
        broken.setattr(default_storage._wrapped.__class__, "delete", lambda self, name: refuse(name))
        with django_capture_on_commit_callbacks(execute=True):
            account_erase(user=case.patient)
    assert not Case.objects.exists()
    assert PendingDeletion.objects.get().key == photo
    assert services.files_delete_pending() == 0
    assert not default_storage.exists(photo)


def test_a_certificate_counts_what_went():
    case = factories.case_amended()
    services.message_send(case=case, author=case.patient, text="Hello")
    certificate = services.case_erase(case=case)
    assert certificate == ErasureCertificate.objects.get()
    assert certificate.counts["diagnosis.Review"] == 2
    assert certificate.counts["diagnosis.Message"] == 1
    assert str(case.pk) not in certificate.document()
    assert case.patient.pseudonym not in certificate.document()


def test_two_photos_of_one_name_go_once(django_capture_on_commit_callbacks):
    """A key that is written down twice is no error: the second deletion finds nothing to do."""
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            services.files_forget(keys=["photos/same.jpg", "photos/same.jpg"])
    assert not PendingDeletion.objects.exists()
