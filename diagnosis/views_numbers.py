"""Figures about readers and model for operators and verified dermatologists. They name no person and no case."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import Role
from accounts.requests import PersonRequest
from diagnosis.numbers.charts import figure
from diagnosis.numbers.files import csv_lines
from diagnosis.numbers.forms import ScopeForm
from diagnosis.numbers.pages import OF_RELEASES, PAGES, TITLES, page_tables, table_of
from diagnosis.services.numbers import numbers_export_record


def numbers_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Operators and verified dermatologists come in; for everybody else the page does not exist."""

    @login_required
    @require_safe
    @wraps(view)
    def guarded(request: PersonRequest, page: str = "work", *args, **kwargs) -> HttpResponseBase:
        operator = request.user.role == Role.OPERATOR and request.user.is_staff
        if page not in PAGES or not (operator or request.user.is_verified_dermatologist):
            raise Http404
        return view(request, page, *args, **kwargs)

    return guarded


@numbers_required
def numbers(request: PersonRequest, page: str) -> HttpResponse:
    """One page of figures; the period and the other filters come by the address."""
    form = _form(request, page)
    scope = form.scope
    context = {
        "page": page,
        "pages": TITLES,
        "form": form,
        "scope": scope,
        "figures": [figure(table) for table in page_tables(page, scope)] if scope else [],
    }
    return render(request, "diagnosis/numbers.html", context, status=200 if scope else 422)


@numbers_required
def numbers_table(request: PersonRequest, page: str, key: str) -> HttpResponseBase:
    """One table as a CSV file; who took it stands in the access log."""
    scope = _form(request, page).scope
    table = table_of(page, key, scope) if scope else None
    if scope is None or table is None:
        raise Http404
    numbers_export_record(actor=request.user, key=key, scope=scope)
    lines = list(table.lines())  # the words are of this request's language, also once the answer is on its way
    name = f"{key}-{scope.first}-{scope.last}.csv".replace("_", "-")
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(csv_lines(lines), content_type="text/csv; charset=utf-8", headers=headers)


def _form(request: PersonRequest, page: str) -> ScopeForm:
    return ScopeForm(request.GET, user=request.user, releases=page in OF_RELEASES)
