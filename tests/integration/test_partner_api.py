"""The partner API on a real web server: many equal requests at once, slow clients, a flood beside a patient."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

import httpx
import pytest
from django.db import connection

from diagnosis import images, services
from diagnosis.models import Analysis, AnsweredRequest, Case, CaseImage, Lane
from diagnosis.services.cases import PartnerTerms
from tests.kit import factories, photos
from tests.kit.processes import wait_for

PARALLEL = 50
FLOOD = 200
URL = "/api/v1/analyses"


def key_header() -> dict[str, str]:
    _key, text = factories.partner_key()
    return {"Authorization": f"Bearer {text}"}


def post_at_once(address: str, headers: dict[str, str], count: int) -> list[httpx.Response]:
    """`count` equal requests that start together."""
    barrier, answers = threading.Barrier(count), []
    photo = photos.skin(size=(160, 140))

    def post() -> None:
        barrier.wait()
        files, data = {"photos": ("p.jpg", photo)}, {"answers": json.dumps(factories.ANSWERS)}
        answers.append(httpx.post(address + URL, files=files, data=data, headers=headers, timeout=120))

    threads = [threading.Thread(target=post) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def assert_one_analysis(stack) -> None:
    headers = {**key_header(), "Idempotency-Key": "order-4711"}
    address = stack.web()
    answers = post_at_once(address, headers, PARALLEL)
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {202, 409}
    assert statuses[202] >= 1
    assert sum(statuses.values()) == PARALLEL
    assert {answer.json()["id"] for answer in answers if answer.status_code == 202} == {str(Analysis.objects.get().pk)}
    assert (Case.objects.count(), CaseImage.objects.count(), AnsweredRequest.objects.count()) == (1, 1, 1)
    assert all(answer.headers["Retry-After"] == "1" for answer in answers if answer.status_code == 409)
    again = post_at_once(address, headers, 1)[0]
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")


@pytest.mark.timeout(180)
@pytest.mark.django_db(transaction=True)
def test_fifty_equal_requests_make_one_analysis_on_sqlite(stack):
    assert connection.vendor == "sqlite"
    assert_one_analysis(stack)


@pytest.mark.timeout(180)
def test_fifty_equal_requests_make_one_analysis_on_postgresql(on_postgres, stack):
    assert connection.vendor == "postgresql"
    assert_one_analysis(stack)


def slow_upload(address: str, headers: dict[str, str]) -> bytes:
    """The head of a large upload, then nothing more than a byte now and then; gives what the server says."""
    where = urlsplit(address)
    lines = [f"POST {URL} HTTP/1.1", f"Host: {where.netloc}", "Content-Length: 1000000"]
    lines += ["Content-Type: multipart/form-data; boundary=b", *(f"{name}: {value}" for name, value in headers.items())]
    with socket.create_connection((where.hostname, where.port), timeout=30) as connected:
        connected.sendall("\r\n".join([*lines, "", ""]).encode())
        said = b""
        connected.settimeout(0.3)
        for _ in range(60):
            try:
                connected.sendall(b"x")
                said += connected.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                break
            if b"}" in said:
                break
        return said


def refused_photos(address: str) -> list[int]:
    """What the server says, over one connection, to two photos with a wrong key: it answers without reading them."""
    with httpx.Client(base_url=address, headers={"Authorization": "Bearer wrong"}, timeout=30) as client:
        return [client.post(URL, files={"photos": ("p.jpg", bytes(300_000))}).status_code for _ in range(2)]


@pytest.mark.timeout(120)
@pytest.mark.django_db(transaction=True)
def test_slow_uploads_end_with_a_problem_and_hold_up_nobody(stack):
    headers = key_header()
    address = stack.web(REQUEST_GRACE_SECONDS="2", WEB_THREADS="4")
    said: list[bytes] = []
    threads = [threading.Thread(target=lambda: said.append(slow_upload(address, headers))) for _ in range(6)]
    for thread in threads:  # more than the server has threads
        thread.start()
    time.sleep(0.5)
    assert httpx.get(f"{address}/health/live", timeout=15).status_code == 200
    for thread in threads:
        thread.join()
    assert refused_photos(address) == [401, 401]
    assert all(b" 408 " in answer and b"application/problem+json" in answer for answer in said), said[0][:300]
    assert not Case.objects.exists()
    assert not CaseImage.objects.exists()


@pytest.mark.timeout(180)
@pytest.mark.django_db(transaction=True)
def test_a_partners_flood_does_not_starve_a_patient(stack):
    """Two hundred analyses of a partner wait, half of them asked for one by one, half in batches; then a patient comes.

    One worker takes all queues here, which is the worst case: `make run` has one of its own for batches.
    """
    partner, photo = factories.PartnerFactory(), images.inspect_upload(photos.skin(size=(160, 140)))
    for number in range(FLOOD):
        services.case_submit(
            partner=partner,
            photos=[photo],
            answers=factories.ANSWERS,
            language="en",
            terms=PartnerTerms(lane=Lane.PARTNER if number % 2 else Lane.BULK),
        )
    patient = factories.case_queued()
    stack.worker("inference,inference-partners,bulk,shadows,slow")
    mine = patient.analyses.get().pk
    wait_for(lambda: Analysis.objects.get(pk=mine).status == "done", seconds=90, what="the patient's analysis")
    before = Analysis.objects.filter(status="done", finished_at__lt=Analysis.objects.get(pk=mine).finished_at)
    assert before.count() < 10
