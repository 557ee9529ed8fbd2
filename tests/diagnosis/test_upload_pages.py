"""The portal's resumable uploads through their addresses, as a tus client speaks to them."""

from __future__ import annotations

import base64
import hashlib
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from diagnosis.models import IntakePhoto, Upload, UploadPart
from tests.kit import factories, photos

pytestmark = pytest.mark.django_db
PART = "application/offset+octet-stream"
PHOTO = {"submission_key": str(uuid.uuid4()), "shot": "close_up"}


@pytest.fixture(autouse=True)
def short_parts(settings) -> None:
    """The files of these tests are small."""
    settings.MIN_PART_BYTES = 1


def start(portal: Client, data: bytes, *, digest: str = "") -> str:
    value = base64.b64encode((digest or hashlib.sha256(data).hexdigest()).encode()).decode()
    answer = portal.post(
        reverse("upload_create"), headers={"upload-length": str(len(data)), "upload-metadata": f"sha256 {value}"}
    )
    assert answer.status_code == 201, answer.content
    return answer["Location"]


def part(portal: Client, url: str, offset: int | str, data: bytes, kind: str = PART):
    return portal.patch(url, data, content_type=kind, headers={"upload-offset": str(offset)})


def test_a_photo_arrives_in_parts_after_a_break(portal, patient):
    data = photos.skin()
    url = start(portal, data)
    assert part(portal, url, 0, data[:5000])["Upload-Offset"] == "5000"
    assert part(portal, url, 0, data[:5000]).status_code == 409  # the answer was lost, the part was not
    head = portal.head(url)
    assert (head["Upload-Offset"], head["Upload-Length"], head["Cache-Control"]) == (
        "5000",
        str(len(data)),
        "no-store, private",
    )
    early = portal.post(f"{url}photo/", PHOTO)
    assert (early.status_code, early.content.decode()) == (
        409, "The file has not arrived completely. Please send the rest of it.",
    )  # fmt: skip
    assert part(portal, url, 5000, data[5000:]).status_code == 204
    cards = [portal.post(f"{url}photo/", PHOTO) for _twice in range(2)]
    assert [card.status_code for card in cards] == [201, 201]
    photo = IntakePhoto.objects.get()
    assert (photo.patient, photo.shot) == (patient, "close_up")
    assert all(str(photo.pk) in card.content.decode() for card in cards)
    assert not Upload.objects.exists()
    assert not UploadPart.objects.exists()


def test_what_is_no_photo_is_refused_in_words_and_nothing_stays(portal):
    for data, digest, sentence in (
        (b"this is no photo", "", "We cannot read this file as a photo."),
        (photos.skin(), "0" * 64, "The file was damaged on its way."),
    ):
        url = start(portal, data, digest=digest)
        part(portal, url, 0, data)
        answer = portal.post(f"{url}photo/", PHOTO)
        assert (answer.status_code, answer["Content-Type"]) == (422, "text/plain; charset=utf-8")
        assert sentence in answer.content.decode()
        assert portal.head(url).status_code == 404
    assert not IntakePhoto.objects.exists()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"upload-length": "-5"}, 400),
        ({"upload-length": "١٢"}, 400),
        ({"upload-length": "9" * 400}, 400),
        ({"upload-length": "0"}, 400),
        ({"upload-length": "5", "upload-metadata": "sha256 !!!"}, 400),
        ({"upload-length": "5", "upload-metadata": "sha256 /w=="}, 400),
        ({"upload-length": str(20 * 1024 * 1024 + 1), "upload-metadata": "sha256 eA=="}, 413),
    ],
)
def test_a_bad_start_is_refused_with_a_sentence(portal, headers, status):
    answer = portal.post(reverse("upload_create"), headers=headers)
    assert answer.status_code == status
    assert answer.content.decode().endswith(".")
    assert not Upload.objects.exists()


def test_a_bad_part_is_refused_and_the_upload_goes_on(portal):
    data = bytes(100)
    url = start(portal, data)
    assert part(portal, url, 0, data, kind="application/json").status_code == 415
    assert part(portal, url, "x", data).status_code == 400
    assert part(portal, url, 10, data).status_code == 409
    assert part(portal, url, 0, data + b"!").status_code == 400
    assert part(portal, url, 0, bytes(3 * 1024 * 1024)).status_code == 413
    assert portal.head(url)["Upload-Offset"] == "0"
    assert portal.delete(url).status_code == 204
    assert portal.delete(url).status_code == 404


def test_open_uploads_are_limited_and_the_server_says_what_it_speaks(portal, settings):
    options = portal.options(reverse("upload_create"))
    assert (options["Tus-Version"], options["Tus-Extension"]) == ("1.0.0", "creation,termination,expiration")
    for _number in range(settings.MAX_OPEN_UPLOADS):
        start(portal, b"x")
    answer = portal.post(
        reverse("upload_create"),
        headers={"upload-length": "1", "upload-metadata": "sha256 " + base64.b64encode(b"0" * 64).decode()},
    )
    assert answer.status_code == 429


def test_photo_kinds_that_do_not_exist_are_not_found(portal):
    url = start(portal, b"x")
    assert portal.post(f"{url}photo/", {**PHOTO, "shot": "x-ray"}).status_code == 404
    assert portal.post(f"{url}photo/", {}).status_code == 404


def test_without_consent_nothing_is_taken_in():
    client = Client()
    client.force_login(factories.PatientFactory(consents=[]))
    assert client.post(reverse("upload_create")).status_code == 302
    assert not Upload.objects.exists()
