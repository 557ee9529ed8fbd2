"""A reader cannot judge: new photos are asked for, and come."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from diagnosis.images import InspectedPhoto
from diagnosis.models import Analysis, Case, CaseEvent, EventKind, NoticeKind, PhotoRequest, ReviewState
from diagnosis.services.analyses import analysis_queue
from diagnosis.services.cases import image_create
from diagnosis.services.claims import case_take
from diagnosis.services.files import files_vanish_on_failure
from diagnosis.services.notices import case_notice
from diagnosis.services.steps import WrongState, review_due


@transaction.atomic
def photos_request(*, case: Case, reader: User, missing: Sequence[str], note: str = "") -> PhotoRequest:
    """Ask the patient for photos that can be judged; the case leaves the queue until they come.

    Raises WrongState when somebody else holds the case, it was read already, or no more photos fit or can come.
    """
    case = case_take(case=case, reader=reader)
    if case.review_state != ReviewState.WAITING:
        raise WrongState(_("New photos can be asked for before the first signature only."))
    if case.patient is None:
        raise WrongState(_("This case came from a partner, whose patients have no account here."))
    if case.images.count() >= settings.MAX_PHOTOS_OF_A_CASE:
        raise WrongState(_("This case has all the photos that it can hold."))
    request = PhotoRequest(case=case, reader=reader, missing=list(missing), note=note)
    request.full_clean()
    request.save()
    case.review_state = ReviewState.PHOTOS
    case.review_holder = case.review_lease_until = None
    case.save(update_fields=["review_state", "review_holder", "review_lease_until"])
    CaseEvent.objects.create(case=case, kind=EventKind.PHOTOS_REQUESTED, actor=reader)
    case_notice(case=case, kind=NoticeKind.PHOTOS_ASKED, event=request)
    return request


def photos_add(*, case: Case, patient: User, photos: Sequence[InspectedPhoto]) -> Analysis:
    """The patient answers: photos are stored, checked again, and the case is back in the queue with a new deadline.

    Raises WrongState when nobody waits for photos, too many come or the last check is not over.
    """
    with files_vanish_on_failure() as stored, transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        first = case.images.count()
        _refuse_photos(case, first + len(photos))
        for position, photo in enumerate(photos, start=first):
            image_create(case=case, position=position, photo=photo, stored=stored)
        now = timezone.now()
        case.photo_requests.filter(answered_at=None).update(answered_at=now)
        case.review_state = ReviewState.WAITING
        case.review_due_at = review_due(case=case, start=now)
        case.review_escalated_at = None
        case.save(update_fields=["review_state", "review_due_at", "review_escalated_at"])
        CaseEvent.objects.create(case=case, kind=EventKind.PHOTOS_ADDED, actor=patient)
        return analysis_queue(case=case)


def photo_requests_withdraw(*, cases: Collection[Case]) -> None:
    """Nobody waits for photos of these cases any more: one was signed without them, or must not be read."""
    waiting = PhotoRequest.objects.filter(case__in=cases, answered_at=None)
    waiting.update(answered_at=timezone.now(), withdrawn=True)


def _refuse_photos(case: Case, count: int) -> None:
    if case.review_state != ReviewState.PHOTOS:
        raise WrongState(_("Nobody has asked for new photos of this case."))
    if count > settings.MAX_PHOTOS_OF_A_CASE:
        raise WrongState(_("This case cannot hold so many photos. Please send fewer."))
    if case.analyses.filter(status__in=[Analysis.Status.QUEUED, Analysis.Status.RUNNING]).exists():
        raise WrongState(_("The last check is not finished. Please try again in a minute."))
