"""What stands beside a case on a dermatologist's screen: other cases of the person and of the spot, and those alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from accounts.models import User
from diagnosis import access, blind
from diagnosis.models import Case
from diagnosis.similar import nearest_cases

HISTORY = 10


@dataclass(frozen=True)
class SimilarCase:
    """A signed case and how much alike it is: cosine similarity in per cent."""

    case: Case
    percent: int


def related_context(user: User, case: Case) -> dict[str, Any]:
    """The values of templates/partials/_review_related.html. All cases of all lists come with one query."""
    near = nearest_cases(case=case) if blind.model_is_open(user=user, case=case) else []
    person = _same_person(case)
    seen = access.case_list(user)
    newest = seen.filter(person).exclude(pk=case.pk).order_by("-created_at", "-pk").values("pk")[:HISTORY]
    spot = Q(lesion=case.lesion_id, lesion__isnull=False)
    wanted = Q(pk__in=newest) | spot | Q(pk__in=[pk for _score, pk in near])
    found = {
        one.pk: one for one in seen.filter(wanted).prefetch_related("images", "reviews").order_by("created_at", "pk")
    }
    history = [one for one in found.values() if _person(one) == _person(case) and one.pk != case.pk]
    return {
        "case": case,
        "history": history[: -HISTORY - 1 : -1],
        "visits": [one for one in found.values() if case.lesion_id and one.lesion_id == case.lesion_id],
        "similar": [SimilarCase(found[pk], round(100 * score)) for score, pk in near if pk in found],
        "photo_requests": case.photo_requests.all(),
    }


def _same_person(case: Case) -> Q:
    if case.patient_id:
        return Q(patient=case.patient_id)
    if case.external_patient:
        return Q(partner=case.partner_id, external_patient=case.external_patient)
    return Q(pk__in=[])


def _person(case: Case) -> tuple[object, ...]:
    """Equal for two cases that `_same_person` puts together."""
    if case.patient_id or not case.external_patient:
        return (case.patient_id or case.pk,)
    return case.partner_id, case.external_patient
