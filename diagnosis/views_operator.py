"""The operator's overview beside the admin."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import Role
from accounts.requests import PersonRequest
from diagnosis.operator_page import operator_page


@login_required
@require_safe
def operator_overview(request: PersonRequest) -> HttpResponse:
    """Licences to check, late reviews, releases, retention; read only. For everybody else it does not exist."""
    if request.user.role != Role.OPERATOR or not request.user.is_staff:
        raise Http404
    return render(request, "diagnosis/operator_overview.html", operator_page())
