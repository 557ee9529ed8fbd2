"""Embeddings are kept for the search inside PostgreSQL, where it can."""

from __future__ import annotations

from uuid import UUID

from diagnosis.models import AnalysisVector
from diagnosis.similar import unit_vector


def vector_store(*, analysis_id: UUID, embedding: bytes | None) -> None:
    """Keep the embedding of an analysis where pgvector is; elsewhere `nearest_cases` reads `Analysis.embedding`."""
    if embedding and AnalysisVector.is_available():
        values = {"embedding": unit_vector(embedding).tolist()}
        AnalysisVector.objects.update_or_create(analysis_id=analysis_id, defaults=values)
