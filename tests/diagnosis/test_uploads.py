"""Resumable uploads as a service: on the file system and on S3, under races, with every refusal."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.storage import default_storage
from django.utils import timezone

from diagnosis import services
from diagnosis.models import PendingDeletion, Upload, UploadPart
from diagnosis.tasks import expire_uploads_task
from tests.kit import factories

DATA = bytes(range(256)) * 40
SHA = hashlib.sha256(DATA).hexdigest()
PART = 3000


@pytest.fixture(autouse=True)
def short_parts(settings) -> None:
    """The files of these tests are small."""
    settings.MIN_PART_BYTES = 1


def start(owner=None, **changes) -> Upload:
    options = {"owner": owner or factories.PatientFactory(), "length": len(DATA), "sha256": SHA, **changes}
    return services.upload_start(**options)


def send(upload: Upload, data: bytes = DATA) -> Upload:
    while upload.offset < len(data):
        part = data[upload.offset : upload.offset + PART]
        upload = services.upload_append(upload=upload, offset=upload.offset, data=part)
    return upload


def stored_parts() -> set[str]:
    """Names of the parts in the storage that is in use now."""
    try:
        return set(default_storage.listdir("uploads")[1])
    except FileNotFoundError:
        return set()


@pytest.mark.django_db(transaction=True)
class TestEveryStorage:
    @pytest.fixture(params=["disk", "bucket"], autouse=True)
    def storage(self, request) -> None:
        if request.param == "bucket":
            request.getfixturevalue("s3")

    def test_parts_are_joined_and_gone_after_erasing(self):
        upload = send(start())
        keys = [part.key for part in upload.parts.all()]
        assert len(keys) == 4
        assert services.upload_join(upload=upload) == DATA
        services.upload_erase(upload=upload)
        assert not any(default_storage.exists(key) for key in keys)
        assert not Upload.objects.exists()
        assert not PendingDeletion.objects.exists()

    def test_a_refused_part_leaves_nothing(self):
        before = stored_parts()
        upload = services.upload_append(upload=start(), offset=0, data=DATA[:PART])
        behind = Upload.objects.get(pk=upload.pk)
        behind.offset = 0  # what a second sender read before the first one's part came
        with pytest.raises(services.WrongOffset) as error:
            services.upload_append(upload=behind, offset=0, data=DATA[:PART])
        assert error.value.offset == PART
        assert list(UploadPart.objects.values_list("offset", flat=True)) == [0]
        assert stored_parts() - before == {Path(upload.parts.get().key).name}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"length": 0}, "empty"),
        ({"length": -4}, "empty"),
        ({"length": 20 * 1024 * 1024 + 1}, "too_heavy"),
        ({"length": 11, "max_bytes": 10}, "too_heavy"),
        ({"sha256": ""}, "bad_checksum"),
        ({"sha256": SHA.upper()}, "bad_checksum"),
        ({"max_open": 0}, "too_many"),
    ],
)
def test_a_start_that_is_refused_says_why(changes, code):
    with pytest.raises(services.UploadError) as error:
        start(**changes)
    assert error.value.code == code
    assert str(error.value).endswith(".")
    assert not Upload.objects.exists()


@pytest.mark.django_db
def test_the_limit_of_open_uploads_counts_each_owner_alone():
    patient, partner = factories.PatientFactory(), factories.PartnerFactory()
    keys = [factories.partner_key(partner, sandbox=sandbox)[0] for sandbox in (False, True)]
    for owner in (patient, *keys):
        start(owner, max_open=1)
    with pytest.raises(services.UploadError, match="Too many files"):
        start(patient, max_open=1)
    Upload.objects.update(expires_at=timezone.now())
    start(patient, max_open=1)


@pytest.mark.django_db
def test_more_than_announced_is_refused():
    before, upload = stored_parts(), start(length=10)
    with pytest.raises(services.UploadError, match="More was sent"):
        services.upload_append(upload=upload, offset=0, data=DATA[:11])
    assert stored_parts() == before


@pytest.mark.django_db
def test_a_part_is_short_only_at_the_end(settings):
    settings.MIN_PART_BYTES = PART
    before, upload = stored_parts(), start()
    with pytest.raises(services.UploadError) as error:
        services.upload_append(upload=upload, offset=0, data=DATA[: PART - 1])
    assert (error.value.code, stored_parts()) == ("too_short", before)
    assert send(upload).is_whole  # its last part has less


@pytest.mark.django_db
def test_a_file_with_a_lost_part_is_damaged_for_good():
    upload = send(start())
    default_storage.delete(upload.parts.first().key)
    with pytest.raises(services.UploadError) as error:
        services.upload_join(upload=upload)
    assert error.value.code == "damaged"


@pytest.mark.django_db
def test_a_join_needs_every_byte_and_the_right_ones():
    upload = services.upload_append(upload=start(), offset=0, data=DATA[:PART])
    with pytest.raises(services.UploadError, match="not arrived completely"):
        services.upload_join(upload=upload)
    with pytest.raises(services.UploadError) as error:
        services.upload_join(upload=send(start(sha256="0" * 64)))
    assert error.value.code == "damaged"


@pytest.mark.django_db(transaction=True)
def test_beat_sweeps_what_nobody_finished():
    before = stored_parts()
    old, young = send(start()), send(start())
    Upload.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert len(stored_parts() - before) == 8
    expire_uploads_task()
    assert Upload.objects.get() == young
    assert len(stored_parts() - before) == 4
    services.uploads_erase(owner=young.patient)
    assert stored_parts() == before
    assert "diagnosis.tasks.expire_uploads_task" in {
        row["task"] for row in django_settings.CELERY_BEAT_SCHEDULE.values()
    }
