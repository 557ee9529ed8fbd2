"""Signed cases that look alike, by the distance of the model's embeddings.

Only cases whose patients agreed to exactly this, only signed ones, only those that the same weights embedded: vectors
of different releases cannot be compared. Exact search: pgvector where PostgreSQL has it, else in this process.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db.models import Func, IntegerField
from pgvector.django import CosineDistance

from accounts.models import Consent, Purpose
from diagnosis.models import Analysis, AnalysisQuerySet, AnalysisVector, Case, Outcome, ReviewState

TOP = 4
CHUNK = 2000


def nearest_cases(*, case: Case) -> list[tuple[float, UUID]]:
    """(cosine similarity, case id) of up to four signed cases of other patients, the most alike first.

    None where the model abstained or failed.
    """
    analysis = case.latest_analysis
    if analysis is None or not analysis.embedding:
        return []
    return _nearest(_candidates(case, analysis), bytes(analysis.embedding))


def _candidates(case: Case, analysis: Analysis) -> AnalysisQuerySet:
    agreed = Consent.objects.in_force().filter(purpose=Purpose.SIMILAR, version=settings.CONSENT_VERSION)
    return (
        Analysis.objects.filter(
            status=Analysis.Status.DONE,
            outcome=Outcome.ASSESSED,
            weights_sha256=analysis.weights_sha256,
            embedding__isnull=False,
            case__review_state=ReviewState.DONE,
            case__patient__in=agreed.values("user"),
        )
        .exclude(case=case.pk)
        .exclude(case__patient=case.patient_id)
        .order_by()
    )


def _nearest(candidates: AnalysisQuerySet, embedding: bytes) -> list[tuple[float, UUID]]:
    """(cosine similarity, case id), the nearest first, each case once."""
    search = _in_postgres if AnalysisVector.is_available() else _in_process
    best: dict[UUID, float] = {}
    for score, case_id in search(candidates, embedding):
        best[case_id] = max(score, best.get(case_id, -1.0))
    return heapq.nlargest(TOP, ((score, case_id) for case_id, score in best.items()))


def _in_process(candidates: AnalysisQuerySet, embedding: bytes) -> Iterator[tuple[float, UUID]]:
    wanted = unit_vector(embedding)
    for case_id, stored in candidates.values_list("case", "embedding").iterator(chunk_size=CHUNK):
        vector = unit_vector(bytes(stored))
        if vector.shape == wanted.shape:
            yield float(vector @ wanted), case_id


def unit_vector(data: bytes) -> np.ndarray:
    """float32 of length 1; the mean of several photos' embeddings is shorter as stored."""
    vector = np.frombuffer(data, dtype="<f4")
    return vector / (float(np.linalg.norm(vector)) or 1.0)


def _in_postgres(candidates: AnalysisQuerySet, embedding: bytes) -> Iterator[tuple[float, UUID]]:
    """The same sum inside the database: the vectors stay where they are."""
    wanted = unit_vector(embedding)
    rows = (
        AnalysisVector.objects.annotate(length=VectorDims("embedding"))
        .filter(analysis_id__in=candidates.values("pk"), length=len(wanted))
        .annotate(distance=CosineDistance("embedding", wanted.tolist()))
        .order_by("distance")
        .values_list("analysis_id", "distance")
    )
    near = dict(rows[: 4 * TOP])
    for pk, case_id in Analysis.objects.filter(pk__in=near).values_list("pk", "case"):
        yield 1 - near[pk], case_id


class VectorDims(Func):
    """How many numbers a vector has: those of networks of another size cannot be compared."""

    function = "vector_dims"
    output_field = IntegerField()
