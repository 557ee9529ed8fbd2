"""The review queue with ten thousand and with a million cases on a real PostgreSQL: the first page costs the same.

A run writes its figures to var/benchmarks/queue.md; those of a quiet machine stand in docs/BENCHMARKS.md.
"""

from __future__ import annotations

import statistics
import time

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from diagnosis.models import Case
from tests.kit import factories
from tests.kit.processes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500), pytest.mark.django_db(transaction=True)]

FIGURES = ROOT / "var" / "benchmarks" / "queue.md"
SMALL, LARGE = 10_000, 1_000_000
REQUESTS = 40
FLAT = 1.5
# What differs from row to row; every other column is copied from one case that the services made.
VARIED = {
    "id": "gen_random_uuid()",
    "submission_key": "gen_random_uuid()",
    "tier_rank": "n % 5",
    "tier": "(ARRAY['self_care', 'routine', 'soon', 'urgent', 'emergency'])[1 + n % 5]",
    "skin_type": "(ARRAY['I', 'II', 'III', 'IV', 'V', 'VI'])[1 + (n / 5) % 6]",
    "body_site": "(ARRAY['arm', 'leg', 'face', 'back', 'hand'])[1 + (n / 7) % 5]",
    "language": "(ARRAY['en', 'es', 'hi', 'ar'])[1 + (n / 30) % 4]",
    "warning_signs": "n % 5 > 2 AND (n / 5) % 10 = 0",
    "review_due_at": "review_due_at + n * interval '1 second'",
}
PAGES = {
    "first page": {},
    "filtered: urgent, skin type VI, in Hindi": {"tier": "urgent", "skin": "VI", "language": "hi"},
    "with warning signs": {"signs": "on"},
    "a filter that nothing fits": {"skin": "VI", "site": "scalp"},
    "search by reference": {"q": "reference of a case"},
}


def fill_up_to(count: int, template: Case) -> None:
    """Waiting cases, straight into PostgreSQL."""
    columns = [field.column for field in Case._meta.concrete_fields]
    values = ", ".join(VARIED.get(column, column) for column in columns)
    missing = count - Case.objects.count()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO diagnosis_case ({', '.join(columns)}) SELECT {values} "
            f"FROM diagnosis_case, generate_series(1, {missing}) AS n WHERE id = '{template.pk}'"
        )
        cursor.execute("ANALYZE diagnosis_case")


def p95(client: Client, query: dict[str, str]) -> float:
    """Milliseconds of the slowest of twenty, over REQUESTS whole requests after three that warm up."""
    times = []
    for number in range(REQUESTS + 3):
        start = time.perf_counter()
        assert client.get(reverse("review_queue"), query).status_code == 200
        if number >= 3:
            times.append(1000 * (time.perf_counter() - start))
    return statistics.quantiles(times, n=20)[-1]


def deep_page(client: Client) -> dict[str, str]:
    """The mark of a page far down: in the middle of the cases of tier "soon"."""
    case = Case.objects.filter(tier="soon").order_by("-review_due_at")[100:101].get()
    micros = int(case.review_due_at.timestamp() * 1_000_000)
    return {"after": f"{case.tier_rank}.{micros}.{case.pk.hex}"}


def measured(client: Client, template: Case) -> dict[str, float]:
    pages = {**PAGES, "a page far down": deep_page(client), "search by reference": {"q": template.reference}}
    return {name: p95(client, query) for name, query in pages.items()}


def write_down(small: dict[str, float], large: dict[str, float]) -> None:
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    rows = (f"| {name} | {small[name]:.1f} ms | {large[name]:.1f} ms |" for name in small)
    FIGURES.write_text("\n".join(["| p95 | 10,000 cases | 1,000,000 cases |", "|---|---|---|", *rows, ""]))


def test_the_first_page_costs_the_same(on_postgres, toy_release, django_assert_max_num_queries):
    template = factories.case_in_review()
    client = Client()
    client.force_login(factories.DermatologistFactory())
    fill_up_to(SMALL, template)
    small = measured(client, template)
    fill_up_to(LARGE, template)
    with django_assert_max_num_queries(12):
        page = client.get(reverse("review_queue")).context["page"]
    assert {case.tier for case in page.cases} == {"emergency"}
    dues = [case.review_due_at for case in page.cases]
    assert dues == sorted(dues)
    large = measured(client, template)
    write_down(small, large)
    assert large["first page"] <= FLAT * small["first page"]
    assert large["a page far down"] <= 2 * small["a page far down"]
