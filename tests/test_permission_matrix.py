"""Every address for every role. A URL name that is missing here fails the tests; so does a row without a URL."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import pytest
from allauth.mfa.models import Authenticator
from django.core import signing
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLResolver, get_resolver, reverse

from accounts.middleware import GUARDED, SEEN
from accounts.services_export import export_request
from accounts.tasks import build_export_task
from diagnosis import images, services
from diagnosis.models import Analysis, Case, ModelRelease
from diagnosis.notices import SALT
from reports.services import report_render
from tests.kit import factories, photos

pytestmark = pytest.mark.django_db

ROLES = ("anonymous", "owner", "stranger", "dermatologist", "second_reader", "unverified", "operator", "partner")
LOGIN = "log-in page"
CEILING = 12  # queries of a page, session and access log among them
OPEN = dict.fromkeys(ROLES, 200)


def allow(
    status: int | str = 200, *roles: str, anonymous: int | str = LOGIN, others: int = 404
) -> dict[str, int | str]:
    """`status` for `roles`, `anonymous` for strangers without a log-in, `others` for everybody else."""
    return {**dict.fromkeys(ROLES, others), "anonymous": anonymous, **dict.fromkeys(roles, status)}


READERS = ("dermatologist", "second_reader")
SIGNED_IN = tuple(role for role in ROLES if role != "anonymous")
OWNER = allow(200, "owner")
READABLE = allow(200, "owner", *READERS)  # the case was sent to the dermatologists
PRIVATE = allow(200, "owner")  # the case was not sent to them


PRIVATE_MAP = allow(404)  # no page of a patient shows it
OWNER_422 = allow(422, "owner")
NUMBERS = allow(200, "operator", *READERS)  # figures without any person
REVIEW_STEPS = {"review_take": 302, "review_release": 302, "review_first_opinion": 422, "review_photos": 422}


@dataclass(frozen=True)
class Row:
    """What a request gets: `expect` is a status per role; `case` names the object whose id is in the address."""

    expect: dict[str, int | str]
    method: str = "get"
    case: str = ""
    part: str = "case"
    data: dict = field(default_factory=dict)


CASE_NAMES = {
    "case_status": ("get", 200),
    "case_retry": ("post", 302),
    "case_review_request": ("post", 302),
    "case_delete": ("get", 200),
}

SPOT_NAMES: dict[str, tuple[str, int, str, dict]] = {
    "case_file": ("get", 200, "case", {}),
    "case_unfile": ("post", 302, "case", {}),
    "lesion_detail": ("get", 200, "lesion", {}),
    "lesion_rename": ("post", 302, "lesion", {"name": "Mole"}),
    "lesion_delete": ("get", 200, "lesion", {}),
    "note_create": ("post", 302, "lesion", {"text": "Bigger?"}),
    "note_delete": ("post", 302, "note", {}),
    "reminder_set": ("post", 302, "lesion", {"months": "3"}),
    "reminder_stop": ("post", 302, "lesion", {}),
}

WAITING = {"submission_key": str(uuid.uuid4()), "shot": "other"}

MATRIX: dict[str, list[Row]] = {
    "home": [Row(OPEN)],
    "release_card": [Row(OPEN)],
    "health_live": [Row(OPEN)],
    "health_ready": [Row(OPEN)],
    "schema": [Row(OPEN)],
    "docs": [Row(OPEN)],
    "set_language": [Row(dict.fromkeys(ROLES, 302), method="post", data={"language": "en"})],
    "finder_search": [Row(OPEN)],
    "case_list": [Row(allow(200, "owner", "stranger"))],
    "case_create": [Row(allow(200, "owner", "stranger"))],
    # Photos that wait and uploads under way are the owner's alone, even when a dermatologist has the case.
    "intake_photo": [
        Row(OWNER, case="private", part="waiting"),
        Row(OWNER, method="post", case="private", part="waiting", data={"photo_action": "keep"}),
    ],
    "intake_photo_file": [Row(OWNER, case="private", part="waiting")],
    "upload_create": [Row(allow(400, "owner", "stranger"), method="post")],
    "upload_detail": [
        Row(OWNER, method="head", case="private", part="upload"),
        Row(allow(415, "owner"), method="patch", case="private", part="upload"),
        Row(allow(204, "owner"), method="delete", case="sent", part="upload"),
    ],
    "upload_photo": [Row(allow(409, "owner"), method="post", case="private", part="upload", data=WAITING)],
    "app_worker": [Row(OPEN)],
    "app_manifest": [Row(OPEN, case="site", part="language")],
    "app_offline": [Row(OPEN, case="site", part="language")],
    "consent_edit": [Row(allow(200, "owner", "stranger"))],
    "my_data": [Row(allow(200, *SIGNED_IN))],
    **{
        name: [
            Row(allow(status, "owner"), method=method, case=case)
            for case in ("private", "sent")
        ]
        for name, (method, status) in CASE_NAMES.items()
    },
    "case_detail": [
        Row(OWNER, case=case) for case in ("private", "sent", "third", "signed")
    ],
    # Spots are the patient's; dermatologists see the photos that were sent to them, side by side, and nothing else.
    **{
        name: [
            Row(allow(status, "owner"), method=method, data=data, case=case, part=part) for case in ("private", "sent")
        ]
        for name, (method, status, part, data) in SPOT_NAMES.items()
    },
    "lesion_list": [Row(allow(200, "owner", "stranger"))],
    "lesion_compare": [Row(PRIVATE, case="private", part="lesion"), Row(READABLE, case="sent", part="lesion")],
    "message_inbox": [Row(allow(200, "owner", "stranger", "unverified", *READERS))],
    "message_list": [
        Row(PRIVATE, case="private"),
        Row(READABLE, case="sent"),
        Row(allow(422, "owner", *READERS), method="post", case="sent"),
    ],
    "attachment_file": [Row(READABLE, case="sent", part="attachment")],
    "notice_settings": [Row(allow(200, "owner", "stranger", "unverified", *READERS))],
    "mail_stop": [Row(OPEN, case="site", part="stop"), Row(OPEN, method="post", case="site", part="stop")],
    "data_export": [Row(allow(200, *SIGNED_IN))],
    "data_export_create": [Row(allow(302, *SIGNED_IN), method="post")],
    "data_export_file": [Row(OWNER, case="private", part="export")],
    "access_log": [Row(allow(200, *SIGNED_IN))],
    "account_delete": [
        Row(allow(200, "owner", "stranger", "unverified", *READERS)),
        Row(allow(302, *SIGNED_IN), method="post", data={"sure": "on"}),  # to the page that asks for the password
    ],
    "erasure_certificate": [Row(OPEN, case="site", part="certificate")],  # it names nobody
    "image_file": [Row(PRIVATE, case="private", part="image"), Row(READABLE, case="sent", part="image")],
    "heatmap_file": [Row(PRIVATE, case="private", part="finding"), Row(READABLE, case="sent", part="finding")],
    "report_create": [
        Row(allow(302, "owner"), method="post", case="private"),
        Row(allow(302, "owner", *READERS), method="post", case="sent"),
    ],
    "report_verify": [
        Row(OPEN),
        Row(dict.fromkeys(ROLES, 422), method="post"),
        *(Row(OPEN, case=case, part="code") for case in ("private", "sent")),
    ],
    "report_download": [Row(PRIVATE, case="private", part="report"), Row(READABLE, case="sent", part="report")],
    "review_queue": [Row(allow(200, *READERS))],
    **{
        name: [
            Row(allow(200), case="private"),
            *(Row(allow(200, *READERS), case=case) for case in ("sent", "third", "signed")),
        ]
        for name in ("review_case", "review_related")
    },
    **{name: [Row(allow(404), method="post", case="private"), Row(allow(status, *READERS), method="post", case="sent")]
       for name, status in REVIEW_STEPS.items()},
    "review_keep": [Row(allow(286, *READERS), method="post", case=case) for case in ("private", "sent")],
    "member_map": [Row(PRIVATE_MAP, case="private", part="map"), Row(allow(200, *READERS), case="sent", part="map")],
    "photos_add": [Row(allow(404), case="sent"), Row(OWNER, case="asked"), Row(OWNER_422, method="post", case="asked")],
    "icd10_terms": [Row(allow(200, *READERS))],
    "saved_view_create": [Row(allow(302, *READERS), method="post", data={"name": "Mine"})],
    "saved_view_delete": [Row(allow(302, "dermatologist"), method="post", case="desk", part="view")],
    "note_template_list": [Row(allow(200, *READERS))],
    "note_template_create": [Row(allow(200, *READERS))],
    "note_template_edit": [Row(allow(200, "dermatologist"), case="desk", part="text")],
    "note_template_delete": [Row(allow(302, "dermatologist"), method="post", case="desk", part="text")],
    "operator_overview": [Row(allow(200, "operator"))],
    "release_list": [Row(allow(200, "operator"))],
    "release_check": [Row(allow(302, "operator"), method="post", case="release", part="name")],
    "release_activate": [
        Row(allow(422, "operator"), method="post", case="release", part="name"),
        Row(allow(302, "operator"), method="post", case="release", part="name", data={"replaces": "x", "reason": "y"}),
    ],
    "release_shadow": [
        Row(allow(302, "operator"), method="post", case="release", part="name", data={"percent": "10"})
    ],
    "shadow_comparison": [
        Row(allow(200, "operator"), case="release", part="name"), Row(allow(404), case="no release", part="name")
    ],
    "training_exports": [Row(allow(200, "operator")), Row(allow(302, "operator"), method="post")],
    "training_export_file": [Row(allow(200, "operator"), case="training", part="archive")],
    "numbers": [Row(NUMBERS)],
    "numbers_page": [Row(NUMBERS, case="site", part="numbers"), Row(allow(404), case="site", part="no numbers")],
    "numbers_table": [Row(NUMBERS, case="site", part="table"), Row(allow(404), case="site", part="no table")],
    "licence_apply": [Row({**OPEN, "operator": 404, "partner": 404})],
    "licence_document": [Row(allow(200, "unverified", "operator"), case="desk", part="licence")],
    # The API knows keys, not log-ins: a session gets nothing. Keys: tests/diagnosis/test_api_matrix.py.
    **{
        name: [Row(dict.fromkeys(ROLES, 401), method=method) for method in methods]
        for name, methods in {
            "analysis-list": ("get", "post"), "case-list": ("get",), "image-list": ("get", "post"),
            "review-list": ("get", "post"), "report-list": ("get", "post"), "release-list": ("get",),
            "usage-list": ("get",), "finder-list": ("post",), "batch-list": ("get", "post"),
            "sandbox-photo-list": ("get",),
        }.items()
    },
    **{
        name: [Row(dict.fromkeys(ROLES, 401), method=method, case="private", part=part) for method in methods]
        for name, part, methods in (
            ("analysis-detail", "analysis", ("get", "delete")), ("analysis-report", "analysis", ("get",)),
            ("case-detail", "case", ("get", "delete")), ("image-detail", "image", ("get", "patch", "delete")),
            ("image-content", "image", ("get",)), ("review-detail", "case", ("get",)),
            ("report-detail", "report", ("get",)), ("release-detail", "case", ("get",)),
            ("batch-detail", "case", ("get", "delete")), ("batch-items", "case", ("get",)),
            ("sandbox-photo-detail", "case", ("get",)),
        )
    },
    # The signature is the right (tests/diagnosis/test_fhir_api.py); a link that nobody signed leads nowhere.
    "signed_file": [Row(dict.fromkeys(ROLES, 404), case="private", part="image")],
    "webhook-endpoint-list": [Row(dict.fromkeys(ROLES, 401), method=method) for method in ("get", "post")],
    "webhook-endpoint-detail": [
        Row(dict.fromkeys(ROLES, 401), method=method, case="hooks", part="endpoint")
        for method in ("get", "patch", "delete")
    ],
    "webhook-endpoint-rotate-secret": [
        Row(dict.fromkeys(ROLES, 401), method="post", case="hooks", part="endpoint")
    ],
    "webhook-endpoint-send-test": [Row(dict.fromkeys(ROLES, 401), method="post", case="hooks", part="endpoint")],
    "webhook-delivery-list": [Row(dict.fromkeys(ROLES, 401))],
    "webhook-delivery-detail": [Row(dict.fromkeys(ROLES, 401), case="hooks", part="delivery")],
    "webhook-delivery-replay": [Row(dict.fromkeys(ROLES, 401), method="post", case="hooks", part="delivery")],
    # Partner users see the endpoints of the partners whose contact they are.
    "webhook_endpoint_list": [Row(allow(200, "partner"))],
    "partner_key_list": [Row(allow(200, "partner"))],
    "partner_key": [
        Row(allow(200, "partner"), case="hooks", part="key"),
        Row(allow(302, "partner"), method="post", case="hooks", part="key", data={"action": "revoke"}),
        Row(allow(404), case="foreign hooks", part="key"),
    ],
    "partner_usage": [Row(allow(200, "partner"))],
    "partner_settings": [Row(allow(200, "partner"))],
    "webhook_endpoint": [
        Row(allow(200, "partner"), case="hooks", part="endpoint"),
        Row(allow(302, "partner"), method="post", case="hooks", part="endpoint", data={"action": "test"}),
        Row(allow(404), case="foreign hooks", part="endpoint"),
    ],
    "webhook_delivery_replay": [
        Row(allow(302, "partner"), method="post", case="hooks", part="delivery"),
        Row(allow(404), method="post", case="foreign hooks", part="delivery"),
    ],
}  # fmt: skip

FINDER = {"finder_results": (), "finder_place": ("ChIJ0123456789",)}
# Pages of allauth: (open without a log-in?)
ALLAUTH_OPEN = {
    "account_login", "account_signup", "account_reset_password", "account_reset_password_done",
    "account_reset_password_from_key", "account_reset_password_from_key_done", "account_confirm_email",
    "account_email_verification_sent", "account_inactive", "account_logout", "account_confirm_login_code",
    "mfa_authenticate",
}  # fmt: skip
ALLAUTH_PRIVATE = {
    "account_email", "account_change_password", "account_set_password", "account_reauthenticate", "mfa_index",
    "mfa_activate_totp", "mfa_deactivate_totp", "mfa_generate_recovery_codes", "mfa_view_recovery_codes",
    "mfa_download_recovery_codes", "mfa_reauthenticate", "mfa_list_webauthn", "mfa_add_webauthn",
    "mfa_reauthenticate_webauthn", "mfa_remove_webauthn", "mfa_edit_webauthn",
}  # fmt: skip
KEYS = {
    "account_confirm_email": ("nosuchkey",),
    "account_reset_password_from_key": ("1", "nosuch-key"),
    "mfa_remove_webauthn": (1,),
    "mfa_edit_webauthn": (1,),
}


def url_names(resolver=None) -> set[str]:
    """Names of all addresses outside the operator's admin (namespace), which has a test of its own below."""
    names = set()
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            names |= set() if pattern.namespace else url_names(pattern)
        else:
            names.add(pattern.name)
    return names


def test_every_address_has_a_row():
    rows = MATRIX.keys() | FINDER.keys() | ALLAUTH_OPEN | ALLAUTH_PRIVATE
    assert url_names() == rows


@pytest.fixture
def people(settings) -> dict[str, object]:
    """One person of each role; those who need a second factor have one."""
    settings.MFA_REQUIRED = True
    everybody = {
        "owner": factories.PatientFactory(),
        "stranger": factories.PatientFactory(),
        "dermatologist": factories.DermatologistFactory(),
        "second_reader": factories.DermatologistFactory(),
        "unverified": factories.DermatologistFactory(verified=False),
        "operator": factories.OperatorFactory(),
        "partner": factories.UserFactory(role="partner"),
    }
    for user in (user for user in everybody.values() if user.role in GUARDED):
        Authenticator.objects.create(user=user, type="totp", data={})
    return everybody


@pytest.fixture
def objects(people, request) -> dict[tuple[str, str], object]:
    """Ids of a case that only its owner may see, and of one that was sent to the dermatologists."""
    ids = {("site", "language"): "en", ("site", "numbers"): "model", ("site", "no numbers"): "people"}
    ids |= {("site", "table"): ("work", "turnaround"), ("site", "no table"): ("work", "people")}
    for name, make in (("private", factories.case_done), ("sent", factories.case_in_review)):
        case = make(patient=people["owner"])
        analysis, image = case.analyses.get(), case.images.get()
        finding = looked_at(analysis, image)
        parts = {"case": case, "image": image, "analysis": analysis, "finding": finding}
        ids |= {(name, part): row.pk for part, row in parts.items()}
        ids[name, "map"] = (finding.pk, "densenet121")
        if {"report", "code"} & asked_for(request):
            report = report_render(case=case, language="en")
            ids |= {(name, "report"): report.pk, (name, "code"): report.code}
        if {"waiting", "upload"} & asked_for(request):
            waiting = services.photo_take_in(patient=people["owner"], data=photos.skin(), **WAITING)
            upload = services.upload_start(owner=people["owner"], length=10, sha256="0" * 64)
            ids |= {(name, "waiting"): waiting.pk, (name, "upload"): upload.pk}
        if {"lesion", "note"} & asked_for(request):
            ids |= spot(name, case, make(patient=people["owner"]))
    if {"attachment", "export", "certificate", "stop"} & asked_for(request):
        ids |= own_data(people["owner"], ids["sent", "case"])
    ids |= desk(people)
    if "third" in {row.case for row in MATRIX[request.node.callspec.params["name"]]}:
        ids |= much_read(people)
    if {"name", "archive"} & asked_for(request):
        ids |= operations(people["operator"])
    return ids | hooks("hooks", people["partner"]) | hooks("foreign hooks", factories.UserFactory(role="partner"))


def asked_for(request) -> set[str]:
    """The kinds of objects in the rows of this test: what is dear is made only where it is looked at."""
    return {row.part for row in MATRIX[request.node.callspec.params["name"]]}


def looked_at(analysis, image):
    """What the model says of a photo, with the maps of two networks."""
    finding = analysis.findings.create(image=image, outcome="assessed")
    finding.heatmap.save("map.png", photos_file(), save=True)
    for member in ("densenet121", "efficientnet_b3"):
        finding.member_maps.create(member=member, png=b"png")
    return finding


def much_read(people) -> dict[tuple[str, str], object]:
    """Two cases of one spot with more than one row of everything, in the hands of the first dermatologist.

    One waits for that person's third read, the other is signed and about to be changed.
    """
    owner, reader = people["owner"], people["dermatologist"]
    alike = factories.case_signed(patient=factories.PatientFactory(consents=["care", "storage", "similar"]))
    cases = {name: factories.case_in_review(patient=owner) for name in ("third", "signed")}
    spot("much read", *cases.values())
    for case in cases.values():
        grow(case, owner)
        for tier in ("soon", "routine"):
            read(case, factories.DermatologistFactory(), tier=tier, second_read=tier == "soon")
        services.first_opinion_store(case=case, reader=reader, diagnosis="eczema", tier="soon")
    read(cases["signed"], reader, tier="soon")
    Analysis.objects.filter(case__in=[alike, *cases.values()]).update(embedding=np.ones(4, "<f4").tobytes())
    for case in cases.values():
        services.case_take(case=case, reader=reader)
    return {(name, "case"): case.pk for name, case in cases.items()}


def grow(case, owner) -> None:
    """Two photos that the model looked at, an analysis that failed before, two messages, two requests for photos."""
    analysis, image = case.analyses.get(), case.images.get()
    same = {name: getattr(image, name) for name in ("file", "sha256", "pixel_sha256", "width", "height")}
    for photo in (image, case.images.create(position=1, **same)):
        looked_at(analysis, photo)
    case.analyses.create(status="failed", failure="error", queued_at=case.created_at - timedelta(hours=1))
    for text in ("It itches.", "It still itches."):
        services.message_send(case=case, author=owner, text=text)
        case.photo_requests.create(reader=factories.DermatologistFactory(), answered_at=case.created_at)


def read(case, reader, *, tier: str, second_read: bool = False) -> None:
    opinion = {"diagnosis": "eczema", "tier": tier, "note_to_patient": "A cream."}
    services.review_sign(case=case, reviewer=reader, second_read=second_read, **opinion)


def spot(name: str, *cases) -> dict[tuple[str, str], object]:
    """Ids of a spot that these cases are filed under, and of a note on it."""
    lesion = services.lesion_create(patient=cases[0].patient, body_site="arm")
    for case in cases:
        services.case_file(case=case, lesion=lesion)
    note = services.note_create(lesion=lesion, text="Itches.")
    return {(name, "lesion"): lesion.pk, (name, "note"): (lesion.pk, note.pk)}


def own_data(owner, sent_case) -> dict[tuple[str, str], object]:
    """A photo in a message, a download that is ready, a certificate, and the key of a link that stops e-mails."""
    photo = images.inspect_upload(photos.skin(size=(160, 160)))
    case = Case.objects.get(pk=sent_case)
    message = services.message_send(case=case, author=owner, text="", photos=[photo])
    export = export_request(user=owner, language="en")
    build_export_task(str(export.pk))
    return {
        ("sent", "attachment"): message.attachments.get().pk,
        ("private", "export"): export.pk,
        ("site", "certificate"): services.case_erase(case=factories.case_queued()).pk,
        ("site", "stop"): signing.dumps(["result_ready", owner.pk], salt=SALT),
    }


def desk(people) -> dict[tuple[str, str], object]:
    """What belongs to the first dermatologist, the licence of the unverified one, and a case that waits for photos."""
    reader, applicant = people["dermatologist"], people["unverified"].dermatologist
    applicant.document.save("document.jpg", photos_file(), save=True)
    return {
        ("desk", "view"): services.saved_view_store(user=reader, name="Late", query={"late": "on"}).pk,
        ("desk", "text"): reader.note_templates.create(title="Hello", text="Hello.").pk,
        ("desk", "licence"): applicant.pk,
        ("asked", "case"): factories.case_asked(patient=people["owner"]).pk,
    }


def operations(operator) -> dict[tuple[str, str], object]:
    """A release that was checked, one that nobody knows, and an export for training that is ready."""
    ModelRelease.objects.create(name="candidate", check_state="good", weights_sha256="0" * 64)
    export = services.training_export_request(operator=operator)
    services.training_export_build(export_id=export.pk)
    return {
        ("release", "name"): "candidate",
        ("no release", "name"): "nosuch",
        ("training", "archive"): export.pk,
    }


def hooks(name: str, contact) -> dict[tuple[str, str], object]:
    """Ids of a webhook endpoint and of a message to it, of the partner whose contact this is."""
    partner = factories.PartnerFactory(contact=contact)
    endpoint, _secret = services.endpoint_create(partner=partner, url="https://example.org/hook")
    delivery = services.endpoint_test(endpoint=endpoint)
    key, _text = factories.partner_key(partner)
    return {(name, "endpoint"): endpoint.pk, (name, "delivery"): delivery.pk, (name, "key"): key.pk}


def photos_file():
    from django.core.files.base import ContentFile

    return ContentFile(photos.skin("PNG", size=(64, 64)))


def client_of(role: str, people) -> Client:
    """Somebody at work: the session was seen a moment ago, which staff's is told every 30 seconds."""
    client = Client()
    if role != "anonymous":
        client.force_login(people[role])
        session = client.session
        session[SEEN] = time.time()
        session.save()
    return client


def status_of(client: Client, row: Row, url: str) -> int | str:
    """What the request gets; a page must also come with few queries."""
    with CaptureQueriesContext(connection) as queries:
        answer = getattr(client, row.method)(url, row.data)
    if answer.streaming:
        answer.getvalue()  # the test client closes the file at its end
    elif row.method == "get" and answer.status_code == 200 and "text/html" in answer.get("Content-Type", ""):
        assert len(queries) <= CEILING, [query["sql"] for query in queries]
    went_to_login = answer.status_code == 302 and answer["Location"].startswith(reverse("account_login"))
    return LOGIN if went_to_login else answer.status_code


def address_of(name: str, row: Row, objects) -> str:
    args = objects[row.case, row.part] if row.case else ()
    return reverse(name, args=args if isinstance(args, tuple) else [args])


BLIND = ("heatmap_file", "member_map", "report_create", "report_download")


@pytest.mark.parametrize("name", BLIND)
def test_a_blind_read_cannot_be_bypassed_by_address(name, people, objects, settings):
    """What shows the model's result does not exist for a reader, also one who holds the case, before the opinion."""
    settings.BLIND_FIRST_READ = True
    reader = people["dermatologist"]
    case = Case.objects.get(pk=objects["sent", "case"])
    row = next(row for row in MATRIX[name] if row.case == "sent")
    url = address_of(name, row, objects)
    services.case_take(case=case, reader=reader)
    assert status_of(client_of("dermatologist", people), row, url) == 404
    services.first_opinion_store(case=case, reader=reader, diagnosis="eczema", tier="routine")
    assert status_of(client_of("dermatologist", people), row, url) == row.expect["dermatologist"]
    assert status_of(client_of("second_reader", people), row, url) == 404


@pytest.mark.parametrize("name", sorted(MATRIX))
def test_matrix(name, people, objects):
    for row in MATRIX[name]:
        cache.clear()  # all roles come from one address: a limit by address must not stop the last ones
        url = address_of(name, row, objects)
        got = {role: status_of(client_of(role, people), row, url) for role in ROLES}
        assert got == row.expect, f"{row.method.upper()} {name} of the {row.case or 'site'}"


@pytest.mark.parametrize("name", sorted(ALLAUTH_PRIVATE))
def test_account_pages_need_a_log_in(name, people):
    answer = client_of("anonymous", people).get(reverse(name, args=KEYS.get(name, ())))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("name", sorted(ALLAUTH_OPEN))
def test_open_account_pages_show_nothing_of_anybody(name, people):
    answer = client_of("anonymous", people).get(reverse(name, args=KEYS.get(name, ())), follow=True)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert not [user.email for user in people.values() if user.email in text]


@pytest.mark.parametrize("name", sorted(FINDER))
def test_finder_answers_everybody_with_public_data_only(name, people):
    for role in ROLES:
        answer = client_of(role, people).get(reverse(name, args=FINDER[name]))
        assert answer.status_code in {200, 400, 404} if role != "anonymous" else {200, 400, 401, 404}, role


def admin_addresses() -> list[str]:
    from django.contrib import admin

    models = [model._meta for model in admin.site._registry]
    return ["admin:index", *(f"admin:{meta.app_label}_{meta.model_name}_changelist" for meta in models)]


def test_operators_admin_is_closed_to_everybody_else(people):
    root = factories.OperatorFactory(is_superuser=True)
    Authenticator.objects.create(user=root, type="totp", data={})
    for name in admin_addresses():
        url = reverse(name)
        statuses = {role: client_of(role, people).get(url).status_code for role in ROLES if role != "operator"}
        assert set(statuses.values()) == {302}, name
        assert client_of("root", {"root": root}).get(url).status_code == 200, name
