"""Every address of the API for every kind of key, with one's own object and with somebody else's."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Scope
from diagnosis import services
from reports.services import report_render
from smartderma.api_urls import urlpatterns
from tests.kit import factories
from tests.test_permission_matrix import url_names

pytestmark = pytest.mark.django_db
PUBLIC = {"schema", "docs"}
JSON = "application/json"


@dataclass(frozen=True)
class Row:
    """What the owner of the object gets; `part` names the object in the address, `body` what is sent."""

    method: str
    status: int
    scope: str
    part: str = ""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = JSON


READ, WRITE, REPORT, HOOKS = Scope.ANALYSIS_READ, Scope.ANALYSIS_WRITE, Scope.REPORT_READ, Scope.WEBHOOK_MANAGE
OFFSET = "application/offset+octet-stream"
ROWS: dict[str, list[Row]] = {
    "analysis-list": [Row("get", 200, READ), Row("post", 400, WRITE, body={})],
    "analysis-detail": [Row("get", 200, READ, "analysis"), Row("delete", 204, WRITE, "analysis")],
    "analysis-report": [Row("get", 200, REPORT, "analysis")],
    "case-list": [Row("get", 200, READ)],
    "case-detail": [Row("get", 200, READ, "case"), Row("delete", 204, WRITE, "case")],
    "image-list": [Row("get", 200, READ), Row("post", 201, WRITE, body={"length": 5, "sha256": "0" * 64})],
    "image-detail": [
        Row("get", 200, READ, "upload"),
        Row("patch", 204, WRITE, "upload", body=b"12345", headers={"Upload-Offset": "0"}, kind=OFFSET),
        Row("delete", 204, WRITE, "upload"),
        Row("get", 200, READ, "image"),
    ],
    "image-content": [Row("get", 200, READ, "image")],
    "review-list": [Row("get", 200, READ), Row("post", 400, WRITE, body={})],
    "review-detail": [Row("get", 200, READ, "review")],
    "report-list": [Row("get", 200, REPORT), Row("post", 400, REPORT, body={})],
    "report-detail": [Row("get", 200, REPORT, "report")],
    "release-list": [Row("get", 200, READ)],
    "release-detail": [Row("get", 404, READ, "case")],
    "usage-list": [Row("get", 200, READ)],
    "finder-list": [Row("post", 400, READ, body={})],
    "batch-list": [Row("get", 200, READ), Row("post", 400, WRITE, body={})],
    "batch-detail": [Row("get", 200, READ, "batch"), Row("delete", 204, WRITE, "batch")],
    "batch-items": [Row("get", 200, READ, "batch")],
    "sandbox-photo-list": [Row("get", 200, READ)],
    "sandbox-photo-detail": [Row("get", 404, READ, "case")],
    "webhook-endpoint-list": [Row("get", 200, HOOKS), Row("post", 400, HOOKS, body={})],
    "webhook-endpoint-detail": [
        Row("get", 200, HOOKS, "endpoint"),
        Row("patch", 200, HOOKS, "endpoint", body={"description": "x"}),
        Row("delete", 204, HOOKS, "endpoint"),
    ],
    "webhook-endpoint-rotate-secret": [Row("post", 200, HOOKS, "endpoint", body={})],
    "webhook-endpoint-send-test": [Row("post", 202, HOOKS, "endpoint", body={})],
    "webhook-delivery-list": [Row("get", 200, HOOKS)],
    "webhook-delivery-detail": [Row("get", 200, HOOKS, "delivery")],
    "webhook-delivery-replay": [Row("post", 409, HOOKS, "delivery", body={})],
}


def api_names() -> set[str]:
    class Resolver:
        url_patterns = urlpatterns

    return {name for name in url_names(Resolver()) if name}


def test_every_address_of_the_api_has_a_row():
    assert api_names() - PUBLIC == ROWS.keys()


def object_of(partner, part: str) -> Any:
    """The id of something that an address can name and that belongs to this partner."""
    if part in {"endpoint", "delivery"}:
        endpoint, _secret = services.endpoint_create(
            partner=partner, sandbox=False, url="https://hooks.example.com/x", description="", events=[]
        )
        return endpoint.pk if part == "endpoint" else services.endpoint_test(endpoint=endpoint).pk
    if part == "upload":
        key, _text = factories.partner_key(partner)
        return services.upload_start(owner=key, length=5, sha256="0" * 64).pk
    if part == "batch":
        key, _text = factories.partner_key(partner)
        soon = timezone.now()
        return partner.batches.create(key=key, sandbox=False, kind="zip", language="en", lease_until=soon).pk
    case = factories.case_signed(partner=partner) if part == "review" else factories.case_done(partner=partner)
    if part == "report":
        return report_render(case=case, language="en").pk
    rows = {"case": [case], "analysis": case.analyses.all(), "image": case.images.all(), "review": case.reviews.all()}
    return rows[part][0].pk


def headers_of(partner, scopes: list[str], *, sandbox: bool = False) -> dict[str, str]:
    _key, text = factories.partner_key(partner, scopes=scopes, sandbox=sandbox)
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_matrix(client, name):
    partner = factories.PartnerFactory()
    for row in ROWS[name]:
        url = reverse(name, args=[object_of(partner, row.part)] if row.part else [])
        rest = [scope for scope in Scope.values if scope != row.scope]
        strangers = 404 if row.part else row.status
        callers = {
            "nobody": ({}, 401),
            "without the scope": (headers_of(partner, rest), 403),
            "another partner": (headers_of(factories.PartnerFactory(), Scope.values), strangers),
            "own sandbox key": (headers_of(partner, Scope.values, sandbox=True), strangers),
            "own key": (headers_of(partner, [row.scope]), row.status),  # last: it may erase the object
        }
        if row.part == "upload":
            del callers["own sandbox key"]  # bytes on their way belong to the partner
        for who, (headers, expected) in callers.items():
            answer = client.generic(
                row.method.upper(), url, content_of(row), content_type=row.kind, headers={**headers, **row.headers}
            )
            where = f"{row.method} {name} for {who}: {answer.content[:200] if not answer.streaming else ''}"
            assert answer.status_code == expected, where
            if expected == 403:
                assert row.scope in answer.json()["detail"]
            if answer.streaming:
                answer.getvalue()


def content_of(row: Row) -> bytes:
    return row.body if isinstance(row.body, bytes) else (b"" if row.body is None else json.dumps(row.body).encode())
