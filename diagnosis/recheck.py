"""A new check of a spot that is followed already: chosen at its start, filed when it is sent."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.requests import PersonRequest
from diagnosis import access, services
from diagnosis.models import Case, Lesion
from diagnosis.questions import option_label

FIELD = "spot"  # travels with the form, not with the session: two checks at once keep their spots apart


def lesion_label(lesion: Lesion) -> str:
    """The name that the person gave, else the place on the body."""
    return lesion.name or str(option_label("site", lesion.body_site))


def spot_announce(request: PersonRequest) -> None:
    """At the start of a check: `?spot=` says which spot it is."""
    lesion = _own_spot(request, request.GET.get(FIELD, ""))
    if lesion:
        messages.info(request, _("This check will be filed under “%(spot)s”.") % {"spot": lesion_label(lesion)})


def spot_of(request: PersonRequest) -> str:
    """The id of the spot that this check is of, "" for none."""
    lesion = _own_spot(request, request.POST.get(FIELD, "") or request.GET.get(FIELD, ""))
    return str(lesion.pk) if lesion else ""


def spot_file(request: PersonRequest, case: Case) -> None:
    """At the end of it: the check goes under the spot, if that is still there."""
    lesion = _own_spot(request, request.POST.get(FIELD, ""))
    if lesion is not None:
        services.case_file(case=case, lesion=lesion)


def _own_spot(request: PersonRequest, lesion_id: str) -> Lesion | None:
    if not lesion_id:
        return None
    try:
        return access.lesion_list(request.user).filter(pk=lesion_id).first()
    except ValidationError:  # not an id
        return None
