"""Which e-mails a person gets, and the page that stops them without a log-in."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.requests import PersonRequest
from diagnosis import services
from diagnosis.models import NoticeKind
from diagnosis.notices import kinds_offered, read_stop_token


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def notice_settings(request: PersonRequest) -> HttpResponse:
    """One box per kind of e-mail; all are on until somebody switches one off."""
    offered = kinds_offered(request.user)
    if not offered:
        raise Http404
    if request.method == "POST":
        wanted = set(request.POST.getlist("kind")) & set(offered)
        services.notices_choose(user=request.user, wanted=wanted, offered=set(offered))
        messages.success(request, _("Saved."))
        return redirect("notice_settings")
    muted = set(request.user.muted_notices.values_list("kind", flat=True))
    kinds = [(kind, NoticeKind(kind).label, kind not in muted) for kind in offered]
    return render(request, "diagnosis/notice_settings.html", {"kinds": kinds})


@csrf_exempt  # a mail programme posts here without a session (RFC 8058); the signed token is the proof
@require_http_methods(["GET", "HEAD", "POST"])
def mail_stop(request: HttpRequest, token: str) -> HttpResponse:
    """Stop one reminder or one kind of e-mail. GET only asks, because mail programmes open links by themselves."""
    signed = read_stop_token(token)
    if signed is None:
        raise Http404
    kind, subject = signed
    if request.method == "POST":
        services.mail_stop(kind=kind, subject=subject)
    context = {"stopped": request.method == "POST", "what": NoticeKind(kind).label}
    return render(request, "diagnosis/mail_stop.html", context)
