"""Every page, as it comes out, speaks one language: also what was put into words too early, or by a library."""

from __future__ import annotations

import html
import re
from functools import cache

import pytest
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse

from deploy.collect import read
from tests.kit import factories
from tests.test_languages import says_something, texts, translations
from tests.test_permission_matrix import url_names

pytestmark = pytest.mark.django_db
DIRECTIONS = {"en": "ltr", "es": "ltr", "hi": "ltr", "ar": "rtl"}
# Machines read these, or they are files.
NOT_PAGES = {
    "schema",
    "docs",
    "health_live",
    "health_ready",
    "app_worker",
    "app_manifest",
    "mfa_download_recovery_codes",
}
# Names that stay English are marked as such.
INSIDE = re.compile(r"<(script|style|template)\b.*?</\1>|<(\w+)[^>]* lang=\"en\"[^>]*>.*?</\2>|<[^>]+>", re.DOTALL)


def page_addresses() -> dict[str, str]:
    """Addresses that need no id, by name."""
    found = {}
    for name in sorted(url_names(get_resolver()) - NOT_PAGES):
        try:
            found[name] = reverse(name)
        except NoReverseMatch:
            continue
    return {name: address for name, address in found.items() if not address.startswith("/api/")}


@cache
def english_sentences(language: str) -> tuple[str, ...]:
    """Texts of three words and more that read differently in `language`."""
    sentences = []
    for message in read(language):
        text = texts(message)[0] if message.id else ""
        plain = len(text.split()) > 2 and "%" not in text and "{" not in text and says_something(text)
        if plain and translations(message)[0] not in {"", text}:
            sentences.append(" ".join(text.split()))
    return tuple(sentences)


def spoken(body: str) -> str:
    body = body[body.find("<head") :]
    return " ".join(html.unescape(INSIDE.sub(" ", body)).split())


def wrong_on(answer, language: str) -> list[str]:
    """What is wrong with an answer: its language, its direction, English sentences."""
    if answer.status_code != 200 or "text/html" not in answer.headers.get("Content-Type", ""):
        return []
    body = answer.content.decode()
    wrong = [sentence for sentence in english_sentences(language) if sentence in spoken(body)]
    if "<html" in body and f'<html lang="{language}" dir="{DIRECTIONS[language]}"' not in body:
        wrong.append(re.search("<html[^>]*>", body)[0])
    return wrong


def visit(client: Client, addresses: dict[str, str], language: str) -> dict[str, list[str]]:
    wrong = {name: wrong_on(client.get(address), language) for name, address in addresses.items()}
    return {name: found for name, found in wrong.items() if found}


# One language for each role: whatever is forgotten is forgotten in all of them.
def test_open_pages(client: Client):
    language = "es"
    client.cookies["django_language"] = language
    assert visit(client, page_addresses(), language) == {}


def test_pages_of_a_patient(client: Client, toy_release):
    language = "ar"
    patient = factories.PatientFactory(language=language)
    client.force_login(patient)
    makers = (factories.case_done, factories.case_inconclusive, factories.case_failed, factories.case_signed)
    cases = {make.__name__: make(patient=patient) for make in (*makers, factories.case_in_review)}
    cases["emergency"] = factories.case_done(patient=patient, red_flags=["swelling"])
    addresses = {name: reverse("case_detail", args=[case.pk]) for name, case in cases.items()}
    addresses |= {
        name: reverse(name, args=[cases["case_signed"].pk]) for name in ("case_delete", "message_list", "case_file")
    }
    assert visit(client, page_addresses() | addresses, language) == {}


def test_pages_of_a_dermatologist(client: Client, toy_release):
    language = "hi"
    client.force_login(factories.DermatologistFactory(language=language))
    cases = {"waiting": factories.case_in_review(), "signed": factories.case_signed()}
    addresses = {name: reverse("review_case", args=[case.pk]) for name, case in cases.items()}
    assert visit(client, page_addresses() | addresses, language) == {}


def test_an_english_sentence_would_be_found(client: Client):
    assert "How it works" in wrong_on(client.get("/"), "ar")
