"""What keeps a GET fast with many rows: few queries, whatever the page holds, and an index behind every list."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from diagnosis import access, services
from diagnosis.images import inspect_upload
from diagnosis.inference import run_analysis
from diagnosis.models import Analysis, Batch
from tests.diagnosis.test_api import URL, body
from tests.kit import factories, photos

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
LISTS = ("analyses", "cases", "images", "reviews", "reports", "batches")


@pytest.fixture
def key_and_auth(partner):
    key, text = factories.partner_key(partner)
    return key, {"Authorization": f"Bearer {text}"}


def queries_of(client, url: str, auth: dict[str, str]) -> int:
    client.get(url, headers=auth)  # the first request of the day also makes its row of usage
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url, headers=auth).status_code == 200
    return len(captured)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_asks_the_same_number_of_queries_for_any_number_of_rows(client, partner, key_and_auth, name):
    _key, auth = key_and_auth
    factories.case_signed(partner=partner)
    one = queries_of(client, f"{V1}/{name}", auth)
    for _ in range(4):
        factories.case_signed(partner=partner)
    assert queries_of(client, f"{V1}/{name}", auth) == one <= 8


def test_one_analysis_takes_few_queries(client, partner, key_and_auth):
    _key, auth = key_and_auth
    case = factories.case_done(partner=partner)
    assert queries_of(client, f"{V1}/analyses/{case.analyses.get().pk}", auth) <= 7


def test_a_photo_takes_few_queries_from_its_upload_to_its_stored_result(client, key_and_auth, toy_release):
    """Each of them is time that somebody waits. A second photo: the first one of a day also makes its row of usage."""
    _key, auth = key_and_auth
    client.post(URL, body(photos.skin(seed=1)), headers=auth)
    with CaptureQueriesContext(connection) as sending:
        job = client.post(URL, body(photos.skin(seed=2)), headers=auth).json()
    with CaptureQueriesContext(connection) as judging:
        run_analysis(job["id"])
    assert Analysis.objects.get(pk=job["id"]).status == Analysis.Status.DONE
    assert (len(asked_in(sending)), len(asked_in(judging))) == (17, 12)


def asked_in(captured: CaptureQueriesContext) -> list[str]:
    """What was asked and written, without the marks of transactions."""
    queries = [one["sql"] for one in captured.captured_queries]
    return [sql for sql in queries if sql.split()[0] in {"SELECT", "INSERT", "UPDATE", "DELETE"}]


def test_duplicates_are_found_by_their_pixels(key_and_auth):
    """Not by walking all cases of the partner."""
    key, _auth = key_and_auth
    photo = inspect_upload(photos.skin(size=(320, 240)))
    with CaptureQueriesContext(connection) as captured:
        services.duplicate_find(key=key, photos=[photo], answers={}, external_patient="", release="")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {captured.captured_queries[0]['sql']}")
        plan = " ".join(row[3] for row in cursor.fetchall())
    assert "pixel_sha256=?" in plan
    assert "case_of_partner" not in plan


def test_lists_and_counts_use_an_index(partner, key_and_auth):
    """The plans of SQLite: a search by an index instead of a scan of the table, and no sort of all rows."""
    key, _auth = key_and_auth
    newest = access.partner_cases(key).order_by("-created_at", "-pk")[:26].explain()
    assert "case_of_partner" in newest
    assert "TEMP B-TREE" not in newest
    analyses = access.partner_analyses(key).order_by("-sent_at", "-pk")[:26].explain()
    assert "case_of_partner" in analyses
    assert "SCAN diagnosis_analysis" not in analyses
    assert "SCAN" not in Analysis.objects.of_key(key).filter(status__in=["queued", "running"]).explain()
    assert "batch_of_partner" in Batch.objects.of_key(key).order_by("-created_at")[:26].explain()
