"""Cases of partners: counted against their plan, found again when sent twice, without photos when so asked."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Max
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import DermatologistProfile, Partner, PartnerKey, Role, User
from accounts.services_partners import limits_of, quota_take
from diagnosis import sandbox
from diagnosis.images import InspectedPhoto
from diagnosis.models import (
    Analysis,
    BatchItem,
    Case,
    CaseEvent,
    CaseImage,
    EventKind,
    Lane,
    Review,
    ReviewState,
    Upload,
    WebhookEvent,
)
from diagnosis.services.analyses import photos_forget_if_asked
from diagnosis.services.cases import PartnerTerms, case_submit
from diagnosis.services.reviews import review_request
from diagnosis.services.steps import WrongState, review_due
from diagnosis.services.uploads import upload_erase
from diagnosis.services.webhook_deliveries import result_publish

# The pseudonymous reader of the sandbox: an account that nobody can log in with.
SANDBOX_READER = "sandbox-reader@sandbox.invalid"
OPEN = (Analysis.Status.QUEUED, Analysis.Status.RUNNING)
CANDIDATES = 20


class TooManyAtOnce(Exception):
    """The partner has as many open analyses as its plan allows at one time."""


@transaction.atomic
def partner_case_submit(
    *,
    key: PartnerKey,
    photos: Sequence[InspectedPhoto],
    answers: Mapping[str, Any],
    external_patient: str,
    language: str,
    submission_key: uuid.UUID,
    terms: PartnerTerms,
    uploads: Sequence[Upload] = (),
) -> Case:
    """Store a partner's case within its plan; the uploads that its photos came in go in the same transaction.

    The same `submission_key` gives the same case and counts once. Raises QuotaExceeded or TooManyAtOnce.
    """
    earlier = Case.objects.of_key(key).filter(submission_key=submission_key).first()
    if earlier:
        return earlier
    quota_take(key=key)  # locks the partner's row, so the count below is not overtaken
    if not terms.in_batch:
        _refuse_too_many(key)
    for upload in uploads:
        upload_erase(upload=upload)
    return case_submit(
        partner=key.partner,
        photos=photos,
        answers=answers,
        external_patient=external_patient,
        language=language,
        submission_key=submission_key,
        terms=terms,
    )


def _refuse_too_many(key: PartnerKey) -> None:
    if analyses_open(key=key) >= limits_of(key.partner).concurrent:
        raise TooManyAtOnce(_("You have as many analyses open as your plan allows at one time."))


def analyses_open(*, key: PartnerKey) -> int:
    """Analyses that wait or run, without those of batches, which have a queue of their own."""
    waiting = Analysis.objects.of_key(key).filter(status__in=OPEN)
    if not key.sandbox:
        return waiting.filter(lane=Lane.PARTNER).count()
    in_batches = BatchItem.objects.filter(batch__partner=key.partner_id, duplicate=False, case__isnull=False)
    return waiting.exclude(case__in=in_batches.values("case")).count()


def duplicate_find(
    *,
    key: PartnerKey,
    photos: Sequence[InspectedPhoto],
    answers: Mapping[str, Any],
    external_patient: str,
    release: str,
) -> Analysis | None:
    """An earlier analysis of the same pixels with the same answers for the same patient that did not fail.

    Other answers or another patient make another case: the urgency depends on the answers, and a record on the person.
    """
    # As `of_key`, but found by the index of the pixels: that of a partner's cases would be walked from end to end.
    own = {"case__partner": key.partner_id, "case__sandbox": key.sandbox, "case__external_patient": external_patient}
    same_first = CaseImage.objects.filter(**own, position=0, pixel_sha256=photos[0].pixel_sha256)
    newest = same_first.select_related("case").prefetch_related("case__images", "case__analyses")
    for case in [image.case for image in newest.order_by("-created_at")[:CANDIDATES]]:
        found = case.latest_analysis
        if found is None or found.status == Analysis.Status.FAILED:
            continue
        same = [image.pixel_sha256 for image in case.images.all()] == [photo.pixel_sha256 for photo in photos]
        if same and case.answers == dict(answers) and release in {"", found.release, found.pinned_release}:
            return found
    return None


@transaction.atomic
def case_tighten(*, case: Case, terms: PartnerTerms) -> None:
    """The same photos came again with stricter terms: they hold for the case that is there. Nothing is loosened."""
    case = Case.objects.select_for_update().get(pk=case.pk)
    if terms.retention_days:
        end = timezone.now() + timedelta(days=terms.retention_days)
        Case.objects.filter(pk=case.pk, expires_at__gt=end).update(expires_at=end)
    if case.keep_photos and not terms.keep_photos:
        case.keep_photos = False
        case.save(update_fields=["keep_photos"])
        photos_forget_if_asked(case=case)


def partner_review_request(*, case: Case) -> Case:
    """Send a partner's case to the dermatologists. Raises WrongState when nobody could look, or at nothing."""
    if not DermatologistProfile.objects.verified().exists():
        raise WrongState(_("No dermatologist works here now."))
    if not CaseImage.objects.filter(case=case).exclude(file="").exists():
        raise WrongState(_("The photos of this case were deleted, so nobody can look at them."))
    return review_request(case=case, actor=None)


@transaction.atomic
def sandbox_review(*, case: Case) -> Review:
    """A made-up signed opinion, at once: the first is final, every further one an amendment. Sandbox cases only.

    Raises WrongState while the photos are being checked.
    """
    case = Case.objects.select_for_update().get(pk=case.pk, sandbox=True)
    analysis = case.analyses.prefetch_related("predictions").first()
    if analysis is None or not analysis.is_over:
        raise WrongState(_("The photos are still being checked."))
    version = (case.reviews.aggregate(last=Max("version"))["last"] or 0) + 1
    _mark_reviewed(case)
    named = analysis.named_predictions
    review = Review(
        case=case,
        version=version,
        reviewer=_sandbox_reader(),
        reviewer_name="Sandbox",
        reviewer_licence="XX SANDBOX",
        amendment_reason="" if version == 1 else _("A second opinion was asked for."),
        **sandbox.opinion(case.tier, named[0].condition if named else ""),
    )
    review.full_clean()
    review.save()
    kind, news = (
        (EventKind.REVIEW_SIGNED, WebhookEvent.REVIEW_COMPLETED)
        if version == 1
        else (EventKind.REVIEW_AMENDED, WebhookEvent.REVIEW_AMENDED)
    )
    CaseEvent.objects.create(case=case, kind=kind)
    result_publish(event=news, case=case, review_id=review.pk)
    return review


def _mark_reviewed(case: Case) -> None:
    case.review_requested_at = case.review_requested_at or timezone.now()
    case.review_due_at = case.review_due_at or review_due(case=case, start=case.review_requested_at)
    case.review_state = ReviewState.DONE
    case.save(update_fields=["review_requested_at", "review_due_at", "review_state"])


def _sandbox_reader() -> User:
    defaults = {"role": Role.DERMATOLOGIST, "is_active": False, "password": "!"}
    return User.objects.get_or_create(email=SANDBOX_READER, defaults=defaults)[0]


@transaction.atomic
def partner_retention_set(*, partner: Partner, days: int) -> None:
    """How long the partner's cases are kept. A shorter time shortens the life of those that are there."""
    partner.retention_days = days
    partner.full_clean()
    partner.save(update_fields=["retention_days"])
    latest = ExpressionWrapper(F("created_at") + timedelta(days=days), output_field=DateTimeField())
    cases = Case.objects.filter(partner=partner, sandbox=False)
    cases.annotate(end=latest).filter(expires_at__gt=F("end")).update(expires_at=F("end"))
