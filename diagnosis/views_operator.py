"""The operator's overview beside the admin."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import Role
from accounts.requests import PersonRequest
from diagnosis.operator_page import operator_page


def operator_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Only an operator comes in; for everybody else the page does not exist."""

    @login_required
    @wraps(view)
    def guarded(request: PersonRequest, *args, **kwargs) -> HttpResponseBase:
        if request.user.role != Role.OPERATOR or not request.user.is_staff:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


@operator_required
@require_safe
def operator_overview(request: PersonRequest) -> HttpResponse:
    """Licences to check, late reviews, releases, retention; read only."""
    return render(request, "diagnosis/operator_overview.html", operator_page())
