"""What operators see: licences, counts, logs that nobody changes; no health data in any list."""

from __future__ import annotations

import pytest
from auditlog.models import LogEntry
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from diagnosis import access, services
from diagnosis.models import ModelRelease
from tests.kit import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy_release")]

# What of a case says something about somebody's health.
HEALTH = {
    "answers", "body_site", "tier", "tier_rank", "fired_rules", "review_reasons", "needs_review", "skin_type",
    "warning_signs", "diagnosis", "diagnosis_text", "icd10", "note_to_patient", "private_note", "outcome",
    "prediction_set", "members", "probability", "condition", "case", "patient", "image", "file",
}  # fmt: skip
LOGS = (
    "accounts_accesslog", "auditlog_logentry", "accounts_consent", "diagnosis_caseevent", "diagnosis_analysis",
    "diagnosis_operatorevent", "diagnosis_modelrelease", "accounts_erasurecertificate", "accounts_partnerkey",
)  # fmt: skip


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(factories.OperatorFactory(is_superuser=True))
    return client


def test_no_list_shows_health_data():
    for model, page in admin.site._registry.items():
        if model._meta.app_label in {"diagnosis", "reports", "accounts"}:
            shown = {str(name) for name in (*page.list_display, *page.search_fields, *map(str, page.list_filter))}
            assert not shown & HEALTH, model


@pytest.mark.parametrize("name", LOGS)
def test_nobody_changes_a_log(operator, name):
    row = row_of(name)
    assert operator.get(reverse(f"admin:{name}_changelist")).status_code == 200
    assert operator.get(reverse(f"admin:{name}_add")).status_code == 403
    assert operator.post(reverse(f"admin:{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert operator.post(reverse(f"admin:{name}_change", args=[row.pk]), {}).status_code == 403
    assert type(row)._default_manager.filter(pk=row.pk).exists()


def row_of(name: str):
    """A row of that log, as the work leaves it."""
    case = factories.case_signed()
    access.case_get(case.patient, case.pk)
    services.case_erase(case=factories.case_done())
    factories.partner_key()
    ModelRelease.objects.create(name="next")
    services.event_record(kind="checked", release="next")
    return apps.get_model(name.replace("_", ".", 1))._default_manager.first()


def test_what_a_partner_may_keep_is_changed_by_operators_and_written_down(operator):
    partner = factories.PartnerFactory()
    data = {"name": partner.name, "contact": partner.contact_id, "active": "on", "plan": "trial", "retention_days": 30}
    operator.post(reverse("admin:accounts_partner_change", args=[partner.pk]), data)
    partner.refresh_from_db()
    assert (partner.retention_days, partner.plan) == (30, "trial")
    entry = LogEntry.objects.get_for_object(partner).first()
    assert entry.changes["retention_days"] == ["90", "30"]


def test_the_overview_counts(operator):
    factories.DermatologistFactory(verified=False)
    factories.case_in_review()
    answer = operator.get(reverse("operator_overview"))
    assert (answer.context["licences"], answer.context["waiting"], answer.context["late"]) == (1, 1, 0)
    text = answer.content.decode()
    assert "1 licence waits for verification." in text
    assert "toy" in text
    assert "Deadline for Self-care" in text
    assert "self_care" not in text


def test_a_text_of_the_house_reaches_every_dermatologist(operator):
    data = {"title": "Hello", "language": "en", "text": "Dear patient."}
    operator.post(reverse("admin:diagnosis_notetemplate_add"), data)
    reader = Client()
    reader.force_login(factories.DermatologistFactory())
    assert "Dear patient." in reader.get(reverse("note_template_list")).content.decode()
