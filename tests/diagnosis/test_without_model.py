"""The web tier without any release, graphics card or worker: reviewing goes on, and nothing breaks."""

from __future__ import annotations

import uuid

import pytest
from django.core.checks import run_checks
from django.test import Client
from django.urls import reverse

from accounts.models import User
from diagnosis import services
from diagnosis.models import Case, ReviewState
from ml.releases import loader
from ml.releases.loader import list_releases
from reports.services import report_render
from tests.kit import factories
from tests.kit.releases import write_toy_release

pytestmark = pytest.mark.django_db
OPINION = {"diagnosis": "psoriasis", "tier": "routine", "note_to_patient": "It is psoriasis.", "seen_version": "0"}


@pytest.fixture
def no_release(tmp_path, monkeypatch, settings):
    """Neither in the repository's folder nor in another; no task runs."""
    monkeypatch.setattr(loader, "_BUILT_IN", tmp_path)
    monkeypatch.delenv("SMARTDERMA_RELEASE_DIR", raising=False)
    settings.MODEL_RELEASE = "r6"
    assert list_releases() == []


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_web_starts_and_a_wrong_name_is_still_found_out(no_release, tmp_path):
    assert not [error for error in run_checks() if error.id == "smartderma.E005"]
    write_toy_release(tmp_path, "other")
    assert [error for error in run_checks() if error.id == "smartderma.E005"]


def test_a_case_is_sent_read_signed_changed_and_talked_about(no_release):
    """From the photo to the amendment: the model never comes, people do."""
    patient, reader = client_of(factories.PatientFactory()), client_of(factories.DermatologistFactory())
    case = factories.case_queued(patient=User.objects.get(role="patient"))
    assert patient.get(reverse("case_detail", args=[case.pk])).status_code == 200
    patient.post(reverse("case_review_request", args=[case.pk]))
    assert case.reference in reader.get(reverse("review_queue")).content.decode()
    page = reverse("review_case", args=[case.pk])
    assert reader.get(page).status_code == 200
    assert reader.post(reverse("review_take", args=[case.pk])).status_code == 302
    assert reader.post(page, OPINION).status_code == 302
    assert Case.objects.get(pk=case.pk).review_state == ReviewState.DONE
    reader.post(page, {**OPINION, "seen_version": "1", "amendment_reason": "I looked again.", "diagnosis": "eczema"})
    assert Case.objects.get(pk=case.pk).standing == "amended"
    message = {"text": "How is it?", "submission_key": str(uuid.uuid4())}
    assert reader.post(reverse("message_list", args=[case.pk]), message).status_code == 302
    assert "How is it?" in patient.get(reverse("message_list", args=[case.pk])).content.decode()
    assert "Eczema" in patient.get(reverse("case_detail", args=[case.pk])).content.decode()


def test_cases_of_a_release_that_was_taken_away_stay_readable(no_release):
    case = factories.case_in_review()
    case.analyses.update(release="long-gone")
    for user in (case.patient, factories.DermatologistFactory()):
        name = "review_case" if user.role == "dermatologist" else "case_detail"
        text = client_of(user).get(reverse(name, args=[case.pk])).content.decode()
        assert "Eczema" in text
    services.review_sign(
        case=case, reviewer=factories.DermatologistFactory(), diagnosis="moles", tier="soon", note_to_patient="A mole."
    )
    assert report_render(case=Case.objects.get(pk=case.pk), language="en").file


def test_operators_see_their_pages(no_release):
    operator = client_of(factories.OperatorFactory())
    for name in ("operator_overview", "release_list", "training_exports"):
        assert operator.get(reverse(name)).status_code == 200, name
    assert "not installed on this machine" in operator.get(reverse("release_list")).content.decode()
    assert "No model release is installed" in Client().get(reverse("release_card")).content.decode()
    assert operator.post(reverse("release_check", args=["r6"]), follow=True).status_code == 200
