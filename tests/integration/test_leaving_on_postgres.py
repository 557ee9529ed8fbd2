"""A whole person leaves on a real PostgreSQL: locks, foreign keys and the table of embeddings."""

from __future__ import annotations

from accounts.services_own_data import account_erase
from diagnosis.models import AnalysisVector
from tests.kit.whole_person import make_whole_person, rows_of


def test_a_person_leaves_with_the_embeddings(on_postgres, toy_release):
    person = make_whole_person()
    rows = rows_of(person)
    assert AnalysisVector.objects.count() == 2
    account_erase(user=person)
    assert [(model, pk) for model, pk in rows if model._base_manager.filter(pk=pk).exists()] == []
    assert not AnalysisVector.objects.exists()
