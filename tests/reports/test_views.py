"""Reports through the URL, for everybody who may and may not."""

import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import AccessLog
from reports.models import Report
from reports.services import report_render
from tests.kit import factories

pytestmark = pytest.mark.django_db


def create(client, case_id):
    return client.post(reverse("report_create", args=[case_id]))


def test_the_patient_makes_and_opens_a_report(client):
    case = factories.case_done()
    client.force_login(case.patient)
    answer = create(client, case.pk)
    report = Report.objects.get(case=case)
    assert answer.status_code == 302
    assert answer.url == reverse("report_download", args=[report.pk])
    page = client.get(answer.url)
    assert page.status_code == 200
    assert page["Content-Type"] == "application/pdf"
    assert page["Content-Disposition"] == f'inline; filename="{case.reference}-v0-en.pdf"'
    assert "no-store" in page["Cache-Control"]
    assert page.getvalue().startswith(b"%PDF")
    assert AccessLog.objects.filter(action="report", actor=case.patient, object_id=str(report.pk)).count() == 1


def test_a_waiting_case_gives_a_sentence_instead(client):
    case = factories.case_queued()
    client.force_login(case.patient)
    answer = create(client, case.pk)
    assert answer.url == reverse("case_detail", args=[case.pk])
    stored = [str(message) for message in answer.wsgi_request._messages]
    assert stored == ["Your photos are still being checked. The report will be ready after that."]
    assert not Report.objects.exists()


@pytest.fixture
def strangers():
    return {
        "another patient": factories.PatientFactory(),
        "a dermatologist without a request": factories.DermatologistFactory(),
        "an unverified dermatologist": factories.DermatologistFactory(verified=False),
        "an operator": factories.OperatorFactory(),
    }


def test_a_stranger_finds_no_report(client, strangers):
    case = factories.case_done()
    report = report_render(case=case)
    for who, person in strangers.items():
        client.force_login(person)
        assert create(client, case.pk).status_code == 404, who
        assert client.get(reverse("report_download", args=[report.pk])).status_code == 404, who
    assert Report.objects.count() == 1


def test_a_dermatologist_reads_the_report_of_a_case_in_review(client):
    case = factories.case_in_review()
    client.force_login(factories.DermatologistFactory())
    answer = create(client, case.pk)
    assert client.get(answer.url).getvalue().startswith(b"%PDF")


def test_nobody_without_a_login(client):
    report = report_render(case=factories.case_done())
    for answer in (create(client, report.case_id), client.get(reverse("report_download", args=[report.pk]))):
        assert answer.status_code == 302
        assert answer.url.startswith(reverse("account_login"))


def test_making_needs_a_post_and_reading_a_get(client):
    case = factories.case_done()
    client.force_login(case.patient)
    assert client.get(reverse("report_create", args=[case.pk])).status_code == 405
    assert client.post(reverse("report_download", args=[uuid.uuid4()])).status_code == 405


def test_what_does_not_exist_is_404(client):
    client.force_login(factories.PatientFactory())
    assert create(client, uuid.uuid4()).status_code == 404
    assert client.get(reverse("report_download", args=[uuid.uuid4()])).status_code == 404


def test_nobody_makes_reports_without_end(client):
    case = factories.case_queued()
    client.force_login(case.patient)
    for _ in range(11):
        answer = create(client, case.pk)
    page = client.get(answer.url).content.decode()
    assert "You have asked for many reports. Please wait" in page
    assert page.count("still being checked. The report") == 10


def test_a_file_that_is_too_large_for_the_check_gets_a_page(client, settings):
    settings.MAX_BODY_BYTES = 10
    file = SimpleUploadedFile("report.pdf", b"%PDF" * 10, "application/pdf")
    answer = client.post(reverse("report_verify"), {"file": file}, headers={"Accept": "text/html"})
    assert (answer.status_code, answer["Content-Type"]) == (413, "text/html; charset=utf-8")
    assert "This upload is too large" in answer.content.decode()
    script = client.post(reverse("report_verify"), {"file": file})
    assert (script.status_code, script["Content-Type"]) == (413, "text/plain; charset=utf-8")
