"""Ready-made rows. People and partners come from factory-boy; cases go through the real services, state by state.

Passwords are `PASSWORD`. Photos are drawn (`tests.kit.photos`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import factory
from django.conf import settings
from django.utils import timezone

from accounts import services as account_services
from accounts.models import DermatologistProfile, Partner, PartnerKey, Purpose, Role, Scope, User
from accounts.services_licence import dermatologist_verify
from diagnosis import images, services
from diagnosis.models import Analysis, Case, CaseEvent, EventKind, Outcome, Prediction
from diagnosis.questions import clean_answers
from ml.taxonomy import SLUGS
from tests.kit import photos

PASSWORD = "a-long-test-password-1"
ANSWERS: dict[str, Any] = {
    "country": "GB",
    "red_flags": ["none"],
    "age_band": "40_49",
    "skin_type": "II",
    "site": "arm",
    "duration": "1_4_weeks",
}


class UserFactory(factory.django.DjangoModelFactory):
    """A patient with a confirmed e-mail address and no consent."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"patient{n}@example.org")
    role = Role.PATIENT
    password = factory.django.Password(PASSWORD)

    @factory.post_generation
    def confirmed(self, create: bool, extracted: bool | None, **_kwargs: Any) -> None:
        if create and extracted is not False:
            self.emailaddress_set.create(email=self.email, verified=True, primary=True)


class PatientFactory(UserFactory):
    """A patient who agreed to care and storage."""

    @factory.post_generation
    def consents(self, create: bool, extracted: list[str] | None, **_kwargs: Any) -> None:
        purposes = [Purpose.CARE, Purpose.STORAGE] if extracted is None else extracted
        if create:
            account_services.consent_set(user=self, purposes=purposes, language="en")


class OperatorFactory(UserFactory):
    email = factory.Sequence(lambda n: f"operator{n}@example.org")
    role = Role.OPERATOR
    is_staff = True


class DermatologistFactory(UserFactory):
    """A dermatologist with a licence that an operator checked; `verified=False`: not checked yet."""

    email = factory.Sequence(lambda n: f"derma{n}@example.org")
    role = Role.DERMATOLOGIST

    @factory.post_generation
    def verified(self, create: bool, extracted: bool | None, **_kwargs: Any) -> None:
        if not create:
            return
        profile = DermatologistProfile.objects.create(
            user=self, full_name="Dr Test Person", licence_number=f"T-{self.pk}", licence_country="GB"
        )
        if extracted is not False:
            dermatologist_verify(profile=profile, operator=OperatorFactory())


class PartnerFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Partner

    name = factory.Sequence(lambda n: f"Partner {n}")
    contact = factory.SubFactory(
        UserFactory, email=factory.Sequence(lambda n: f"partner{n}@example.org"), role=Role.PARTNER
    )


def partner_key(
    partner: Partner | None = None, scopes: list[str] | None = None, *, sandbox: bool = False
) -> tuple[PartnerKey, str]:
    """A key of a partner and its text for the Authorization header."""
    return account_services.partner_key_create(
        partner=partner or PartnerFactory(),
        name="Test key",
        scopes=Scope.values if scopes is None else scopes,
        sandbox=sandbox,
    )


def case_queued(*, patient: User | None = None, partner: Partner | None = None, **answers: Any) -> Case:
    """A submitted case with one photo without a face, for a worker to take; without an owner it gets a new patient."""
    if patient is None and partner is None:
        patient = PatientFactory()
    return services.case_submit(
        photos=[replace(images.inspect_upload(photos.skin(size=(320, 240))), face="none")],
        answers=clean_answers({**ANSWERS, **answers}),
        language="en",
        patient=patient,
        partner=partner,
        external_patient="ext-1" if partner else "",
    )


def case_running(**options: Any) -> Case:
    """A case that a worker holds now."""
    case = case_queued(**options)
    Analysis.objects.claim(case.analyses.get().pk)
    return _fresh(case)


def case_abandoned(**options: Any) -> Case:
    """A case whose worker died: its lease is over."""
    case = case_running(**options)
    case.analyses.update(lease_until=timezone.now() - timedelta(seconds=1))
    return _fresh(case)


def case_failed(*, failure: str = "error", **options: Any) -> Case:
    case = case_running(**options)
    services.analysis_fail(analysis=case.analyses.get(), failure=failure)
    return _fresh(case)


def case_done(*, outcome: str = Outcome.ASSESSED, top: str = "eczema", **options: Any) -> Case:
    """A case with a finished analysis, written as rows: needs no model release."""
    case = case_running(**options)
    analysis = case.analyses.get()
    rest = 0.3 / (len(SLUGS) - 1)
    chances = {slug: 0.7 if slug == top else rest for slug in SLUGS}
    case.analyses.update(
        status=Analysis.Status.DONE,
        finished_at=timezone.now(),
        lease_until=None,
        release=settings.MODEL_RELEASE,
        weights_sha256="0" * 64,
        outcome=outcome,
        prediction_set=[top],
        top_condition=top,
        disagreement=0.1,
        ood_score=0.1,
        members=[{"name": "mobilenetv3", "weight": 1.0, "probabilities": chances}],
    )
    Prediction.objects.bulk_create(
        Prediction(analysis=analysis, condition=slug, probability=chance) for slug, chance in chances.items()
    )
    CaseEvent.objects.create(case=case, kind=EventKind.ANALYSED)
    return _fresh(case)


def case_inconclusive(**options: Any) -> Case:
    return case_done(outcome=Outcome.INCONCLUSIVE, **options)


def case_in_review(**options: Any) -> Case:
    """A finished case that waits for a dermatologist."""
    case = case_done(**options)
    return _fresh(services.review_request(case=case, actor=case.patient))


def case_asked(*, reader: User | None = None, **options: Any) -> Case:
    """A case that waits for new photos."""
    case = case_in_review(**options)
    services.photos_request(case=case, reader=reader or DermatologistFactory(), missing=["sharp"], note="The left one.")
    return _fresh(case)


def case_signed(*, reviewer: User | None = None, **options: Any) -> Case:
    case = case_in_review(**options)
    _sign(case, reviewer or DermatologistFactory())
    return _fresh(case)


def case_amended(*, reviewer: User | None = None, **options: Any) -> Case:
    """A case with two signed versions."""
    reviewer = reviewer or DermatologistFactory()
    case = case_signed(reviewer=reviewer, **options)
    _sign(case, reviewer, amendment_reason="I looked again.", seen_version=1)
    return _fresh(case)


def _sign(case: Case, reviewer: User, **options: Any) -> None:
    services.review_sign(
        case=case,
        reviewer=reviewer,
        diagnosis="eczema",
        tier="routine",
        note_to_patient="Use the cream twice a day.",
        **options,
    )


def _fresh(case: Case) -> Case:
    return Case.objects.get(pk=case.pk)


# Every state of a case, for tests that walk all of them.
CASE_IN_STATE: dict[str, Callable[..., Case]] = {
    "queued": case_queued,
    "running": case_running,
    "abandoned": case_abandoned,
    "failed": case_failed,
    "done": case_done,
    "inconclusive": case_inconclusive,
    "in_review": case_in_review,
    "asked": case_asked,
    "signed": case_signed,
    "amended": case_amended,
}
