"""Batches: NDJSON and ZIP, one result per item, and what a hostile file cannot do."""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile
from datetime import timedelta

import pytest
import time_machine
from django.core.files.storage import default_storage
from django.utils import timezone

from diagnosis import services
from diagnosis.batches import BatchUnreadable, read_items
from diagnosis.models import Analysis, Batch, Case, CaseImage, Upload
from diagnosis.tasks import run_batch_task
from tests.diagnosis.test_api_resources import post, upload
from tests.kit import factories, photos

pytestmark = pytest.mark.django_db
V1 = "/api/v1"


def photo(seed: int) -> bytes:
    return photos.skin(size=(160, 140), seed=seed)


def line(names: list, **fields) -> bytes:
    return json.dumps({"photos": names, "answers": factories.ANSWERS, **fields}).encode() + b"\n"


def inline(data: bytes, **fields) -> bytes:
    return line([base64.b64encode(data).decode()], **fields)


def packed(entries: dict[str, bytes], manifest: bytes, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("manifest.ndjson", manifest)
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def run(client, auth, data: bytes, kind: str) -> tuple[dict, list[dict]]:
    """Send a batch and read it as the worker does; gives the batch and its items."""
    pk = upload(client, auth, data, part=1_000_000, purpose="batch")
    answer = post(client, "/batches", {"upload_id": pk, "format": kind}, auth)
    assert answer.status_code == 202, answer.json()
    assert answer.json()["status"] == "queued"
    run_batch_task(answer.json()["id"])
    body = client.get(answer["Location"], headers=auth).json()
    return body, client.get(body["links"]["items"], headers=auth).json()["results"]


def codes(items: list[dict]) -> list[str]:
    return [item["problems"][0]["code"] if item["problems"] else item["status"] for item in items]


def test_ndjson_item_by_item(client, auth, partner):
    lines = [
        inline(photo(1), ref="a", external_patient="p-1"),
        b"not json\n",
        inline(b"no photo", ref="c"),
        b"\n",
        inline(photo(4), answers={"country": "GB"}),
        line(["%%%"]),
        inline(photo(1), ref="again", external_patient="p-1"),
        inline(photo(1), ref="other patient", external_patient="p-2"),
        inline(photo(5), colour="red"),
    ]
    body, items = run(client, auth, b"".join(lines), "ndjson")
    found = codes(items)
    assert found[:3] == ["queued", "not_json", "not_a_photo"]
    assert found[4:7] == ["not_base64", "duplicate", "queued"]
    assert items[3]["problems"][0]["pointer"].startswith("/answers/")
    assert items[7]["problems"][0]["pointer"] == "/colour"
    assert items[5]["analysis_id"] == items[0]["analysis_id"]
    assert [item["ref"] for item in items][:3] == ["a", "", "c"]
    assert body["status"] == "running"
    assert body["progress"] == {"total": 8, "refused": 5, "duplicates": 1, "open": 2, "succeeded": 0, "failed": 0}
    assert set(Analysis.objects.values_list("lane", flat=True)) == {"bulk"}
    assert not Upload.objects.exists()
    Analysis.objects.update(status="failed", failure="error", finished_at=timezone.now())
    assert client.get(body["links"]["self"], headers=auth).json()["status"] == "succeeded"


def test_zip_with_paths_that_lead_out_and_entries_that_grow(client, auth, partner, settings):
    settings.MAX_PHOTO_BYTES = 300_000
    entries = {
        "good.jpg": photo(1),
        "bomb.jpg": b"\x00" * 400_000,
        "../out.jpg": photo(2),
        "/etc/passwd": b"x",
        "sub/two.jpg": photo(3),
    }
    wanted = ["good.jpg", "bomb.jpg", "../out.jpg", "/etc/passwd", "C:\\x.jpg", "missing.jpg", "good.jpg"]
    wanted += ["sub/two.jpg"]
    body, items = run(client, auth, packed(entries, b"".join(line([name]) for name in wanted)), "zip")
    assert codes(items) == [
        "queued", "too_heavy", "bad_path", "bad_path", "bad_path", "no_photo", "photo_twice", "queued"
    ]  # fmt: skip
    assert body["progress"]["total"] == 8
    assert CaseImage.objects.count() == 2


def test_an_entry_twice_in_the_zip_is_refused(client, auth, partner):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.ndjson", line(["a.jpg"]) + line(["b.jpg"]))
        archive.writestr("a.jpg", photo(1))
        archive.writestr("b.jpg", photo(3))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.jpg", photo(2))
    _body, items = run(client, auth, buffer.getvalue(), "zip")
    assert codes(items) == ["photo_twice", "queued"]


def test_a_damaged_entry_does_not_stop_the_rest(client, auth, partner):
    first = photo(1)
    data = bytearray(packed({"a.jpg": first, "b.jpg": photo(2)}, line(["a.jpg"]) + line(["b.jpg"]), zipfile.ZIP_STORED))
    at = data.index(first) + 100
    data[at : at + 20] = b"\x55" * 20
    _body, items = run(client, auth, bytes(data), "zip")
    assert codes(items) == ["damaged", "queued"]


UNREADABLE = {
    "not a zip": (b"PK nonsense", "not_a_zip"),
    "empty": (b"x", "not_a_zip"),
    "no manifest": (packed({}, b"")[:0] or packed({"a.jpg": b"x"}, b"\n"), "empty"),
    "only the end": (b"PK\x05\x06" + b"\x00" * 18, "no_manifest"),
    "says it has 60,000 entries": (
        b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 60_000, 60_000, 46 * 60_000, 0, 0), "too_many_entries"
    ),
    "zip64": (b"PK\x06\x07" + b"\x00" * 16 + b"PK\x05\x06" + b"\x00" * 18, "too_many_entries"),
    "manifest without end": (packed({}, b" " * 5_000_000), "manifest_too_large"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_is_no_batch(name):
    data, code = UNREADABLE[name]
    with pytest.raises(BatchUnreadable, match=code):
        list(read_items(io.BytesIO(data), "zip"))


def test_a_file_that_is_no_batch_fails_with_a_code(client, auth, partner):
    body, items = run(client, auth, b"no zip at all", "zip")
    assert (body["status"], body["failure"], items) == ("failed", "not_a_zip", [])
    assert not Upload.objects.exists()


def test_at_most_a_thousand_photos(settings):
    short = line(["x"] * 5)
    items = list(read_items(io.BytesIO(short * 250), "ndjson"))
    assert [bool(item.problems) for item in items] == [False] * 200 + [True] * 50
    assert len(list(read_items(io.BytesIO(line([]) * 1000), "ndjson"))) == 1000
    with pytest.raises(BatchUnreadable, match="too_many_items"):
        list(read_items(io.BytesIO(line([]) * 1001), "ndjson"))


def test_a_revoked_key_starts_nothing_more(client, auth, partner):
    pk = upload(client, auth, inline(photo(1)), part=1_000_000, purpose="batch")
    started = post(client, "/batches", {"upload_id": pk, "format": "ndjson"}, auth).json()
    batch = Batch.objects.get(pk=started["id"])
    batch.key.revoked_at = timezone.now()
    batch.key.save()
    run_batch_task(started["id"])
    batch.refresh_from_db()
    assert (batch.status, batch.failure, Case.objects.count()) == ("failed", "key_over", 0)


def test_a_broken_stream_in_the_zip_is_one_refused_item(client, auth, partner):
    data = bytearray(packed({"a.jpg": photo(1), "b.jpg": photo(2)}, line(["a.jpg"]) + line(["b.jpg"])))
    at = data.index(b"a.jpg") + len("a.jpg")  # the manifest before it is packed, so this is the entry
    data[at : at + 40] = b"\xff" * 40
    _body, items = run(client, auth, bytes(data), "zip")
    assert codes(items) == ["damaged", "queued"]


def test_a_line_without_end_is_one_refused_item(monkeypatch):
    monkeypatch.setattr("diagnosis.batches.MAX_LINE_BYTES", 1000)
    items = list(read_items(io.BytesIO(b"x" * 50_000 + b"\n" + line(["a"])), "ndjson"))
    assert [item.problems[0]["code"] if item.problems else "" for item in items] == ["too_long", ""]


def test_a_batch_goes_on_after_a_crash_without_doubling(client, auth, partner, monkeypatch):
    pk = upload(client, auth, b"".join(inline(photo(n)) for n in range(3)), part=1_000_000, purpose="batch")
    started = post(client, "/batches", {"upload_id": pk, "format": "ndjson"}, auth).json()
    batch = services.batch_claim(batch_id=started["id"])
    assert services.batch_claim(batch_id=started["id"]) is None  # one worker at a time
    monkeypatch.setattr("diagnosis.services.batches.TURN_SECONDS", -1)
    services.batch_run(batch=batch)  # the turn is over after one item
    assert (Batch.objects.get().status, Case.objects.count()) == ("queued", 1)
    lost = services.batch_claim(batch_id=started["id"])
    lost.items.all().delete()  # the case was stored, its row was not: the worker died in between
    with time_machine.travel(timezone.now() + timedelta(minutes=10)):
        monkeypatch.setattr("diagnosis.services.batches.TURN_SECONDS", 120)
        assert services.batches_sweep() == 1
        run_batch_task(started["id"])
    assert (Batch.objects.get().status, Case.objects.count()) == ("done", 3)
    assert codes(client.get(started["links"]["items"], headers=auth).json()["results"]) == ["queued"] * 3


def test_stopping_a_batch_forgets_its_file(client, auth, partner):
    pk = upload(client, auth, inline(photo(1)), part=1_000_000, purpose="batch")
    started = post(client, "/batches", {"upload_id": pk, "format": "ndjson"}, auth).json()
    assert post(client, "/batches", {"upload_id": pk, "format": "ndjson"}, auth).status_code == 409
    assert client.delete(started["links"]["self"], headers=auth).status_code == 204
    run_batch_task(started["id"])
    body = client.get(started["links"]["self"], headers=auth).json()
    assert (body["status"], Case.objects.count(), Upload.objects.count()) == ("canceled", 0, 0)


def test_items_beyond_the_quota_are_refused_one_by_one(client, auth, partner, settings):
    settings.PARTNER_PLANS = {"standard": {"requests_per_minute": 99, "analyses_per_month": 1, "concurrent": 1}}
    _body, items = run(client, auth, inline(photo(1)) + inline(photo(2)), "ndjson")
    assert codes(items) == ["queued", "quota_exceeded"]


def test_items_of_the_sandbox_wait_like_live_ones(client, partner, settings):
    settings.PARTNER_PLANS = {"standard": {"requests_per_minute": 99, "analyses_per_month": 99, "concurrent": 1}}
    key, text = factories.partner_key(partner, sandbox=True)
    auth = {"Authorization": f"Bearer {text}"}
    _body, items = run(client, auth, inline(photo(1)) + inline(photo(2)), "ndjson")
    assert codes(items) == ["queued", "queued"]
    assert services.analyses_open(key=key) == 0  # a single request has its place beside the batch


def test_a_batch_whose_workers_die_is_given_up(client, auth, partner):
    pk = upload(client, auth, inline(photo(1)), part=1_000_000, purpose="batch")
    started = post(client, "/batches", {"upload_id": pk, "format": "ndjson"}, auth).json()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(3):
            assert services.batch_claim(batch_id=started["id"])
            clock.shift(timedelta(minutes=10))
        run_batch_task(started["id"])
    batch = Batch.objects.get()
    assert (batch.status, batch.failure, Case.objects.count()) == ("failed", "crashed", 0)


def test_a_batch_with_a_lost_part_fails_with_a_code(client, auth, partner):
    pk = upload(client, auth, inline(photo(1)), part=1_000_000, purpose="batch")
    started = post(client, "/batches", {"upload_id": pk, "format": "ndjson"}, auth).json()
    default_storage.delete(Upload.objects.get().parts.get().key)
    run_batch_task(started["id"])
    assert (Batch.objects.get().status, Batch.objects.get().failure) == ("failed", "damaged")


def test_an_erased_case_is_marked_in_its_batch(client, auth, partner):
    body, items = run(client, auth, inline(photo(1)), "ndjson")
    client.delete(f"{V1}/analyses/{items[0]['analysis_id']}", headers=auth)
    assert codes(client.get(body["links"]["items"], headers=auth).json()["results"]) == ["erased"]
