"""Similar signed cases: the nearest by cosine, only with consent to exactly this, the same in SQLite and PostgreSQL."""

from __future__ import annotations

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Purpose
from accounts.services import consent_set
from diagnosis import services
from diagnosis.models import AnalysisVector, Case
from diagnosis.review_related import related_context
from diagnosis.services.vectors import vector_store
from tests.kit import factories

AGREED = [Purpose.CARE, Purpose.STORAGE, Purpose.SIMILAR]


def embed(case: Case, *numbers: float, **changes) -> Case:
    """Give the analysis of a case this embedding, as `analysis_complete` stores it."""
    data = np.array(numbers, dtype="<f4").tobytes()
    case.analyses.update(embedding=data, **changes)
    vector_store(analysis_id=case.analyses.get().pk, embedding=data)
    return case


def signed(*numbers: float, consents=AGREED, patient=None, **changes) -> Case:
    patient = patient or factories.PatientFactory(consents=consents)
    return embed(factories.case_signed(patient=patient), *numbers, **changes)


def found(case: Case) -> list[tuple[Case, int]]:
    page = related_context(factories.DermatologistFactory(), Case.objects.get(pk=case.pk))
    return [(row.case, row.percent) for row in page["similar"]]


@pytest.mark.django_db
def test_the_nearest_first_by_direction_not_by_length():
    case = embed(factories.case_in_review(), 1, 0, 0)
    far, near, between = signed(0, 1, 0), signed(5, 0.5, 0), signed(1, 1, 0)
    assert found(case) == [(near, 100), (between, 71), (far, 0)]


@pytest.mark.django_db
def test_only_who_agreed_to_exactly_this_and_only_what_can_be_compared():
    case = embed(factories.case_in_review(), 1, 0)
    signed(1, 0, consents=[Purpose.CARE, Purpose.STORAGE, Purpose.RESEARCH])
    withdrawn = signed(1, 0).patient
    consent_set(user=withdrawn, purposes=[Purpose.CARE], language="en")
    signed(1, 0, weights_sha256="1" * 64)
    signed(1, 0, outcome="inconclusive")
    signed(1, 0, 0)
    signed(1, 0, patient=case.patient)
    embed(factories.case_in_review(patient=factories.PatientFactory(consents=AGREED)), 1, 0)
    assert found(case) == []
    right = signed(1, 0)
    assert found(case) == [(right, 100)]


@pytest.mark.django_db
def test_no_more_than_four_and_none_without_an_embedding():
    for number in range(6):
        signed(1, number)
    assert len(found(embed(factories.case_in_review(), 1, 0))) == 4
    assert found(factories.case_in_review()) == []


@pytest.mark.django_db
@pytest.mark.usefixtures("toy_release")
def test_the_page_shows_them_but_not_before_a_blind_first_opinion(settings):
    case, other = embed(factories.case_in_review(), 1, 0), signed(1, 0)
    reader, client = factories.DermatologistFactory(), Client()
    client.force_login(reader)
    address = reverse("review_related", args=[case.pk])
    assert f'hx-get="{address}"' in client.get(reverse("review_case", args=[case.pk])).content.decode()
    assert reverse("review_case", args=[other.pk]) in client.get(address).content.decode()
    settings.BLIND_FIRST_READ = True
    assert reverse("review_case", args=[other.pk]) not in client.get(address).content.decode()


@pytest.mark.django_db(transaction=True)
def test_pgvector_finds_the_same_and_forgets_with_the_case(on_postgres):
    case = embed(factories.case_in_review(), 1, 0, 0)
    far, near, between = signed(0, 1, 0), signed(5, 0.5, 0), signed(1, 1, 0)
    signed(1, 0)  # of a network with fewer numbers
    signed(1, 0, 0, consents=[Purpose.CARE])
    assert AnalysisVector.objects.count() == 6
    assert found(case) == [(near, 100), (between, 71), (far, 0)]
    services.case_erase(case=near)
    assert AnalysisVector.objects.count() == 5
    assert [row for row, _percent in found(case)] == [between, far]
