"""Reports as rows and files: made once, kept, and never for a case that nobody has looked at."""

import hashlib
import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from unittest.mock import call, patch

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pypdf import PdfReader

from accounts.models import AccessLog
from diagnosis import access, services
from diagnosis.models import Case, WebhookEvent
from reports.certificates import Identity, make_certificate, signing_identity
from reports.context import grouped
from reports.models import Report
from reports.services import (
    ReportNotReady,
    facts_digest,
    pdf_from_facts,
    report_bytes,
    report_render,
    reports_missing,
)
from reports.signing import Seal, seal_of, sign_pdf
from reports.tasks import render_report_task
from reports.verification import our_certificates
from tests.kit import factories
from tests.kit.processes import wait_for
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
    """Two workers that both saw no row: the second finds it once it has the case's lock."""
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


def test_a_case_that_is_erased_while_its_report_is_drawn_leaves_nothing():
    case = factories.case_done()
    before = files()

    def erase_first(pdf: bytes, identity: Identity) -> bytes:
        services.case_erase(case=case)
        return sign_pdf(pdf, identity)

    with patch("reports.services.sign_pdf", erase_first), pytest.raises(ReportNotReady, match="was deleted"):
        report_render(case=Case.objects.get(pk=case.pk))
    assert not Report.objects.exists()
    assert files() == before


@pytest.mark.django_db(transaction=True)
def test_a_report_waits_for_an_erasure_that_has_begun(on_postgres):
    """PostgreSQL, two connections: the report is drawn, then waits for the lock, then finds no case."""
    case = factories.case_done()
    before = files()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            services.case_erase(case=case)
            late = pool.submit(_render_apart, case)
            wait_for(_somebody_waits, what="the report's wait for the lock")
        assert late.result(timeout=30) == "This check was deleted, so there is no report."
    assert files() == before


def _render_apart(case: Case) -> str:
    try:
        report_render(case=Case.objects.get(pk=case.pk))
    except ReportNotReady as reason:
        return str(reason)
    finally:
        connection.close()
    return "stored"


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


def test_paper_and_name_are_choices_of_their_own():
    case = factories.case_done()
    plain = report_render(case=case)
    letter = report_render(case=case, paper="letter")
    named = report_render(case=case, person_name="Ana Example")
    assert (plain.paper, letter.paper, named.person_name) == ("a4", "letter", "Ana Example")
    assert len({plain.pk, letter.pk, named.pk}) == 3
    assert text_of(named).count("Ana Example") == 1
    assert "Ana Example" not in text_of(plain)
    pages = [round(PdfReader(io.BytesIO(report_bytes(report=one))).pages[0].mediabox.width) for one in (plain, letter)]
    assert pages == [595, 612]


def text_of(report: Report) -> str:
    return PdfReader(io.BytesIO(report_bytes(report=report))).pages[0].extract_text()


def test_a_name_is_seen_by_the_patient_only():
    case = factories.case_in_review()
    report = report_render(case=case, person_name="Ana Example")
    reader = factories.DermatologistFactory()
    assert Report.objects.visible_to(case.patient).filter(pk=report.pk).exists()
    assert not Report.objects.visible_to(reader).filter(pk=report.pk).exists()


def test_every_file_is_signed_and_carries_its_code():
    report = report_render(case=factories.case_done())
    content = report_bytes(report=report)
    assert seal_of(content, our_certificates()) is Seal.INTACT
    assert report.certificate.sha256 == signing_identity().sha256
    assert "PRIVATE" not in report.certificate.pem
    text = PdfReader(io.BytesIO(content)).pages[-1].extract_text()
    assert grouped(report.code) in text
    assert f"http://testserver/reports/verify/{report.code}/" in re.sub(r"\s", "", text)


def test_files_of_a_former_certificate_still_verify(settings):
    case = factories.case_done()
    former = report_render(case=case)
    text = make_certificate(name="The next one")
    settings.REPORT_SIGNING_CERTIFICATE = settings.REPORT_SIGNING_KEY = text
    settings.REPORT_SIGNING_SELF_MADE = False
    next_one = report_render(case=case, paper="letter")
    assert next_one.certificate != former.certificate
    for report in (former, next_one):
        assert seal_of(report_bytes(report=report), our_certificates()) is Seal.INTACT


def test_an_unsigned_report_of_old_stays_and_is_not_given_out_as_new():
    """Rows from before files were signed: kept as history, readable, never the latest."""
    case = factories.case_done()
    old = report_render(case=case)
    Report.objects.filter(pk=old.pk).update(certificate=None, code=None, paper="")
    assert report_render(case=case) != old
    assert report_bytes(report=Report.objects.get(pk=old.pk)).startswith(b"%PDF")


@pytest.mark.parametrize("change", [{"code": None}, {"paper": ""}, {"certificate": None}], ids=str)
def test_the_database_keeps_no_half_signed_report(change):
    report = report_render(case=factories.case_done())
    with pytest.raises(IntegrityError, match="signed_report_has_a_code_and_a_paper"):
        Report.objects.filter(pk=report.pk).update(**change)


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
    with django_assert_max_num_queries(22):  # half of them fetch the case with its parts
        report_render(case=access.case_for_task(str(case.pk)))


def test_erasing_a_case_erases_its_reports(django_capture_on_commit_callbacks):
    case = factories.case_done()
    name = report_render(case=case).file.name
    with django_capture_on_commit_callbacks(execute=True):
        services.case_erase(case=case)
    assert not default_storage.exists(name)


def test_a_report_whose_task_was_lost_is_found_by_the_sweep(time_machine):
    start = timezone.now()
    case = factories.case_done()  # its worker died before the report
    factories.case_queued()
    assert reports_missing() == []
    time_machine.move_to(start + timedelta(minutes=3))
    assert reports_missing() == [case.pk]
    render_report_task(str(case.pk))
    assert reports_missing() == []
    services.review_request(case=case, actor=case.patient)
    opinion = {"diagnosis": "eczema", "tier": "routine", "note_to_patient": "Use the cream."}
    services.review_sign(case=case, reviewer=factories.DermatologistFactory(), **opinion)
    time_machine.move_to(start + timedelta(minutes=6))
    assert reports_missing() == [case.pk]
    time_machine.move_to(start + timedelta(hours=3))
    assert reports_missing() == []


@pytest.mark.parametrize(
    ("hears", "sandbox", "unasked"),
    [(["report.ready"], False, True), ([], False, True), (["analysis.failed"], False, False), ([], True, False)],
)
def test_a_partner_has_reports_drawn_unasked_only_where_it_hears_of_them(
    hears, sandbox, unasked, settings, time_machine
):
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    partner, quiet = factories.PartnerFactory.create_batch(2)
    services.endpoint_create(partner=partner, url="http://127.0.0.1:9/", events=hears, sandbox=sandbox)
    case, other = factories.case_done(partner=partner), factories.case_done(partner=quiet)
    patients = factories.case_done()
    with patch.object(render_report_task, "delay_on_commit") as sent:
        for one in (case, other, patients):
            services.result_publish(event=WebhookEvent.REVIEW_COMPLETED, case=one)
    assert sent.mock_calls == [call(str(one.pk)) for one in ([case] if unasked else []) + [patients]]
    time_machine.move_to(timezone.now() + timedelta(minutes=3))
    assert set(reports_missing()) == {patients.pk, *([case.pk] if unasked else [])}
    assert report_render(case=other).file.size, "whoever asks has it made"
