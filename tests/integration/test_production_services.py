"""The way of a photo with the services of a large installation: PostgreSQL and an S3 bucket."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.urls import reverse
from pypdf import PdfReader

from diagnosis.models import PhotoFinding
from reports.models import Report
from tests.kit import factories
from tests.kit.processes import wait_for


@pytest.mark.timeout(180)
def test_photo_to_report_on_postgresql_and_s3(on_postgres, s3, stack, tmp_path):
    stack.environment |= s3.environment
    stack.worker("inference,default")
    case = factories.case_queued()
    wait_for(lambda: case.analyses.get().status == "done", what="the analysis")
    wait_for(lambda: Report.objects.filter(case=case).exists(), what="the report")

    assert connection.vendor == "postgresql"
    names = [case.images.get().file.name, PhotoFinding.objects.get().heatmap.name, Report.objects.get().file.name]
    stored = {item["Key"] for item in s3.client.list_objects_v2(Bucket=s3.name)["Contents"]}
    assert stored == set(names)
    for name in names:
        assert_private_and_encrypted(s3, name)
    with Report.objects.get().file.open("rb") as file:
        (tmp_path / "report.pdf").write_bytes(file.read())
    assert case.reference in PdfReader(tmp_path / "report.pdf").pages[0].extract_text()


def assert_private_and_encrypted(s3, name: str) -> None:
    """Encrypted at rest, closed without a signature, open for a short time with one."""
    assert s3.client.head_object(Bucket=s3.name, Key=name)["ServerSideEncryption"] == "AES256"
    plain = f"{s3.environment['S3_ENDPOINT_URL']}/{s3.name}/{name}"
    assert httpx.get(plain).status_code == 403
    link = default_storage.signed_url(name)
    query = parse_qs(urlsplit(link).query)
    assert query["X-Amz-Expires"] == [str(settings.SIGNED_URL_SECONDS)]
    assert httpx.get(link).status_code == 200
    with pytest.raises(PermissionError):
        default_storage.url(name)


def test_photo_page_redirects_to_a_signed_link(on_postgres, s3, client):
    case = factories.case_queued()
    client.force_login(case.patient)
    response = client.get(reverse("image_file", args=[case.images.get().pk]))
    assert response.status_code == 302
    assert "X-Amz-Signature" in response.url
