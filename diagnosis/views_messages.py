"""Messages of a case, for its patient and for dermatologists: one page, also a part of the case's own page."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import Role
from accounts.requests import PersonRequest
from accounts.services import consent_held
from diagnosis import access, services
from diagnosis.forms import PHOTO_TYPES, PhotosInput
from diagnosis.images import InspectedPhoto, inspect_uploads
from diagnosis.models import Case
from diagnosis.refusals import refusals_on
from smartderma.keyset import keyset_page

PAGE_SIZE = 25
THREAD_SIZE = 50


class MessageForm(forms.Form):
    """A message. `photos` are decoded and clean once the form is valid."""

    submission_key = forms.UUIDField(widget=forms.HiddenInput)
    text = forms.CharField(label=_("Your message"), required=False, max_length=4000, widget=forms.Textarea({"rows": 4}))
    photo_files = forms.Field(
        label=_("Photos"), required=False, widget=PhotosInput({"accept": PHOTO_TYPES, "multiple": True})
    )

    def __init__(self, *args: Any, may_send_photos: bool, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {}).setdefault("submission_key", uuid.uuid4())
        kwargs["auto_id"] = "message_%s"  # it may stand beside other forms
        super().__init__(*args, **kwargs)
        self.fields["photo_files"].optional_mark = True  # type: ignore[attr-defined]
        if not may_send_photos:
            del self.fields["photo_files"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.photos: list[InspectedPhoto] = []
        files = cleaned.get("photo_files") or []
        if len(files) > settings.MAX_MESSAGE_PHOTOS:
            self.add_error("photo_files", _("Please add at most three photos to a message."))
        elif files:
            self._inspect(files)
        return cleaned

    def _inspect(self, files: list[Any]) -> None:
        try:
            self.photos = inspect_uploads(files)
        except ValidationError as error:
            self.add_error("photo_files", error)


@login_required
@require_safe
def message_inbox(request: PersonRequest) -> HttpResponse:
    """Conversations, the one written to last first; a dermatologist sees those of the cases they took on."""
    if request.user.role not in {Role.PATIENT, Role.DERMATOLOGIST}:
        raise Http404
    page = keyset_page(access.thread_list(request.user), cursor=request.GET.get("at", ""), size=PAGE_SIZE, by="last_at")
    return render(request, "diagnosis/message_inbox.html", {"page": page})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def message_list(request: PersonRequest, case_id: uuid.UUID) -> HttpResponse:
    """Read and write; older messages have pages of their own. Opening the newest marks the other side's as read."""
    case = access.thread_get(request.user, case_id)
    form = _form(request)
    if request.method == "POST" and form.is_valid() and _send(request, case, form):
        return redirect(_back(request, case))
    cursor = request.GET.get("at", "")
    page = keyset_page(access.thread_messages(request.user, case), cursor=cursor, size=THREAD_SIZE, by="sent_at")
    if not page.newer:
        services.messages_read(case=case, reader=request.user)
    context = {"case": case, "form": form, "back": _page(request, case), "page": page}
    template = "partials/_message_thread.html" if request.htmx else "diagnosis/message_list.html"
    return render(request, template, context, status=422 if form.errors else 200)


def _form(request: PersonRequest) -> MessageForm:
    """Photos are taken in only with the patient's consent to care, as for a new check."""
    allowed = request.user.role != Role.PATIENT or consent_held(user=request.user)
    if request.method == "POST":
        return MessageForm(request.POST, request.FILES, may_send_photos=allowed)
    return MessageForm(may_send_photos=allowed)


def _send(request: PersonRequest, case: Case, form: MessageForm) -> bool:
    """Send, or put the reason why not on the form."""
    with refusals_on(form):
        services.message_send(
            case=case,
            author=request.user,
            text=form.cleaned_data["text"],
            photos=form.photos,
            submission_key=form.cleaned_data["submission_key"],
        )
    return not form.errors


def _page(request: PersonRequest, case: Case) -> str:
    """The reader's own page of the case."""
    return reverse("case_detail" if request.user.role == Role.PATIENT else "review_case", args=[case.pk])


def _back(request: PersonRequest, case: Case) -> str:
    """Where the message was written: on the page of the case or on that of its messages."""
    if request.POST.get("from") == "case":
        return f"{_page(request, case)}#messages"
    return f"{reverse('message_list', args=[case.pk])}#last"


@login_required
@require_safe
def attachment_file(request: PersonRequest, attachment_id: uuid.UUID) -> HttpResponseBase:
    return access.file_response(access.attachment_get(request.user, attachment_id).file, content_type="image/jpeg")
