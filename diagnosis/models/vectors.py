"""Embeddings as pgvector columns, where PostgreSQL has the extension; elsewhere the table does not exist."""

from __future__ import annotations

from django.db import connection, models
from pgvector.django import VectorField


class AnalysisVector(models.Model):
    """The embedding of one analysis at length 1, beside `Analysis.embedding`; a trigger deletes it with its analysis.

    Not managed by Django: the migration makes the table only where it can. `is_available` says whether it did.
    """

    analysis_id = models.UUIDField(primary_key=True)
    embedding = VectorField()

    class Meta:
        managed = False
        db_table = "diagnosis_vector"

    def __str__(self) -> str:
        return str(self.analysis_id)

    @classmethod
    def is_available(cls) -> bool:
        if connection.vendor != "postgresql":
            return False
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('diagnosis_vector') IS NOT NULL")
            return cursor.fetchone()[0]
