"""The way of a new check: warning signs first, then photos and questions, one screen at a time, with or without script.

Without JavaScript every screen is a request; all answers so far travel in the form, photos wait on the server
(`services.intake`). With JavaScript the same page moves from screen to screen by itself and sends at the end.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.decorators import care_consent_required, patient_required
from accounts.requests import PersonRequest
from diagnosis import access, recheck, services
from diagnosis.emergency import emergency_call
from diagnosis.forms import PHOTO_SCREEN, SCREEN_ORDER, CaseForm, CutForm, EmergencyForm
from diagnosis.models import Case, IntakePhoto
from diagnosis.presentation_intake import intake_photo_card, intake_photo_cards

FORM_ID = "check-form"  # the form that the language menu sends along
ACTIONS: dict[str, Callable[..., Any]] = {
    "cover": services.photo_cover_faces,
    "eyes": services.photo_cover_eyes,
    "keep": services.photo_keep_face,
    "remove": services.photo_forget,
}


@patient_required
@care_consent_required
@require_http_methods(["GET", "HEAD", "POST"])
def case_create(request: PersonRequest) -> HttpResponse:
    """GET: the warning signs. POST: one step; `photo_action` is the button of a photo, `step` that of the page."""
    step = request.POST.get("step", "")
    if "language" in request.POST:
        return _in_another_language(request)
    if step in {"check", "watch"}:
        return _case_check(request, only_look=step == "watch")
    if step == "continue":
        return _case_form(request, CaseForm(initial=_first_answers(request)))
    if "photo_action" in request.POST:
        return _case_photo_action(request)
    if step in {"next", "back"}:
        return _case_step(request, step)
    if step == "send":
        return _case_send(request)
    recheck.spot_announce(request)
    return _case_start(request, EmergencyForm())


def _case_start(request: PersonRequest, form: EmergencyForm, status: int = 200) -> HttpResponse:
    context = {"form": form, "language_form": FORM_ID, "spot": recheck.spot_of(request)}
    return render(request, "diagnosis/case_check.html", context, status=status)


def _in_another_language(request: PersonRequest) -> HttpResponse:
    """The page as it was: the language menu sends the whole form here."""
    if "submission_key" in request.POST:
        return _case_form(request, _bound(request, screen=None), _screen(request))
    if EmergencyForm(request.POST).is_emergency:
        return _case_check(request, only_look=False)
    return _case_start(request, EmergencyForm(initial=_first_answers(request)))


def _case_check(request: PersonRequest, *, only_look: bool) -> HttpResponse:
    """The answers about warning signs. `only_look`: the page asks at every tick, so that help shows at once."""
    form = EmergencyForm(request.POST)
    valid = form.is_valid()
    call = emergency_call(form.cleaned_data.get("country") or "") if form.is_emergency else None
    context = {"form": form, "call": call, "answers": _first_answers(request), "language_form": FORM_ID}
    context["spot"] = recheck.spot_of(request)
    if only_look:
        return render(request, "partials/_emergency.html", context)
    if call:
        return render(request, "diagnosis/case_emergency.html", context)
    if not valid:
        return _case_start(request, form, status=422)
    return _case_form(request, CaseForm(initial=_first_answers(request)))


def _first_answers(request: PersonRequest) -> dict[str, Any]:
    return {"country": request.POST.get("country", ""), "red_flags": request.POST.getlist("red_flags")}


def _case_form(
    request: PersonRequest,
    form: CaseForm,
    screen: str = PHOTO_SCREEN,
    *,
    status: int = 200,
    errors: dict[str, str] | None = None,
) -> HttpResponse:
    context = {
        "form": form,
        "language_form": FORM_ID,
        "spot": recheck.spot_of(request),
        "screen": screen,
        "step": SCREEN_ORDER.index(screen) + 1,
        "steps": len(SCREEN_ORDER),
        "cards": intake_photo_cards(form.photos, errors or {}),
        "max_bytes": settings.MAX_PHOTO_BYTES,
        "max_photos": settings.MAX_PHOTOS,
    }
    template = "components/error_summary.html" if request.htmx else "diagnosis/case_create.html"
    return render(request, template, context, status=status)


def _case_step(request: PersonRequest, step: str) -> HttpResponse:
    """One screen on or back. New photos are shown with what we think of them before the questions begin."""
    screen = _screen(request)
    place = SCREEN_ORDER.index(screen)
    if step == "back":
        return _case_form(request, _bound(request, screen=None), SCREEN_ORDER[max(place - 1, 0)])
    form = _bound(request, screen=screen)
    if form.errors:
        return _case_form(request, form, screen, status=422)
    following = screen if request.FILES else SCREEN_ORDER[min(place + 1, len(SCREEN_ORDER) - 1)]
    return _case_form(request, form, following)


def _screen(request: PersonRequest) -> str:
    screen = request.POST.get("screen", PHOTO_SCREEN)
    return screen if screen in SCREEN_ORDER else PHOTO_SCREEN


def _bound(request: PersonRequest, *, screen: str | None) -> CaseForm:
    """The form with all answers so far and the errors of one screen only (None: of none)."""
    errors = _photos_receive(request)
    form = CaseForm(request.POST, photos=_photos(request), photo_errors=errors, sending=False)
    form.is_valid()
    form.keep_errors_of(screen or "")
    return form


def _photos(request: PersonRequest) -> list[IntakePhoto]:
    key = _submission_key(request)
    return access.intake_photos(request.user, key) if key else []


def _submission_key(request: PersonRequest) -> uuid.UUID | None:
    try:
        return uuid.UUID(request.POST.get("submission_key", ""))
    except ValueError:
        return None


def _photos_receive(request: PersonRequest) -> list[str]:
    """Keep the photos that came with this request; one sentence for each that cannot be used."""
    key = _submission_key(request)
    if key is None:
        return []
    uploads = [(file, shot) for name, shot in CaseForm.SHOT_FIELDS.items() for file in request.FILES.getlist(name)]
    problems = []
    for number, (file, shot) in enumerate(uploads, start=1):
        data = file.read(settings.MAX_PHOTO_BYTES + 1)
        try:
            services.photo_take_in(patient=request.user, submission_key=key, shot=shot, data=data)
        except ValidationError as error:
            problems.append(_("Photo %(number)d: %(problem)s") % {"number": number, "problem": error.messages[0]})
    return problems


def _case_send(request: PersonRequest) -> HttpResponse:
    sent = _case_sent(request)
    if sent:
        return _to_case(request, sent)
    refusal = "" if services.may_submit(patient=request.user) else _("You have sent many checks. Please wait an hour.")
    errors = [] if refusal else _photos_receive(request)
    form = CaseForm(request.POST, photos=_photos(request), photo_errors=errors, refusal=refusal)
    if not form.is_valid():
        return _not_sent(request, form)
    try:
        case = services.intake_submit(
            patient=request.user,
            submission_key=form.cleaned_data["submission_key"],
            answers=form.answers,
            language=get_language() or "en",
            ask=form.cleaned_data["ask_dermatologist"],
        )
    except ValidationError as error:  # the photos expired or were removed at this very moment
        form.add_error("photo_close_up", error)
        return _not_sent(request, form)
    recheck.spot_file(request, case)
    return _to_case(request, case)


def _not_sent(request: PersonRequest, form: CaseForm) -> HttpResponse:
    """The page with what is wrong; to the sending script: 409 where only our own look at the photos is missing."""
    sent = _case_sent(request)
    if sent:
        return _to_case(request, sent)  # a second click, while the first was still on its way
    if request.htmx and form.is_looking:
        return HttpResponse(status=409, headers={"Retry-After": "2"})
    return _case_form(request, form, form.first_faulty_screen, status=422)


def _case_sent(request: PersonRequest) -> Case | None:
    key = _submission_key(request)
    return access.case_sent(request.user, key) if key else None


def _to_case(request: PersonRequest, case: Case) -> HttpResponse:
    target = reverse("case_detail", args=[case.pk])
    return HttpResponseClientRedirect(target) if request.htmx else redirect(target)


def _case_photo_action(request: PersonRequest) -> HttpResponse:
    """A photo's button, without JavaScript: "cover:<id>" and so on."""
    action, _colon, photo_id = request.POST["photo_action"].partition(":")
    photo = next((one for one in _photos(request) if str(one.pk) == photo_id), None)
    if photo is None:
        raise Http404
    error = _photo_change(request, photo, action, prefix=str(photo.pk))
    form = _bound(request, screen=None)
    status = 422 if error else 200
    return _case_form(request, form, PHOTO_SCREEN, status=status, errors={photo_id: error})


@patient_required
@care_consent_required
@require_http_methods(["GET", "HEAD", "POST"])
def intake_photo(request: PersonRequest, photo_id: uuid.UUID) -> HttpResponse:
    """One waiting photo's card: asked for again while a worker looks; POST `photo_action` changes the photo."""
    photo = access.intake_photo_get(request.user, photo_id)
    if request.method != "POST":
        return render(request, "partials/_intake_photo.html", {"card": intake_photo_card(photo)})
    action = request.POST.get("photo_action", "").partition(":")[0]
    error = _photo_change(request, photo, action, prefix=str(photo.pk))
    if action == "remove" and not error:
        return HttpResponse("")
    card = intake_photo_card(access.intake_photo_get(request.user, photo_id), error)
    return render(request, "partials/_intake_photo.html", {"card": card}, status=422 if error else 200)


def _photo_change(request: PersonRequest, photo: IntakePhoto, action: str, *, prefix: str) -> str:
    """Do it; gives the sentence why not, or an empty one. Raises Http404 for a button that we do not have."""
    form = CutForm(request.POST, prefix=prefix)
    if action not in {*ACTIONS, "cut"}:
        raise Http404
    if action == "cut" and not form.is_valid():
        return _("Please give whole numbers from 0 to 90.")
    try:
        if action == "cut":
            services.photo_cut(photo=photo, **form.edges)
        else:
            ACTIONS[action](photo=photo)
    except ValidationError as error:
        return error.messages[0]
    except services.OnHold as hold:
        return hold.sentence
    return ""


@login_required
@require_safe
def intake_photo_file(request: PersonRequest, photo_id: uuid.UUID) -> HttpResponseBase:
    photo = access.intake_photo_get(request.user, photo_id)
    return access.file_response(photo.file, content_type="image/jpeg")
