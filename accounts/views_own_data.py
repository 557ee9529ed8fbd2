"""A person's rights over the own data: download, who looked, leaving."""

from __future__ import annotations

import uuid

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access_words import action_text, who_text
from accounts.certificate_words import certificate_lines, kept_lines
from accounts.models import AccessLog, DataExport, DermatologistProfile, ErasureCertificate
from accounts.requests import PersonRequest
from accounts.services import access_record
from accounts.services_export import export_request
from accounts.services_own_data import OnHold, account_can_be_erased, account_erase
from smartderma.keyset import keyset_page
from smartderma.storage import file_response

LOG_PAGE = 50


@login_required
@require_safe
def data_export(request: PersonRequest) -> HttpResponse:
    """Ask for the download, see how far it is, fetch it."""
    export = request.user.exports.first()
    template = "partials/_export_state.html" if request.htmx else "accounts/data_export.html"
    return render(request, template, {"export": export})


@login_required
@require_POST
def data_export_create(request: PersonRequest) -> HttpResponse:
    export_request(user=request.user, language=get_language() or "en")
    return redirect("data_export")


@login_required
@require_safe
def data_export_file(request: PersonRequest, export_id: uuid.UUID) -> HttpResponseBase:
    """The ZIP, for its owner only, until it expires."""
    ready = request.user.exports.filter(status=DataExport.Status.READY).exclude(pk__in=DataExport.objects.expired())
    export = ready.filter(pk=export_id).first()
    if export is None:
        raise Http404
    access_record(actor=request.user, subject=request.user, action="export", obj=export)
    return file_response(export.file, content_type="application/zip", filename="smart-derma-my-data.zip")


@login_required
@require_safe
def access_log(request: PersonRequest) -> HttpResponse:
    """Who opened which of the person's data, and when, newest first."""
    rows = AccessLog.objects.filter(subject=request.user).select_related("actor__dermatologist", "partner")
    if "others" in request.GET:
        rows = rows.exclude(actor=request.user)
    page = keyset_page(rows, cursor=request.GET.get("at", ""), size=LOG_PAGE, by="at")
    looks = [{"at": row.at, "who": who_text(row, request.user), "what": action_text(row)} for row in page.object_list]
    context = {"page": page, "looks": looks, "others": "others" in request.GET}
    return render(request, "accounts/access_log.html", context)


class LeaveForm(forms.Form):
    """One box, so that nobody leaves by a stray click."""

    sure = forms.BooleanField(
        label=gettext_lazy("Yes, erase my account and everything in it. I know that this cannot be undone.")
    )


@login_required
@reauthentication_required(allow_get=True)
@require_http_methods(["GET", "HEAD", "POST"])
def account_delete(request: PersonRequest) -> HttpResponse:
    """Say what goes and what must stay, ask for the password again, then erase."""
    if not account_can_be_erased(user=request.user):
        raise Http404
    form = LeaveForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            certificate = account_erase(user=request.user)
        except OnHold as hold:
            form.add_error(None, hold.sentence)
        else:
            logout(request)
            messages.success(request, _("Your account is gone. This page is the proof; keep its address or print it."))
            return redirect("erasure_certificate", certificate.pk)
    return render(request, "accounts/account_delete.html", _leave_context(request, form))


def _leave_context(request: PersonRequest, form: LeaveForm) -> dict[str, object]:
    return {
        "form": form,
        "holds": request.user.legal_holds.all(),
        "licence": DermatologistProfile.objects.filter(user=request.user).first(),
    }


@require_safe
def erasure_certificate(request: HttpRequest, certificate_id: uuid.UUID) -> HttpResponse:
    """What was erased. Open to whoever knows the address: it names nobody."""
    certificate = ErasureCertificate.objects.filter(pk=certificate_id).first()
    if certificate is None:
        raise Http404
    context = {
        "certificate": certificate,
        "lines": certificate_lines(certificate.counts),
        "kept": kept_lines(certificate.kept),
        "genuine": certificate.digest() == certificate.sha256,
    }
    return render(request, "accounts/erasure_certificate.html", context)
