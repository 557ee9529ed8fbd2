"""`manage.py seed_demo`: demo accounts and cases for development. Safe to run again; refuses in production."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.models import DermatologistProfile, Partner, Purpose, Role, Scope, User
from accounts.services import consent_set, partner_key_create
from accounts.services_licence import dermatologist_verify
from diagnosis import images, services
from diagnosis.demo import draw_jpeg
from diagnosis.demo_history import history_create
from diagnosis.models import Case
from diagnosis.questions import clean_answers
from diagnosis.tasks import run_analysis_task

# Public on purpose: these accounts exist in development only (smartderma.E004).
PASSWORD = "demo-skin-2026"
ACCOUNTS = {
    "patient@demo.example": Role.PATIENT,
    "derma@demo.example": Role.DERMATOLOGIST,
    "derma2@demo.example": Role.DERMATOLOGIST,
    "derma3@demo.example": Role.DERMATOLOGIST,
    "operator@demo.example": Role.OPERATOR,
    "partner@demo.example": Role.PARTNER,
}
CLINICS: dict[str, dict[str, Any]] = {
    "derma@demo.example": {
        "full_name": "Dr Demo Dermatologist",
        "licence_number": "DEMO-1",
        "licence_country": "IN",
        "listed": True,
        "clinic_name": "Demo Skin Clinic Pune",
        "clinic_address": "1 Demo Road, Pune, India",
        "clinic_phone": "+91 20 5550 0100",
        "latitude": 18.520,
        "longitude": 73.857,
    },
    "derma2@demo.example": {
        "full_name": "Dr Second Reader",
        "licence_number": "DEMO-2",
        "licence_country": "GB",
        "listed": True,
        "clinic_name": "Demo Dermatology London",
        "clinic_address": "2 Demo Street, London, United Kingdom",
        "clinic_phone": "+44 20 7946 0000",
        "latitude": 51.507,
        "longitude": -0.128,
    },
    "derma3@demo.example": {"full_name": "Dr Third Reader", "licence_number": "DEMO-3", "licence_country": "ES"},
}
ADULT = {"country": "GB", "red_flags": ["none"], "age_band": "40_49", "skin_type": "II"}
# Spots of a size that the release has an opinion on: larger drawn ones look like no photo of skin that it knows.
CASES: tuple[tuple[dict[str, Any], dict[str, Any], bool], ...] = (
    ({"tone": 1, "seed": 1, "radius": 0.08}, {**ADULT, "site": "arm", "duration": "over_1_year"}, False),
    (
        {"tone": 1, "seed": 1, "radius": 0.1},
        {**ADULT, "site": "arm", "duration": "over_1_year", "changes": ["size"]},
        False,
    ),
    (
        {"tone": 0, "seed": 3, "spot": (60, 40, 38), "radius": 0.1},
        {
            **ADULT,
            "site": "back",
            "changes": ["size", "colour"],
            "pigmented": "yes",
            "seven_point": ["change_size", "irregular_colour"],
        },
        True,
    ),
    ({"tone": 4, "seed": 3, "spot": (140, 70, 60), "blur": 14}, {**ADULT, "site": "leg", "skin_type": "V"}, True),
    ({"tone": 2, "seed": 4, "spot": (190, 90, 80)}, {**ADULT, "site": "hand", "symptoms": ["itch"]}, True),
)


class Command(BaseCommand):
    help = "Create the demo accounts and cases (development only) and print the log-ins."

    def handle(self, *args, **options) -> None:
        if not (settings.DEBUG and settings.DEMO_ACCOUNTS):
            raise CommandError("Demo accounts exist only in development: set DEMO_ACCOUNTS=1 and keep DEBUG on.")
        with transaction.atomic():
            users = {email: self.account(email, role) for email, role in ACCOUNTS.items()}
            for email, clinic in CLINICS.items():
                licence(users[email], clinic, users["operator@demo.example"])
            partner = self.partner(users["partner@demo.example"])
            if not partner.cases.exists():
                history_create(partner=partner, readers=[users[email] for email in CLINICS], now=timezone.now())
        demo_cases(users["patient@demo.example"], users["derma@demo.example"])
        self.stdout.write(f"Demo log-ins (password {PASSWORD}): {', '.join(ACCOUNTS)}")

    def account(self, email: str, role: str) -> User:
        user = User.objects.filter(email=email).first()
        if user is None:
            operator = role == Role.OPERATOR
            user = User.objects.create_user(email, PASSWORD, role=role, is_staff=operator, is_superuser=operator)
            EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
        return user

    def partner(self, contact: User) -> Partner:
        terms = {"contact": contact, "retention_days": 365}
        partner, created = Partner.objects.get_or_create(name="Demo Partner", defaults=terms)
        if created:
            _key, text = partner_key_create(partner=partner, name="Demo key", scopes=Scope.values)
            self.stdout.write(f"API key of the demo partner, shown once: {text}")
        return partner


def licence(user: User, clinic: dict[str, Any], operator: User) -> None:
    """A verified licence and a clinic for the finder."""
    profile, created = DermatologistProfile.objects.get_or_create(user=user, defaults=clinic)
    if created:
        dermatologist_verify(profile=profile, operator=operator)


def demo_cases(patient: User, dermatologist: User) -> None:
    """Drawn cases through the real services: two of one spot, the last one signed and written about."""
    consent_set(user=patient, purposes=[Purpose.CARE, Purpose.STORAGE], language="en")
    if Case.objects.filter(patient=patient).exists():
        return
    cases = []
    for photo, answers, review in CASES:
        case = services.case_submit(
            patient=patient,
            photos=[images.inspect_upload(draw_jpeg(**photo))],
            answers=clean_answers(answers),
            language="en",
        )
        cases.append(case)
        run_analysis_task(str(case.analyses.get().pk))
        if review:
            services.review_request(case=case, actor=patient)
    services.review_sign(
        case=case,
        reviewer=dermatologist,
        diagnosis="eczema",
        tier="self_care",
        note_to_patient="This is a drawn demo picture. In a real case you would read here what the doctor thinks.",
    )
    lesion = services.lesion_create(patient=patient, body_site="arm", name="Mole on the arm")
    for one in cases[:2]:
        services.case_file(case=one, lesion=lesion)
    services.reminder_set(lesion=lesion, months=3)
    services.message_send(case=case, author=patient, text="Thank you. Should I come back if it itches again?")
