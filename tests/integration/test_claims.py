"""Of any number of workers exactly one gets an analysis, on every database."""

import threading

import pytest
from django.db import connection

from diagnosis.models import Analysis
from tests.kit import factories

THREADS = 20


def claim_from_many_threads(pk) -> list[Analysis]:
    """All threads wait at a barrier and claim together; gives the claims that succeeded."""
    barrier, won, errors = threading.Barrier(THREADS), [], []

    def claim() -> None:
        try:
            barrier.wait()
            taken = Analysis.objects.claim(pk)
            if taken:
                won.append(taken)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    return won


def assert_one_claim() -> None:
    analysis = factories.case_queued().analyses.get()
    won = claim_from_many_threads(analysis.pk)
    assert len(won) == 1
    stored = Analysis.objects.get(pk=analysis.pk)
    assert (stored.status, stored.attempts) == ("running", 1)
    assert stored.claim_token == won[0].claim_token


@pytest.mark.django_db(transaction=True)
def test_one_thread_of_twenty_claims_on_sqlite():
    assert connection.vendor == "sqlite"
    assert_one_claim()


def test_one_thread_of_twenty_claims_on_postgresql(on_postgres):
    assert connection.vendor == "postgresql"
    assert_one_claim()
