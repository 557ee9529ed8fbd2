"""The patient's answer to "cannot judge": more photos for a case that is there already."""

from __future__ import annotations

import uuid

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.decorators import care_consent_required, patient_required
from accounts.requests import PersonRequest
from diagnosis import access, services
from diagnosis.forms import PhotosField
from diagnosis.images import InspectedPhoto, inspect_uploads
from diagnosis.models import Case, ReviewState
from diagnosis.refusals import refusals_on


class MorePhotosForm(forms.Form):
    photos = PhotosField(label=gettext_lazy("New photos"), multiple=True)

    def clean_photos(self) -> list[InspectedPhoto]:
        """Decoded, upright, without anything but pixels. The decoder is the judge."""
        return inspect_uploads(self.cleaned_data["photos"])


@patient_required
@care_consent_required
@require_http_methods(["GET", "HEAD", "POST"])
def photos_add(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """Says which photos are missing and takes them. Exists only while a dermatologist waits for them."""
    case = access.case_get(request.user, case_id)
    if case.review_state != ReviewState.PHOTOS:
        raise Http404
    form = MorePhotosForm(request.POST, request.FILES) if request.method == "POST" else MorePhotosForm()
    if request.method == "POST" and form.is_valid() and _add(request, case, form):
        messages.success(request, _("Thank you. Your new photos are being checked, then a dermatologist looks again."))
        return redirect("case_detail", case_id)
    asked = case.photo_requests.filter(answered_at=None).first()
    left = settings.MAX_PHOTOS_OF_A_CASE - len(case.images.all())
    context = {"case": case, "form": form, "asked": asked, "left": min(left, settings.MAX_PHOTOS)}
    return render(request, "diagnosis/photos_add.html", context, status=422 if form.errors else 200)


def _add(request: PersonRequest, case: Case, form: MorePhotosForm) -> bool:
    with refusals_on(form):
        services.photos_add(case=case, patient=request.user, photos=form.cleaned_data["photos"])
    return not form.errors
