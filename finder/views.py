"""The finder's pages. A position comes in the body of a POST only: addresses end up in logs and histories."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from csp.decorators import csp_update
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.middleware import HtmxDetails

from finder import services
from finder.cities import ATTRIBUTION as TOWNS_ATTRIBUTION
from finder.forms import PlaceForm, PositionForm
from finder.limits import seconds_to_wait
from finder.places import ProviderError
from finder.presentation import call_number, map_data, rows
from finder.services import Outcome

POSITION_NAMES = frozenset({"latitude", "longitude", "lat", "lon", "lng"})


class HtmxRequest(HttpRequest):
    htmx: HtmxDetails


@dataclass(frozen=True)
class Asked:
    """A request as understood: its form, and what the search gave unless the form is empty, wrong or too early."""

    form: PlaceForm | PositionForm
    outcome: Outcome = field(default_factory=Outcome)
    wait: int = 0
    misplaced: bool = False


def _ask(request: HttpRequest) -> Asked:
    if request.method == "POST":
        form: PlaceForm | PositionForm = PositionForm(request.POST)
    else:
        form = PlaceForm(request.GET if "place" in request.GET else None)
    if POSITION_NAMES & set(request.GET):
        return Asked(form, misplaced=True)
    if not form.is_valid():
        return Asked(form)
    if wait := seconds_to_wait(request):
        return Asked(form, wait=wait)
    return Asked(form, _search(form))


def _search(form: PlaceForm | PositionForm) -> Outcome:
    values = form.cleaned_data
    if isinstance(form, PositionForm):
        return services.position_search(
            latitude=values["latitude"], longitude=values["longitude"], radius_m=form.radius_m
        )
    return services.place_search(text=values["place"], choice=values["choice"], radius_m=form.radius_m)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def finder_search(request: HttpRequest) -> HttpResponseBase:
    """The page: GET with a typed place, POST with the position of the device."""
    asked = _ask(request)
    found = asked.outcome.found
    drawn = map_data(found) if found else None
    context = {
        "form": _place_form(asked),
        "asked": asked,
        "found": found,
        "rows": rows(found) if found else [],
        "map": drawn,
        "choices": _choice_links(asked),
        "towns_attribution": TOWNS_ATTRIBUTION,
    }
    status = HTTPStatus.TOO_MANY_REQUESTS if asked.wait else HTTPStatus.OK
    response = _render_with_tiles(request, context, drawn, status)
    if asked.wait:
        response["Retry-After"] = str(asked.wait)
    return response


def _place_form(asked: Asked) -> PlaceForm:
    """The form to show again; after a search by position it keeps the chosen distance."""
    if isinstance(asked.form, PlaceForm):
        return asked.form
    return PlaceForm(initial={"radius": asked.form["radius"].value()})


def _render_with_tiles(request: HttpRequest, context: dict, drawn: dict | None, status: int) -> HttpResponseBase:
    """Only a page that shows the map may load pictures from the tile server."""

    def page(request: HttpRequest) -> HttpResponse:
        return render(request, "finder/place_list.html", context, status=status)

    if not drawn:
        return page(request)
    tiles = urlsplit(drawn["tiles"]["url"])
    host = tiles.netloc.replace("{s}", "*")
    return csp_update({"img-src": [f"{tiles.scheme}://{host}"] if host else []})(page)(request)


def _choice_links(asked: Asked) -> list[dict[str, str]]:
    radius = asked.form.data.get("radius", "")
    return [
        {
            "label": spot.label,
            "url": f"{reverse('finder_search')}?"
            + urlencode({"place": spot.label[:100], "choice": spot.key, "radius": radius}),
        }
        for spot in asked.outcome.choices
    ]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def finder_results(request: HttpRequest) -> JsonResponse:
    """The same search as JSON `{source, attribution, results, notes}`; problems as problem+json (RFC 9457)."""
    if not request.user.is_authenticated:
        return _problem(HTTPStatus.UNAUTHORIZED, _("Log in first."))
    asked = _ask(request)
    if asked.outcome.found:
        return JsonResponse(asked.outcome.found.as_json())
    return _refusal(asked)


def _refusal(asked: Asked) -> JsonResponse:
    if asked.misplaced:
        return _problem(HTTPStatus.BAD_REQUEST, _misplaced_text())
    if asked.wait:
        response = _problem(HTTPStatus.TOO_MANY_REQUESTS, _("Too many searches. Please wait a moment."))
        response["Retry-After"] = str(asked.wait)
        return response
    if asked.outcome.choices:
        choices = [{"choice": spot.key, "label": spot.label} for spot in asked.outcome.choices]
        return _problem(HTTPStatus.CONFLICT, _("There are several places of this name."), choices=choices)
    if asked.outcome.problem == "unknown_place":
        return _problem(HTTPStatus.NOT_FOUND, _("We do not know this place."))
    if asked.outcome.problem:
        return _problem(HTTPStatus.SERVICE_UNAVAILABLE, _("The place search did not answer."))
    errors = {name: [str(error) for error in found] for name, found in asked.form.errors.items()}
    return _problem(HTTPStatus.BAD_REQUEST, _("Say where to look: a place, or a position."), errors=errors)


def _misplaced_text() -> str:
    return _("Send a position in the body of a POST request, not in the address: addresses are kept in logs.")


def _problem(status: HTTPStatus, detail: str, **more: object) -> JsonResponse:
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail, **more}
    return JsonResponse(body, status=status, content_type="application/problem+json")


@never_cache
@require_safe
def finder_place(request: HtmxRequest, place_id: str) -> HttpResponse:
    """Phone and hours of one Google place, asked for on a click: a fragment for HTMX, else a page."""
    context: dict[str, object] = {"back": reverse("finder_search")}
    status = HTTPStatus.OK
    if wait := seconds_to_wait(request):
        context["wait"], status = wait, HTTPStatus.TOO_MANY_REQUESTS
    else:
        try:
            details = services.place_details(place_id=place_id)
            context |= {"details": details, "call": call_number(details.call)}
        except ProviderError as error:
            if error.reason == "missing":
                raise Http404("No such place.") from None
            status = HTTPStatus.SERVICE_UNAVAILABLE
    template = "finder/partials/_place.html" if request.htmx else "finder/place_detail.html"
    return render(request, template, context, status=HTTPStatus.OK if request.htmx else status)
