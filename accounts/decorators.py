"""Who may open a page. For everybody else a page of another role does not exist."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.models import Role
from accounts.requests import PersonRequest
from accounts.services import consent_held

View = Callable[..., HttpResponse]


def patient_required(view: View) -> View:
    """Log-in for strangers, 404 for every other role."""

    @login_required
    @wraps(view)
    def guarded(request: PersonRequest, *args, **kwargs) -> HttpResponse:
        if request.user.role != Role.PATIENT:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def partner_required(view: View) -> View:
    """Log-in for strangers, 404 for every other role."""

    @login_required
    @wraps(view)
    def guarded(request: PersonRequest, *args, **kwargs) -> HttpResponse:
        if request.user.role != Role.PARTNER:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def care_consent_required(view: View) -> View:
    """Photos are taken in only from a person who agreed to today's text about care; inside `patient_required`."""

    @wraps(view)
    def guarded(request: PersonRequest, *args, **kwargs) -> HttpResponse:
        if not consent_held(user=request.user):
            return redirect(f"{reverse('consent_edit')}?{urlencode({'next': request.path})}")
        return view(request, *args, **kwargs)

    return guarded
