"""Releases of the model, for operators: have one checked, try it in shadow, activate it, go back."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.recent import is_recently_authenticated
from accounts.requests import PersonRequest
from diagnosis import services
from diagnosis.release_forms import ActivateForm, ShadowForm
from diagnosis.releases_page import releases_page, shadow_page
from diagnosis.views_operator import operator_required

CONFIRM = gettext_lazy("Please confirm who you are first. What you wrote stays on this page.")


@operator_required
@require_safe
def release_list(request: PersonRequest) -> HttpResponse:
    """Every release that is installed, what runs, and the diary."""
    return _page(request)


def _page(
    request: PersonRequest, *, status: int = 200, name: str = "", form: ActivateForm | None = None
) -> HttpResponse:
    context = releases_page(request, name=name, form=form)
    return render(request, "diagnosis/release_list.html", context, status=status)


@operator_required
@require_POST
def release_check(request: PersonRequest, name: str) -> HttpResponse:
    """Ask a worker whether the release works."""
    _try(
        request,
        lambda: services.release_check_ask(name=name, operator=request.user),
        _("A worker checks it. Reload this page in a minute."),
    )
    return redirect("release_list")


@operator_required
@require_POST
def release_activate(request: PersonRequest, name: str) -> HttpResponse:
    """Make a checked release answer from the next case on; also the way back to an earlier one."""
    form = ActivateForm(request.POST)
    if form.is_valid() and not is_recently_authenticated(request):
        form.add_error(None, CONFIRM)
    if not form.is_valid():
        return _page(request, status=422, name=name, form=form)
    _try(
        request,
        lambda: services.release_activate(name=name, operator=request.user, **form.cleaned_data),
        _("From now on release %(name)s answers.") % {"name": name},
    )
    return redirect("release_list")


@operator_required
@require_POST
def release_shadow(request: PersonRequest, name: str) -> HttpResponse:
    """Let a checked release judge a share of the live cases as well; 0 ends it."""
    form = ShadowForm(request.POST)
    if form.is_valid():
        _try(
            request,
            lambda: services.release_shadow_set(name=name, operator=request.user, **form.cleaned_data),
            _("Saved."),
        )
    else:
        messages.warning(request, _("The share is between 0 and 100 per cent."))
    return redirect("release_list")


def _try(request: PersonRequest, step: Callable[[], object], success: str) -> None:
    """Do it, and say how it went."""
    try:
        step()
    except services.WrongState as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, success)


@operator_required
@require_safe
def shadow_comparison(request: PersonRequest, name: str) -> HttpResponse:
    """A candidate beside the active release, in figures. Raises Http404 for a release that was never checked."""
    page = shadow_page(name)
    if page is None:
        raise Http404
    return render(request, "diagnosis/shadow_comparison.html", page)
