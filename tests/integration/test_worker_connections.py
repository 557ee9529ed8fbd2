"""A worker's connection to the database: kept from task to task, replaced once it is dead."""

from __future__ import annotations

import psycopg
import pytest
from celery.fixups.django import DjangoWorkerFixup
from django.conf import settings
from django.db import connection

from diagnosis.tasks import run_analysis_task
from smartderma.celery import app, renew_connections

pytestmark = pytest.mark.django_db(transaction=True)

# As the site has them; the database of a test has Django's own.
OURS = {name: settings.DATABASES["default"][name] for name in ("CONN_MAX_AGE", "CONN_HEALTH_CHECKS")}


def backend() -> int:
    """Which process of the server answers us."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def between_two_tasks() -> None:
    DjangoWorkerFixup(app).close_database()  # what Celery does after the first and before the second
    renew_connections(task=run_analysis_task)


def test_a_worker_keeps_its_connection_and_replaces_a_dead_one(on_postgres):
    connection.close()
    connection.settings_dict.update(OURS)
    first = backend()
    between_two_tasks()
    assert backend() == first
    with psycopg.connect(on_postgres) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [first])
    between_two_tasks()
    assert backend() != first
