"""Reports as rows and files: made once, kept, and never for a case that nobody has looked at."""

import hashlib
from unittest.mock import patch

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError

from accounts.models import AccessLog
from diagnosis import access, services
from diagnosis.models import Case
from reports.models import Report
from reports.services import ReportNotReady, facts_digest, pdf_from_facts, report_render
from reports.tasks import render_report_task
from tests.kit import factories
from tests.reports import samples

pytestmark = pytest.mark.django_db


def files() -> set[str]:
    try:
        return set(default_storage.listdir("reports")[1])
    except FileNotFoundError:
        return set()


def test_a_preliminary_report_is_stored_with_its_hash():
    report = report_render(case=factories.case_done())
    with report.file.open("rb") as file:
        content = file.read()
    assert content.startswith(b"%PDF-1.7")
    assert (report.version, report.standing, report.language) == (0, "preliminary", "en")
    assert report.sha256 == hashlib.sha256(content).hexdigest()


def test_the_same_facts_give_the_same_report():
    case = factories.case_done()
    before = files()
    first = report_render(case=case)
    assert report_render(case=Case.objects.get(pk=case.pk), language="en") == first
    assert len(files() - before) == 1


def test_new_facts_make_a_new_report_and_keep_the_old_one():
    case = factories.case_done()
    first = report_render(case=case)
    services.review_request(case=case, actor=case.patient)
    second = report_render(case=Case.objects.get(pk=case.pk))
    assert second != first
    assert second.facts_sha256 != first.facts_sha256
    assert default_storage.exists(first.file.name)


def test_each_signed_version_has_its_report():
    case = factories.case_in_review()
    draft = report_render(case=case)
    factories._sign(case, reviewer := factories.DermatologistFactory())
    final = report_render(case=Case.objects.get(pk=case.pk))
    factories._sign(case, reviewer, amendment_reason="I looked again.", seen_version=1)
    amended = report_render(case=Case.objects.get(pk=case.pk))
    found = [(report.version, report.standing) for report in (draft, final, amended)]
    assert found == [(0, "preliminary"), (1, "final"), (2, "amended")]
    assert Report.objects.filter(case=case).count() == 3


@pytest.mark.parametrize("state", [factories.case_queued, factories.case_running])
def test_nothing_is_reported_while_the_photos_are_being_checked(state):
    case = state()
    with pytest.raises(ReportNotReady, match="still being checked"):
        report_render(case=case)
    assert not Report.objects.exists()


def test_a_failed_check_has_an_honest_report():
    assert report_render(case=factories.case_failed()).standing == "preliminary"


def test_an_unknown_language_falls_back():
    assert report_render(case=factories.case_done(), language="tlh").language == "en"


def test_whoever_comes_second_gets_the_first_report_and_leaves_no_file():
    """Two workers that both saw no row: the database lets one through."""
    case = factories.case_done()
    first = report_render(case=case)
    before = files()
    found = [None, first]
    with patch("reports.services._found", side_effect=found):
        assert report_render(case=Case.objects.get(pk=case.pk)) == first
    assert files() == before


def test_a_row_that_cannot_be_stored_leaves_no_file():
    case = factories.case_done()
    report_render(case=case)
    before = files()
    with patch("reports.services._found", return_value=None), pytest.raises(IntegrityError):
        report_render(case=Case.objects.get(pk=case.pk))
    assert files() == before


def test_the_digest_names_facts_and_not_the_readers_of_bytes():
    assert facts_digest(samples.assessed()) == facts_digest(samples.assessed())
    assert facts_digest(samples.assessed()) != facts_digest(samples.assessed(tier="urgent"))
    assert facts_digest(samples.assessed()) != facts_digest(samples.signed())
    assert facts_digest(samples.assessed()) != facts_digest(samples.assessed(photos=[samples.photo(image_id="other")]))


def test_facts_that_were_never_stored_have_a_report_too():
    assert pdf_from_facts(samples.assessed(reference="", pseudonym=""), "en").startswith(b"%PDF")
    assert not Report.objects.exists()


def test_the_task_makes_the_report_once_and_nobody_counts_as_a_reader():
    case = factories.case_done()
    render_report_task(str(case.pk))
    render_report_task(str(case.pk))
    assert Report.objects.filter(case=case).count() == 1
    assert not AccessLog.objects.exists()


def test_the_task_is_calm_about_cases_that_wait_or_are_gone():
    case = factories.case_queued()
    case_id = str(case.pk)
    render_report_task(case_id)
    services.case_erase(case=case)
    render_report_task(case_id)
    assert not Report.objects.exists()


def test_the_task_reads_a_case_in_few_queries(django_assert_max_num_queries):
    case = factories.case_done()
    with django_assert_max_num_queries(15):  # half of them fetch the case with its parts
        report_render(case=access.case_for_task(str(case.pk)))


def test_erasing_a_case_erases_its_reports(django_capture_on_commit_callbacks):
    case = factories.case_done()
    name = report_render(case=case).file.name
    with django_capture_on_commit_callbacks(execute=True):
        services.case_erase(case=case)
    assert not default_storage.exists(name)
