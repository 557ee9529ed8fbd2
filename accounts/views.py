"""Consents and the account page. Log-in, passwords and two-factor pages are allauth's."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.i18n import set_language

from accounts.decorators import patient_required
from accounts.forms import ConsentForm
from accounts.language import language_set
from accounts.models import Purpose
from accounts.requests import PersonRequest
from accounts.services import consent_set


@patient_required
@require_http_methods(["GET", "HEAD", "POST"])
def consent_edit(request: PersonRequest) -> HttpResponse:
    """What the person agrees to, each purpose apart; also the place to take it back."""
    form = ConsentForm.of_user(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        consent_set(user=request.user, purposes=form.purposes, language=get_language() or "en")
        return _after_consent(request, form)
    context = {
        "form": form,
        "version": settings.CONSENT_VERSION,
        "next": _safe_next(request),
        "retention_days": settings.RETENTION_DAYS_WITHOUT_STORAGE_CONSENT,
    }
    return render(request, "accounts/consent_edit.html", context)


def _after_consent(request: PersonRequest, form: ConsentForm) -> HttpResponse:
    if Purpose.CARE not in form.purposes:
        messages.info(request, _("Saved. Without your consent to care we cannot check photos."))
        return redirect("my_data")
    messages.success(request, _("Saved. You can change this at any time under Account."))
    return redirect(_safe_next(request) or "my_data")


def _safe_next(request: PersonRequest) -> str:
    """Where to go on, only within this site."""
    target = request.POST.get("next") or request.GET.get("next", "")
    hosts = {request.get_host()}
    return target if url_has_allowed_host_and_scheme(target, hosts, require_https=request.is_secure()) else ""


@require_POST
def language_choose(request: PersonRequest) -> HttpResponse:
    """The language menu: a cookie for this device, the account for a signed-in person, then back to the same page.

    `?again`: a page that a POST made gets its whole body once more, with `language` in it, so that no answer is lost.
    """
    language = request.POST.get("language", "")
    if request.user.is_authenticated and language in dict(settings.LANGUAGES):
        language_set(user=request.user, language=language)
    response = set_language(request)
    if "again" in request.GET and isinstance(response, HttpResponseRedirect):
        again = HttpResponseRedirect(response.url, preserve_request=True)
        again.cookies = response.cookies
        return again
    return response


@login_required
@require_safe
def my_data(request: PersonRequest) -> HttpResponse:
    """The account in one place: consents, log-in, security."""
    consents = request.user.consents.in_force().order_by("granted_at")
    return render(request, "accounts/my_data.html", {"consents": consents, "version": settings.CONSENT_VERSION})
