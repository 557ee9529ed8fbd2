"""The OpenAPI document: valid, complete, every example true, unchanged unless on purpose; its page works offline."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.urls import reverse
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator
from playwright.sync_api import Page

from diagnosis.api.openapi import EXAMPLES
from smartderma.api import PROBLEM_JSON
from tests.e2e.conftest import base_url as base_url
from tests.e2e.conftest import browser_context_args as browser_context_args
from tests.e2e.conftest import browser_type_launch_args as browser_type_launch_args
from tests.kit.processes import ROOT

SNAPSHOT = ROOT / "docs" / "openapi.json"
METHODS = {"get", "post", "put", "patch", "delete", "head"}


@pytest.fixture(scope="module")
def document(tmp_path_factory) -> dict:
    path = tmp_path_factory.mktemp("schema") / "openapi.json"
    call_command("spectacular", format="openapi-json", file=str(path), validate=True, fail_on_warn=True)
    return json.loads(path.read_text())


def operations(document: dict) -> Iterator[tuple[str, dict]]:
    for path, methods in document["paths"].items():
        for method in methods.keys() & METHODS:
            yield f"{method.upper()} {path}", methods[method]


def bodies(document: dict) -> Iterator[tuple[str, str, dict]]:
    """Where, media type and content of every body that is sent or answered."""
    for name, operation in operations(document):
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{name} request", media, content
        for status, response in operation["responses"].items():
            for media, content in response.get("content", {}).items():
                yield f"{name} {status}", media, content


def test_document_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_every_operation_needs_a_key_and_names_its_problems(document):
    for name, operation in operations(document):
        assert operation["security"] == [{"partnerKey": []}], name
        assert {"400", "401", "403", "406", "429"} <= operation["responses"].keys(), name
        assert "{" not in name or "404" in operation["responses"], name
        assert operation["description"], name
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert set(response["content"]) == {PROBLEM_JSON}, f"{name} {status}"
                assert response["description"], f"{name} {status}"


def test_every_body_has_an_example_that_fits_its_schema(document):
    missing, wrong = [], []
    for where, media, content in bodies(document):
        if "json" not in media:
            continue
        examples = [content["example"]] if "example" in content else []
        examples += [one["value"] for one in content.get("examples", {}).values()]
        if not examples:
            missing.append(f"{where} {content['schema']}")
        schema = {**content["schema"], "components": document["components"]}
        validator = Draft202012Validator(schema, format_checker=FormatChecker())
        wrong += [f"{where}: {error.message}" for example in examples for error in validator.iter_errors(example)]
    assert missing == []
    assert wrong == []


def test_every_example_is_shown_somewhere(document):
    assert EXAMPLES.keys() <= document["components"]["schemas"].keys()


def test_every_message_that_we_send_is_described(document):
    from diagnosis.models import WebhookEvent

    assert document["webhooks"].keys() == set(WebhookEvent.values)


def test_document_changes_on_purpose_only(document):
    """After a wanted change: `python manage.py spectacular --format openapi-json --file docs/openapi.json`."""
    assert json.loads(SNAPSHOT.read_text()) == document


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_interactive_documentation_works_under_our_policy(live_server, page: Page):
    """No content security policy is broken, and nothing comes from another host."""
    problems, hosts = [], set()
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto(live_server.url + reverse("docs"))
    page.get_by_role("button", name="get /api/v1/webhook-endpoints/{id}").first.click()
    page.get_by_text("There is nothing here that this key may see.").first.wait_for()
    assert problems == []
    assert hosts == {live_server.url.split("/")[2]}
