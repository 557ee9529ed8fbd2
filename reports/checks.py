"""System checks of the reports: production does not start without a certificate of its own."""

from __future__ import annotations

from django.conf import settings
from django.core.checks import Error

from reports.certificates import CertificateProblem, check_settings


def reports_can_be_signed(app_configs, **kwargs) -> list[Error]:
    if settings.REPORT_SIGNING_SELF_MADE:
        return []
    if not settings.REPORT_SIGNING_CERTIFICATE:
        text = "REPORT_SIGNING_CERTIFICATE and REPORT_SIGNING_KEY must be set in production: every report is signed."
        return [Error(text, id="reports.E001")]
    try:
        check_settings()
    except CertificateProblem as problem:
        return [Error(str(problem), id="reports.E002")]
    return []
