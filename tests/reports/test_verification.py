"""The public check, through its address: honest about codes, files, status; silent about people and health."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import AccessLog
from diagnosis import services
from diagnosis.models import Case
from reports.certificates import signing_identity
from reports.context import grouped
from reports.models import Report, verification_code
from reports.services import report_bytes, report_render
from reports.verification import read_code
from tests.kit import factories

pytestmark = pytest.mark.django_db
PAGE = "/reports/verify/"


def text_of(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def check_file(client, data: bytes, code: str = "") -> str:
    file = SimpleUploadedFile("report.pdf", data, "application/pdf")
    answer = client.post(f"{PAGE}{code}/" if code else PAGE, {"file": file})
    assert answer.status_code == 200
    return text_of(answer)


def test_a_code_shows_status_and_hash_and_nothing_of_the_person(client):
    case = factories.case_done(top="melanoma")
    report = report_render(case=case, person_name="Ana Example")
    answer = client.get(reverse("report_verify", args=[report.code]))
    page = text_of(answer)
    assert answer.status_code == 200
    assert "This report is from this service. No dermatologist has signed it" in page
    assert report.sha256 in page
    assert signing_identity().sha256 in page
    for secret in ("Ana Example", case.reference, case.patient.pseudonym, case.patient.email, str(case.pk), "elanoma"):
        assert secret not in page
    assert "clinician within" not in page
    assert not AccessLog.objects.exists()
    assert "noindex" in page


def test_a_signed_report_says_so_and_an_overtaken_one_too(client):
    draft = report_render(case=factories.case_done())
    case = factories.case_signed()
    final = report_render(case=case)
    assert "A dermatologist has signed it" in text_of(client.get(reverse("report_verify", args=[final.code])))
    assert "newer one exists" not in text_of(client.get(reverse("report_verify", args=[draft.code])))
    Report.objects.filter(pk=final.pk).update(version=0, standing="preliminary")
    page = text_of(client.get(reverse("report_verify", args=[final.code])))
    assert "a newer one exists" in page
    assert "Ask for the newest report." in page


def test_a_typed_code_may_be_small_and_grouped(client):
    report = report_render(case=factories.case_done())
    answer = client.get(PAGE, {"code": f" {grouped(report.code).lower()} "})
    assert answer["Location"] == reverse("report_verify", args=[report.code])
    assert read_code(grouped(report.code)) == report.code


@pytest.mark.parametrize("code", ["PCQBVFN7SM8HCQ4N9RPW", "short", "x" * 20, "<script>alert(1)</script>"])
def test_a_code_that_nobody_has_is_said_plainly(client, code):
    report_render(case=factories.case_done())
    answer = client.get(PAGE, {"code": code}, follow=True)
    page = text_of(answer)
    assert answer.status_code == 404
    assert "No report has this code" in page
    assert "<script>alert" not in page


def test_codes_are_long_random_and_not_the_id():
    codes = {verification_code() for _ in range(200)}
    assert len(codes) == 200
    assert {len(code) for code in codes} == {20}


def test_the_file_itself_is_recognised_with_and_without_its_code(client):
    report = report_render(case=factories.case_done())
    data = report_bytes(report=report)
    for code in ("", report.code):
        page = check_file(client, data, code)
        assert "This file is genuine and unchanged" in page
        assert report.sha256 in page


def test_one_changed_bit_is_found(client):
    report = report_render(case=factories.case_done())
    data = bytearray(report_bytes(report=report))
    data[len(data) // 2] ^= 1
    for code in ("", report.code):
        page = check_file(client, bytes(data), code)
        assert "This file was changed" in page
        assert "genuine and unchanged" not in page


def test_a_genuine_file_of_another_report_does_not_pass_for_this_one(client):
    report, other = report_render(case=factories.case_done()), report_render(case=factories.case_done())
    page = check_file(client, report_bytes(report=other), report.code)
    assert "This file is another report" in page
    assert other.sha256 not in page


def test_a_file_whose_report_was_deleted_is_still_known_as_ours(client):
    case = factories.case_done()
    report = report_render(case=case)
    data, code = report_bytes(report=report), report.code
    services.case_erase(case=case)
    assert "genuine, but we no longer keep it" in check_file(client, data)
    assert client.get(reverse("report_verify", args=[code])).status_code == 404


def test_files_of_others_are_not_ours(client, tmp_path):
    report = report_render(case=factories.case_done())
    unsigned = report_bytes(report=report).split(b"/ByteRange")[0]
    for data in (b"hello", b"%PDF-1.7 nothing", unsigned):
        assert "This file is not from this service" in check_file(client, data)


def test_an_unsigned_report_of_old_is_recognised_and_told_apart(client):
    report = report_render(case=factories.case_done())
    Report.objects.filter(pk=report.pk).update(certificate=None, code=None, paper="")
    page = check_file(client, report_bytes(report=report))
    assert "before we signed reports, so it has no signature" in page
    assert "None: made before reports were signed" in page


def test_what_is_no_upload_is_refused_in_words(client):
    for data in ({}, {"file": SimpleUploadedFile("empty.pdf", b"")}):
        answer = client.post(PAGE, data)
        assert answer.status_code == 422
        assert "field-error" in text_of(answer)


def test_twenty_checks_a_minute(client, time_machine):
    report = report_render(case=factories.case_done())
    address = reverse("report_verify", args=[report.code])
    time_machine.move_to("2026-11-23T10:00:00Z", tick=False)
    assert {client.get(address).status_code for _ in range(20)} == {200}
    refused = client.get(address)
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 60
    assert report.sha256 not in text_of(refused)
    assert client.post(PAGE, {}).status_code == 429
    assert client.get(PAGE).status_code == 200  # the empty page costs nothing
    time_machine.shift(timedelta(seconds=61))
    assert client.get(address).status_code == 200


def test_few_queries(client, django_assert_max_num_queries):
    report = report_render(case=factories.case_signed())
    with django_assert_max_num_queries(4):
        client.get(reverse("report_verify", args=[report.code]))


def test_the_check_of_a_sandbox_report_says_that_it_is_a_test(client):
    key, _text = factories.partner_key(sandbox=True)
    case = factories.case_done(partner=key.partner)
    Case.objects.update(sandbox=True)
    report = report_render(case=Case.objects.get(pk=case.pk))
    assert "a test of a program, not a result" in text_of(client.get(reverse("report_verify", args=[report.code])))
