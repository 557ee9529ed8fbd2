"""The numbers with a million signed cases of two years on a real PostgreSQL.

A run writes its figures to var/benchmarks/numbers.md; those of a quiet machine stand in docs/BENCHMARKS.md.
NUMBERS_CASES=20000 tries the test itself.
"""

from __future__ import annotations

import os
import statistics
import time
from datetime import timedelta

import pytest
from django.db import connection, models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from diagnosis import services
from diagnosis.models import Analysis, Case, CaseImage, FirstOpinion, PhotoFinding, Read, Review
from diagnosis.numbers.pages import PAGES
from tests.kit import factories
from tests.kit.processes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000), pytest.mark.django_db(transaction=True)]

FIGURES = ROOT / "var" / "benchmarks" / "numbers.md"
CASES = int(os.environ.get("NUMBERS_CASES", 1_000_000))
DAYS = 730
REQUESTS = 10
PERIODS = {"90 days": 89, "1 year": 364}
SECONDS = {"90 days": 5, "1 year": 15}
CONDITION = "(ARRAY['eczema', 'acne', 'moles', 'psoriasis', 'melanoma'])[1 + abs(hashtext(%s::text)) %% 5]"
ROWS = "diagnosis_case AS c"
OF_CASE = {"case_id": "c.id"}
OF_ANALYSIS = "diagnosis_case AS c JOIN diagnosis_analysis AS a ON a.case_id = c.id"
# In this order; what differs from row to row, every other column is copied from rows that the services made.
FILLED: list[tuple[type[models.Model], str, dict[str, str]]] = [
    (
        Case,
        "generate_series(1, {count}) AS n",
        {
            "id": "gen_random_uuid()",
            "submission_key": "gen_random_uuid()",
            "tier": "(ARRAY['self_care', 'routine', 'soon', 'urgent', 'emergency'])[1 + n % 5]",
            "tier_rank": "n % 5",
            "skin_type": "(ARRAY['I', 'II', 'III', 'IV', 'V', 'VI'])[1 + n % 6]",
            "created_at": "now() - n * interval '{step} seconds'",
            "review_requested_at": "now() - n * interval '{step} seconds'",
            "review_state": "CASE WHEN n % 100 = 0 THEN 'waiting' ELSE 'done' END",
        },
    ),
    (
        Analysis,
        ROWS,
        {**OF_CASE, "id": "gen_random_uuid()", "finished_at": "c.created_at", "top_condition": CONDITION % "c.id"},
    ),
    (
        Review,
        ROWS,
        {
            **OF_CASE,
            "id": "gen_random_uuid()",
            "diagnosis": CONDITION % "c.tier_rank",
            "signed_at": "c.created_at + interval '1 hour' * (abs(hashtext(c.id::text)) % 200)",
        },
    ),
    (FirstOpinion, ROWS, {**OF_CASE, "diagnosis": CONDITION % "c.skin_type"}),
    (
        Read,
        f"{OF_ANALYSIS} JOIN diagnosis_review AS r ON r.case_id = c.id "
        "JOIN diagnosis_firstopinion AS f ON f.case_id = c.id",
        {
            **OF_CASE,
            "analysis_id": "a.id",
            "review_id": "r.id",
            "first_opinion_id": "f.id",
            "diagnosis": "r.diagnosis",
            "signed_at": "r.signed_at",
            "model_rank": "1 + c.tier_rank",
        },
    ),
    (CaseImage, ROWS, {**OF_CASE, "id": "gen_random_uuid()"}),
    (
        PhotoFinding,
        f"{OF_ANALYSIS} JOIN diagnosis_caseimage AS i ON i.case_id = c.id",
        {"analysis_id": "a.id", "image_id": "i.id", "quality": '\'{{"band": "good"}}\'::jsonb'},
    ),
]


def fill(count: int, template: Case) -> None:
    """`count` cases like this one, each read once, straight into PostgreSQL."""
    step = DAYS * 86_400 // count
    with connection.cursor() as cursor:
        for model, source, varied in FILLED:
            table, pk = model._meta.db_table, model._meta.pk
            fields = [one for one in model._meta.concrete_fields if one.column in varied or one is not pk]
            values = [varied.get(one.column, f't."{one.column}"').format(step=step) for one in fields]
            columns = ", ".join(f'"{one.column}"' for one in fields)
            old = model._default_manager.values_list("pk", flat=True).get()
            others = "" if model is Case else f" AND c.id <> '{template.pk}'"
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT {', '.join(values)} "
                f"FROM {table} AS t, {source.format(count=count)} WHERE t.id = '{old}'{others}"
            )
        cursor.execute("ANALYZE")


def case_read_blind() -> Case:
    case, reader = factories.case_in_review(), factories.DermatologistFactory()
    case.analyses.get().findings.create(image=case.images.get(), outcome="assessed", quality={"band": "good"})
    services.first_opinion_store(case=case, reader=reader, diagnosis="eczema", tier="routine")
    services.review_sign(case=case, reviewer=reader, diagnosis="eczema", tier="routine", note_to_patient="Hello.")
    return case


def milliseconds(client: Client, page: str, days: int) -> list[float]:
    last = timezone.now().date()
    query = {"first": last - timedelta(days=days), "last": last}
    times = []
    for _number in range(REQUESTS):
        start = time.perf_counter()
        assert client.get(reverse("numbers_page", args=[page]), query).status_code == 200
        times.append(1000 * (time.perf_counter() - start))
    return times


def write_down(found: dict[tuple[str, str], list[float]]) -> None:
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        f"| {page} | {period} | {statistics.median(t):.0f} ms | {max(t):.0f} ms |"
        for (page, period), t in found.items()
    ]
    head = [f"| page, {CASES:,} cases of two years | period | median | slowest of {REQUESTS} |", "|---|---|---|---|"]
    FIGURES.write_text("\n".join([*head, *rows, ""]))


def test_pages_of_a_million(on_postgres, toy_release, django_assert_max_num_queries):
    fill(CASES, case_read_blind())
    client = Client()
    client.force_login(factories.OperatorFactory())
    found = {}
    for page in PAGES:
        with django_assert_max_num_queries(12):
            client.get(reverse("numbers_page", args=[page]))
        for period, days in PERIODS.items():
            found[page, period] = milliseconds(client, page, days)
    write_down(found)
    assert Read.objects.count() == CASES + 1
    for (page, period), times in found.items():
        assert statistics.median(times) < 1000 * SECONDS[period], page
