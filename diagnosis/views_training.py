"""Exports for training, for operators."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.recent import confirm_address, is_recently_authenticated
from accounts.requests import PersonRequest
from diagnosis import services
from diagnosis.models import TrainingExport
from diagnosis.release_forms import ExportForm
from diagnosis.training_page import training_page
from diagnosis.views_operator import operator_required
from diagnosis.views_releases import CONFIRM
from smartderma.storage import file_response


@operator_required
@require_http_methods(["GET", "HEAD", "POST"])
def training_exports(request: PersonRequest) -> HttpResponse:
    """What was exported, by whom, and what was left out; POST asks for a new one."""
    form = ExportForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if is_recently_authenticated(request):
            services.training_export_request(operator=request.user, **form.cleaned_data)
            messages.success(request, _("A worker puts it together. Reload this page in a minute."))
            return redirect("training_exports")
        form.add_error(None, CONFIRM)
    context = {
        **training_page(),
        "form": form,
        "recent": is_recently_authenticated(request),
        "confirm_address": confirm_address(request),
    }
    return render(request, "diagnosis/training_exports.html", context, status=422 if form.errors else 200)


@operator_required
@require_safe
def training_export_file(request: PersonRequest, export_id: uuid.UUID) -> HttpResponseBase:
    """The ZIP, while nobody in it has left: by a short-lived signed link where the storage can sign one."""
    export = TrainingExport.objects.downloadable().filter(pk=export_id).first()
    if export is None or not services.is_whole(export):
        raise Http404
    if not is_recently_authenticated(request):
        messages.warning(request, str(CONFIRM))
        return redirect("training_exports")
    services.training_export_fetched(export=export, operator=request.user)
    return file_response(export.file, content_type="application/zip", filename="smart-derma-training.zip")
