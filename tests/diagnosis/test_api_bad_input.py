"""What a broken or hostile client may send: each gets a problem+json and leaves nothing behind."""

from __future__ import annotations

import base64
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.models import PartnerKey
from diagnosis.models import AnsweredRequest, Batch, Case, CaseImage, PendingDeletion, Upload
from tests.kit import factories, photos

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
URL = f"{V1}/analyses"
ANSWERS = json.dumps(factories.ANSWERS)
PHOTO = photos.skin(size=(160, 140))


@pytest.fixture
def auth() -> dict[str, str]:
    _key, text = factories.partner_key()
    return {"Authorization": f"Bearer {text}"}


def assert_problem(answer, status: int) -> None:
    assert answer.status_code == status, answer.content[:300]
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert {"type", "title", "detail", "instance", "request_id"} <= body.keys()
    for model in (Case, CaseImage, AnsweredRequest, Batch, Upload, PendingDeletion):
        assert not model.objects.exists(), model


def multipart(*parts: tuple[str, bytes]) -> bytes:
    """A body whose parts stand as they are, also those that no client library would send."""
    lines = [b"--b\r\n" + head.encode() + b"\r\n\r\n" + value + b"\r\n" for head, value in parts]
    return b"".join(lines) + b"--b--\r\n"


def field(name: str, value: bytes) -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="{name}"', value


FILE = ('Content-Disposition: form-data; name="photos"; filename="p.jpg"\r\nContent-Type: image/jpeg', PHOTO)
MULTIPARTS = {
    "a field twice": (FILE, field("answers", ANSWERS.encode()), field("answers", ANSWERS.encode())),
    "not UTF-8": (FILE, field("answers", ANSWERS.encode()), field("external_patient", b"p-\xff")),
    "not UTF-8 in the answers": (FILE, field("answers", b'{"country": "\xe9"}')),
    "NUL": (FILE, field("answers", ANSWERS.encode()), field("external_patient", b"p\x00")),
    "NUL in the answers": (FILE, field("answers", b'{"country": "G\\u0000"}')),
    "a key twice in the answers": (FILE, field("answers", b'{"country": "GB", "country": "DE"}')),
    "answers without end": (FILE, field("answers", b"[" * 10_000 + b"]" * 10_000)),
    "unknown field": (FILE, field("answers", ANSWERS.encode()), field("colour", b"red")),
    "photo as text": (field("photos", b"no file"), field("answers", ANSWERS.encode())),
    "no parts": (),
    "neither true nor false": (FILE, field("answers", ANSWERS.encode()), field("force", b"maybe")),
    "a number that is none": (FILE, field("answers", ANSWERS.encode()), field("retention_days", b"1e9")),
}


@pytest.mark.parametrize("name", MULTIPARTS)
def test_multipart(client, auth, name):
    body = multipart(*MULTIPARTS[name])
    answer = client.generic("POST", URL, body, content_type="multipart/form-data; boundary=b", headers=auth)
    assert_problem(answer, 400)


@pytest.mark.parametrize(
    "body",
    [b"", b"--b", b"--b\r\nnonsense", b"\x00" * 100, multipart(FILE)[:-20] + b"\xff" * 9],
    ids=["empty", "cut", "no head", "NUL", "no end"],
)
def test_multipart_that_is_none(client, auth, body):
    answer = client.generic("POST", URL, body, content_type="multipart/form-data; boundary=b", headers=auth)
    assert_problem(answer, 400)


def test_multipart_with_too_many_fields(client, auth):
    body = multipart(*(field(f"f{number}", b"x") for number in range(1500)))
    answer = client.generic("POST", URL, body, content_type="multipart/form-data; boundary=b", headers=auth)
    assert_problem(answer, 400)


JSONS = {
    "10,000 deep": b"[" * 10_000 + b"]" * 10_000,
    "10,000 deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep answers": b'{"answers": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "a key twice": b'{"upload_id": "1", "upload_id": "2", "answers": {}}',
    "NUL": b'{"upload_id": "\\u0000", "answers": {}}',
    "not UTF-8": b'{"upload_id": "\xff"}',
    "UTF-16": '{"answers": {}}'.encode("utf-16"),
    "half a pair": b'{"external_patient": "\\ud800"}',
    "NaN": b'{"retention_days": NaN}',
    "a number of 5,000 digits": b'{"retention_days": ' + b"9" * 5_000 + b"}",
    "a list": b"[]",
    "a string": b'"text"',
    "null": b"null",
    "cut": b'{"answers"',
    "empty": b"",
    "unknown field": b'{"colour": 1}',
    "no uploads": b'{"answers": {"country": "GB"}}',
    "same upload twice": json.dumps(
        {"upload_ids": ["0b7a5d2e-5a41-4f8c-9a3b-6f1c7e0d9b52"] * 2, "answers": factories.ANSWERS}
    ).encode(),
}


@pytest.mark.parametrize("name", JSONS)
@pytest.mark.parametrize("path", ["/analyses", "/batches"])
def test_json(client, auth, path, name):
    answer = client.generic("POST", V1 + path, JSONS[name], content_type="application/json", headers=auth)
    assert_problem(answer, 400)


def test_an_upload_that_does_not_exist(client, auth):
    body = {"upload_id": "0b7a5d2e-5a41-4f8c-9a3b-6f1c7e0d9b52", "answers": factories.ANSWERS}
    assert_problem(client.post(URL, body, content_type="application/json", headers=auth), 404)


def test_a_photo_of_21_megabytes(client, auth):
    heavy = SimpleUploadedFile("p.jpg", PHOTO + b"\x00" * (21 * 1024 * 1024))
    answer = client.post(URL, {"photos": [heavy], "answers": ANSWERS}, headers=auth)
    assert_problem(answer, 422)
    assert answer.json()["errors"][0]["code"] == "too_heavy"


@pytest.mark.parametrize("path", ["/images", "/batches", "/finder", "/reviews"])
def test_a_body_of_21_megabytes(client, auth, path):
    body = b'{"a": "' + b"x" * (21 * 1024 * 1024) + b'"}'
    assert_problem(client.generic("POST", V1 + path, body, content_type="application/json", headers=auth), 413)


def test_json_of_21_megabytes_for_an_analysis(client, auth):
    body = b'{"a": "' + b"x" * (21 * 1024 * 1024) + b'"}'
    assert_problem(client.generic("POST", URL, body, content_type="application/json", headers=auth), 413)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "image/jpeg", ""])
def test_wrong_content_type(client, auth, kind):
    answer = client.generic("POST", f"{V1}/finder", b'{"place": "Pune"}', content_type=kind, headers=auth)
    assert_problem(answer, 415)


@pytest.mark.parametrize("path", ["/analyses", "/batches"])
@pytest.mark.parametrize(
    "query",
    [
        "cursor=nonsense",
        "cursor=%00",
        f"cursor={base64.b64encode(b'p=2026-99-99').decode()}",
        f"cursor={base64.b64encode(b'p=' + bytes([0, 255])).decode()}",
        f"cursor={base64.b64encode(b'o=-5&p=x').decode()}",
        f"cursor={base64.b64encode(b'o=99999999999999999999').decode()}",
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=ten",
        "limit=1&limit=2",
        "limit=%C2%B2",
    ],
)
def test_tampered_cursor_and_limit(client, auth, path, query):
    answer = client.get(f"{V1}{path}?{query}", headers=auth)
    assert answer.status_code == 400, answer.content[:200]
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/nothing", "/analyses/%00", "/analyses/1", "/analyses/../cases", "/releases/%2e%2e"])
def test_addresses_that_do_not_exist(client, auth, path):
    answer = client.get(V1 + path, headers=auth)
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_methods_that_a_resource_does_not_have(client, auth, method):
    assert_problem(client.generic(method, URL, b"", headers=auth), 405)


def test_a_cursor_of_another_list(client, auth):
    partner = PartnerKey.objects.get().partner
    for _ in range(2):
        factories.case_done(partner=partner)
    link = client.get(f"{V1}/analyses?limit=1", headers=auth).json()["next"]
    cursor = link.partition("cursor=")[2].partition("&")[0]
    batch = partner.batches.create(
        key=PartnerKey.objects.get(), sandbox=False, kind="zip", language="en", lease_until=timezone.now()
    )
    assert client.get(f"{V1}/batches/{batch.pk}/items?cursor={cursor}", headers=auth).status_code == 400
    assert client.get(f"{V1}/analyses?cursor={cursor[:-1]}x", headers=auth).status_code == 400
