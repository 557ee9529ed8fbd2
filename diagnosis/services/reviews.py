"""A review is asked for, a first opinion stored, a read signed; what the readers agree on is published."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import DermatologistProfile, User
from diagnosis import blind
from diagnosis.models import (
    Case,
    CaseEvent,
    EventKind,
    FirstOpinion,
    NoticeKind,
    Read,
    Review,
    ReviewState,
    WebhookEvent,
)
from diagnosis.services.claims import case_take
from diagnosis.services.files import case_photos_forget
from diagnosis.services.notices import case_notice
from diagnosis.services.photo_requests import photo_requests_withdraw
from diagnosis.services.steps import WrongState, review_due
from diagnosis.services.webhook_deliveries import result_publish

KINDS = {
    ReviewState.WAITING: Read.Kind.FIRST,
    ReviewState.PHOTOS: Read.Kind.FIRST,
    ReviewState.SECOND: Read.Kind.SECOND,
    ReviewState.THIRD: Read.Kind.THIRD,
    ReviewState.DONE: Read.Kind.AMENDMENT,
}


@transaction.atomic
def review_request(*, case: Case, actor: User | None) -> Case:
    """Send a case to the dermatologists. A second request changes nothing."""
    case = Case.objects.select_for_update().get(pk=case.pk)
    if case.review_requested_at is None:
        case.review_requested_at = timezone.now()
        case.review_due_at = review_due(case=case, start=case.review_requested_at)
        case.review_state = ReviewState.WAITING
        case.save(update_fields=["review_requested_at", "review_due_at", "review_state"])
        CaseEvent.objects.create(case=case, kind=EventKind.REVIEW_REQUESTED, actor=actor)
    return case


@transaction.atomic
def first_opinion_store(*, case: Case, reader: User, **verdict: str) -> FirstOpinion:
    """What a reader thinks before the model's panel opens; stored once for these photos and never edited.

    `verdict` holds the fields of `Verdict`. Raises WrongState when somebody else holds the case or a first opinion is
    there already, ValidationError for bad fields.
    """
    case = case_take(case=case, reader=reader)
    photos = case.images.count()
    if FirstOpinion.objects.filter(case=case, reader=reader, photos=photos).exists():
        raise WrongState(_("Your first opinion is stored already."))
    opinion = FirstOpinion(case=case, reader=reader, photos=photos, **verdict)
    opinion.full_clean()
    opinion.save()
    CaseEvent.objects.create(case=case, kind=EventKind.FIRST_OPINION, actor=reader)
    return opinion


@transaction.atomic
def review_sign(
    *,
    case: Case,
    reviewer: User,
    seen_version: int = 0,
    amendment_reason: str = "",
    change_reason: str = "",
    override_reason: str = "",
    second_read: bool = False,
    **opinion: Any,
) -> Review | None:
    """Sign a read; `opinion` holds the fields of `Opinion`. Returns what was published, None while a reader is missing.

    Who asked for new photos may find that it can be judged without them: an open request is withdrawn.

    `seen_version` is the last version that the reader had on the screen. Takes the case for the reader when it is
    free. Raises WrongState when another holds it, signed meanwhile, or no review was asked for, ValidationError for
    bad fields, PermissionError without a verified licence.
    """
    case = case_take(case=case, reader=reviewer)
    _refuse_unseen(case, seen_version)
    read = _read_create(case, reviewer, opinion, change_reason=change_reason, override_reason=override_reason)
    photo_requests_withdraw(cases=[case])
    review = _conclude(case, read, amendment_reason=amendment_reason, second_read=second_read)
    case.review_holder = case.review_lease_until = None
    case.save(
        update_fields=["review_state", "review_holder", "review_lease_until", "review_due_at", "review_escalated_at"]
    )
    return review


def _refuse_unseen(case: Case, seen_version: int) -> None:
    if seen_version != _last_version(case):
        raise WrongState(_("Another dermatologist signed this case while you were reading it. Please read it again."))


def _last_version(case: Case) -> int:
    return case.reviews.aggregate(last=Max("version"))["last"] or 0


def _read_create(case: Case, reader: User, opinion: dict[str, Any], **reasons: str) -> Read:
    """A read of the kind that the case waits for, with what became of the first opinion."""
    licence = reader.dermatologist
    read = Read(
        case=case,
        kind=KINDS[ReviewState(case.review_state)],
        reader=reader,
        reader_name=licence.full_name,
        reader_licence=f"{licence.licence_country} {licence.licence_number}",
        first_opinion=blind.first_opinion(user=reader, case=case),
        analysis=case.latest_analysis,
        model_rank=_model_rank(case, opinion.get("diagnosis", "")),
        **reasons,
        **opinion,
    )
    if not blind.model_is_open(user=reader, case=case):
        raise WrongState(_("Please store your first opinion before you sign."))
    read.changed = read.first_opinion is not None and read.first_opinion.verdict != read.verdict
    if read.changed and not read.change_reason:
        raise ValidationError({"change_reason": _("Please say why you changed your first opinion.")})
    read.full_clean()
    read.save()
    return read


def _model_rank(case: Case, diagnosis: str) -> int | None:
    """The place of this diagnosis in the model's list, from 1 on; None where it names none or not this one."""
    analysis = case.latest_analysis
    named = [one.condition for one in analysis.named_predictions] if analysis else []
    return named.index(diagnosis) + 1 if diagnosis in named else None


def _conclude(case: Case, read: Read, *, amendment_reason: str, second_read: bool) -> Review | None:
    """Publish, or ask another reader. A change of a published opinion stands at once, with its reason."""
    if read.kind == Read.Kind.FIRST and (second_read or read.tier in settings.SECOND_READ_TIERS):
        _pass_on(case, read, ReviewState.SECOND, EventKind.SECOND_READ)
        return None
    if read.kind == Read.Kind.SECOND:
        first = case.reads.get(kind=Read.Kind.FIRST)
        if first.verdict != read.verdict:
            _pass_on(case, read, ReviewState.THIRD, EventKind.THIRD_READ)
            return None
        return _publish(case, first, confirmed_by=read)
    return _publish(case, read, amendment_reason=amendment_reason)


def _pass_on(case: Case, read: Read, state: ReviewState, event: EventKind) -> None:
    """Another dermatologist reads next, without seeing what this one wrote."""
    readers = case.reads.values("reader")
    if not DermatologistProfile.objects.verified().exclude(user__in=readers).exists():
        raise WrongState(_("No other dermatologist works here who could read this case too."))
    case.review_state = state
    case.review_escalated_at = None
    case.review_due_at = review_due(case=case, start=timezone.now())  # a late second read is late once more
    CaseEvent.objects.create(case=case, kind=event, actor=read.reader)


def _publish(case: Case, read: Read, *, confirmed_by: Read | None = None, amendment_reason: str = "") -> Review:
    """Append a version of the published opinion and tell patient and partner."""
    review = Review(
        case=case,
        version=_last_version(case) + 1,
        reviewer=read.reader,
        reviewer_name=read.reader_name,
        reviewer_licence=read.reader_licence,
        confirmed_by_name=confirmed_by.reader_name if confirmed_by else "",
        amendment_reason=amendment_reason,
        **read.opinion(),
    )
    review.full_clean()
    review.save()
    case.reads.filter(pk__in=[one.pk for one in (read, confirmed_by) if one]).update(review=review)
    case.review_state = ReviewState.DONE
    if not case.keep_photos:
        case_photos_forget(case=case)
    _tell(case, review, actor=(confirmed_by or read).reader)
    return review


def _tell(case: Case, review: Review, *, actor: User) -> None:
    first = review.version == 1
    kind = EventKind.REVIEW_SIGNED if first else EventKind.REVIEW_AMENDED
    CaseEvent.objects.create(case=case, kind=kind, actor=actor)
    news = WebhookEvent.REVIEW_COMPLETED if first else WebhookEvent.REVIEW_AMENDED
    result_publish(event=news, case=case, review_id=review.pk)
    mail = NoticeKind.REVIEW_SIGNED if first else NoticeKind.REVIEW_AMENDED
    case_notice(case=case, kind=mail, event=review)
