"""Reports for people: made on request, read through the one door, and checked by anybody who holds one."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import PersonRequest
from diagnosis import access
from reports import services
from reports.forms import ReportForm, VerifyForm
from reports.limits import MakeThrottle, VerifyThrottle, seconds_to_wait
from reports.models import Report
from reports.verification import file_check, read_code, report_summary


@login_required
@require_POST
def report_create(request: PersonRequest, case_id: uuid.UUID) -> HttpResponseBase:
    """Make the report that was asked for if it is missing, and show it. Only the patient may print a name."""
    case = access.case_get(request.user, case_id)
    form = ReportForm(request.POST)
    if not form.is_valid():
        messages.warning(request, _("Please choose a language and paper from the list, and a shorter name."))
        return redirect("case_detail", case_id)
    if seconds := seconds_to_wait(request, MakeThrottle()):
        messages.warning(request, _wait_text(seconds))
        return redirect("case_detail", case_id)
    wanted = form.cleaned_data
    try:
        report = services.report_render(
            case=case,
            language=wanted["language"] or get_language(),
            paper=wanted["paper"],
            person_name=wanted["person_name"] if request.user == case.patient else "",
        )
    except services.ReportNotReady as reason:
        messages.info(request, str(reason))
        return redirect("case_detail", case_id)
    return redirect("report_download", report.pk)


def _wait_text(seconds: int) -> str:
    text = ngettext(
        "You have asked for many reports. Please wait %(n)d second and try again.",
        "You have asked for many reports. Please wait %(n)d seconds and try again.",
        seconds,
    )
    return text % {"n": seconds}


@login_required
@require_GET
def report_download(request: PersonRequest, report_id: uuid.UUID) -> HttpResponseBase:
    """The PDF, shown in the browser under the name of the case."""
    report = access.report_get(request.user, report_id)
    filename = f"{report.case.reference}-v{report.version}-{report.language}.pdf"
    return access.file_response(report.file, content_type="application/pdf", filename=filename)


@require_http_methods(["GET", "HEAD", "POST"])
def report_verify(request: HttpRequest, code: str = "") -> HttpResponse:
    """Open to everybody: status and hash of the report with this code, and the check of a file."""
    typed = code or request.GET.get("code", "")
    if (typed or request.method == "POST") and (seconds := seconds_to_wait(request, VerifyThrottle())):
        answer = render(request, "reports/report_verify.html", {"form": VerifyForm(), "seconds": seconds}, status=429)
        answer.headers["Retry-After"] = str(seconds)
        return answer
    if typed and not code and read_code(typed):
        return redirect("report_verify", read_code(typed))
    known = read_code(typed)
    report = access.report_to_verify(code=known) if known else None
    context = {"typed": typed, "missing": bool(typed) and report is None, "form": VerifyForm(), "report": report}
    if request.method == "POST":
        return _file_answer(request, context)
    return _verify_page(request, context, 404 if context["missing"] else 200)


def _file_answer(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The same page with what the uploaded file is; nothing of the file is kept."""
    form = VerifyForm(request.POST, request.FILES)
    if not form.is_valid():
        return _verify_page(request, {**context, "form": form}, 422)
    report, verdict = file_check(data=form.cleaned_data["file"].read(), expected=context["report"])
    return _verify_page(request, {**context, "report": report, "verdict": verdict}, 200)


def _verify_page(request: HttpRequest, context: dict[str, Any], status: int) -> HttpResponse:
    report: Report | None = context["report"]
    shown = {**context, "report": report_summary(report) if report else None}
    return render(request, "reports/report_verify.html", shown, status=status)
