"""Many dermatologists want one case at once; and reviewing goes on with no model, no worker and no broker."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from django.urls import reverse

from diagnosis import services
from diagnosis.models import Case, EventKind
from tests.kit import factories
from tests.kit.servers import free_port

DOCTORS = 8


@pytest.mark.django_db(transaction=True)
def test_one_of_many_takes_and_one_of_many_signs(on_postgres):
    case = factories.case_in_review()
    doctors = [factories.DermatologistFactory() for _ in range(DOCTORS)]
    assert outcomes(doctors, lambda doctor: services.case_take(case=case, reader=doctor)) == 1
    Case.objects.filter(pk=case.pk).update(review_holder=None, review_lease_until=None)
    opinion = {"diagnosis": "eczema", "tier": "routine", "note_to_patient": "It is eczema."}
    assert outcomes(doctors, lambda doctor: services.review_sign(case=case, reviewer=doctor, **opinion)) == 1
    assert case.reviews.count() == case.reads.count() == 1
    assert case.events.filter(kind=EventKind.REVIEW_SIGNED).count() == 1


def outcomes(doctors, attempt) -> int:
    """How many of them succeeded, all starting at once; everybody else was told by WrongState."""
    start, won = threading.Barrier(len(doctors)), []

    def one(doctor) -> None:
        start.wait()
        try:
            attempt(doctor)
            won.append(doctor)
        except services.WrongState:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(doctor,)) for doctor in doctors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return len(won)


# What a web server without the model's libraries would say.
NO_MODEL = """
import sys
for name in ("onnxruntime", "onnx", "torch", "torchvision", "timm"):
    sys.modules[name] = None
"""


def session_of(user) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    name = django_settings.SESSION_COOKIE_NAME
    return {name: client.cookies[name].value}


@pytest.mark.django_db(transaction=True)
def test_reviewing_goes_on_with_no_model_no_worker_and_no_broker(toy_release, stack, tmp_path: Path):
    case = factories.case_in_review()
    (tmp_path / "sitecustomize.py").write_text(NO_MODEL)
    address = stack.web(PYTHONPATH=str(tmp_path), REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    page = reverse("review_case", args=[case.pk])
    with httpx.Client(base_url=address, cookies=session_of(factories.DermatologistFactory())) as doctor:
        assert case.reference in doctor.get(reverse("review_queue")).text
        assert doctor.get(page).status_code == 200
        opinion = {"diagnosis": "eczema", "tier": "routine", "note_to_patient": "It is eczema.", "seen_version": "0"}
        token = {"csrfmiddlewaretoken": doctor.cookies["csrftoken"]}
        answer = doctor.post(page, data={**opinion, **token}, headers={"Referer": address})
    assert answer.status_code == 302
    assert case.reviews.get().diagnosis == "eczema"
    with httpx.Client(base_url=address, cookies=session_of(case.patient)) as patient:
        assert "It is eczema." in patient.get(reverse("case_detail", args=[case.pk])).text
