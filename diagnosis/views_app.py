"""What makes the portal an app on a phone: its manifest, its service worker, and the page for times without a network.

All three are the same for everybody. The worker keeps the offline page, styles, scripts and icons, nothing else.
"""

from __future__ import annotations

import hashlib
import json
import uuid

from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language, get_language_info, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from diagnosis.emergency import FALLBACK, NUMBERS
from diagnosis.forms import CaseForm, EmergencyForm

SHELL = (
    "build/app.css", "img/mark.svg", "img/icon-192.png", "js/app.js", "js/device.js", "js/deliver.js", "js/choices.js",
    "js/bodymap.js", "js/photos.js", "js/steps.js", "js/send.js", "js/drafts.js",
)  # fmt: skip
ICONS = (
    ("img/icon-192.png", "192x192", "any"),
    ("img/icon-512.png", "512x512", "any"),
    ("img/icon-mask-512.png", "512x512", "maskable"),
)
ALWAYS_ASK = "public, no-cache"


@require_safe
def app_manifest(request: HttpRequest, language: str) -> HttpResponse:
    """Name, colours and icons of the installed app, in one language."""
    with override(_known(language)):
        manifest = {
            "name": _("Smart Derma: skin check"),
            "short_name": "Smart Derma",
            "description": _("Photograph a skin problem, learn how urgent it is and what to do next."),
            "lang": language,
            "dir": "rtl" if get_language_info(language)["bidi"] else "ltr",
            "id": "/",
            "start_url": reverse("home"),
            "scope": "/",
            "display": "standalone",
            "background_color": "#f6f8f6",
            "theme_color": "#0b6a5e",
            "icons": [
                {"src": static(path), "sizes": sizes, "type": "image/png", "purpose": purpose}
                for path, sizes, purpose in ICONS
            ],
            "shortcuts": [{"name": _("New check"), "url": reverse("case_create")}],
        }
    answer = JsonResponse(manifest, content_type="application/manifest+json")
    answer.headers["Cache-Control"] = ALWAYS_ASK
    return answer


@require_safe
def app_worker(request: HttpRequest) -> HttpResponse:
    """The service worker. Its text changes with every file of the shell and with the language: then it is renewed."""
    offline = reverse("app_offline", args=[get_language() or settings.LANGUAGE_CODE])
    shell = [static(path) for path in SHELL]
    context = {"offline": json.dumps(offline), "shell": json.dumps(shell), "version": _version(offline)}
    answer = render(request, "app/worker.js", context, content_type="text/javascript; charset=utf-8")
    answer.headers["Cache-Control"] = ALWAYS_ASK
    return answer


def _version(offline: str) -> str:
    digest = hashlib.sha256(offline.encode())
    for path in SHELL:
        with open(str(finders.find(path)), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()[:16]


@require_safe
def app_offline(request: HttpRequest, language: str) -> HttpResponse:
    """Without a network: take a check and keep it on the device, see and delete those that wait. Knows nobody."""
    with override(_known(language)):
        context = {
            "LANGUAGE_CODE": language,
            "check": EmergencyForm(),
            "form": CaseForm(initial={"submission_key": uuid.UUID(int=0)}),
            "screen": "emergency",
            "numbers": json.dumps(NUMBERS),
            "fallback": FALLBACK,
            "max_bytes": settings.MAX_PHOTO_BYTES,
            "max_photos": settings.MAX_PHOTOS,
        }
        page = render_to_string("app/offline.html", context)  # without the request: the same for everybody
    return HttpResponse(page, headers={"Cache-Control": ALWAYS_ASK})


def _known(language: str) -> str:
    if language not in dict(settings.LANGUAGES):
        raise Http404
    return language
