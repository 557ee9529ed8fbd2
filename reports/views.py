"""Reports for people: made on request, then read through the one door."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import get_language
from django.views.decorators.http import require_GET, require_POST

from accounts.requests import PersonRequest
from diagnosis import access
from reports import services


@login_required
@require_POST
def report_create(request: PersonRequest, case_id: uuid.UUID) -> HttpResponseBase:
    """Make the report in the reader's language if it is missing, and show it."""
    case = access.case_get(request.user, case_id)
    try:
        report = services.report_render(case=case, language=get_language())
    except services.ReportNotReady as reason:
        messages.info(request, str(reason))
        return redirect("case_detail", case_id)
    return redirect("report_download", report.pk)


@login_required
@require_GET
def report_download(request: PersonRequest, report_id: uuid.UUID) -> HttpResponseBase:
    """The PDF, shown in the browser under the name of the case."""
    report = access.report_get(request.user, report_id)
    filename = f"{report.case.reference}-v{report.version}-{report.language}.pdf"
    return access.file_response(report.file, content_type="application/pdf", filename=filename)
