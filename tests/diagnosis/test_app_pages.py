"""Manifest, service worker and offline page: in every language, the same for everybody, nothing of anybody inside."""

from __future__ import annotations

import json
import os
import re

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse
from PIL import Image

from diagnosis.views_app import SHELL
from tests.kit import factories

pytestmark = pytest.mark.django_db
LANGUAGES = [code for code, _name in django_settings.LANGUAGES]


def signed_in() -> Client:
    client = Client()
    client.force_login(factories.PatientFactory())
    return client


@pytest.mark.parametrize("language", LANGUAGES)
def test_manifest_makes_the_site_installable(client, language):
    answer = client.get(reverse("app_manifest", args=[language]))
    manifest = json.loads(answer.content)
    assert answer["Content-Type"] == "application/manifest+json"
    assert (manifest["lang"], manifest["dir"]) == (language, "rtl" if language == "ar" else "ltr")
    assert (manifest["display"], manifest["start_url"]) == ("standalone", "/")
    for icon in manifest["icons"]:
        with Image.open(finders.find(icon["src"].removeprefix("/static/"))) as picture:
            assert f"{picture.width}x{picture.height}" == icon["sizes"]
    assert {icon["sizes"] for icon in manifest["icons"]} == {"192x192", "512x512"}


def test_names_are_in_the_reader_s_language(client):
    names = {json.loads(client.get(reverse("app_manifest", args=[code])).content)["name"] for code in ("en", "es")}
    assert len(names) == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_offline_page_is_the_same_for_everybody_and_knows_nobody(client, language):
    url = reverse("app_offline", args=[language])
    pages = [client.get(url), signed_in().get(url)]
    assert pages[0].content == pages[1].content
    text = pages[0].content.decode()
    assert f'<html lang="{language}"' in text
    assert "csrfmiddlewaretoken" not in text
    assert "data-person" not in text
    assert not re.search(r"\sstyle=|\son[a-z]+=|<script(?![^>]*\bsrc=)", text)


def test_a_language_that_does_not_exist_is_not_found(client):
    assert client.get(reverse("app_offline", args=["xx"])).status_code == 404
    assert client.get(reverse("app_manifest", args=["xx"])).status_code == 404


def test_the_worker_keeps_the_shell_and_follows_the_language(client):
    answer = client.get(reverse("app_worker"))
    text = answer.content.decode()
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Cache-Control"] == "public, no-cache"
    assert '"/app/en/offline/"' in text
    assert all(f'"/static/{path}"' in text for path in SHELL)
    spanish = client.get(reverse("app_worker"), headers={"accept-language": "es"}).content.decode()
    assert '"/app/es/offline/"' in spanish
    assert "worker-src 'self'" in client.get("/")["Content-Security-Policy"]


def test_every_script_of_the_offline_page_is_in_the_shell(client):
    page = client.get(reverse("app_offline", args=["en"])).content.decode()
    scripts = set(re.findall(r'src="/static/(js/[\w.]+)"', page))
    assert scripts - {"js/language.js"} <= set(SHELL)


def weight(page: bytes) -> int:
    """Bytes of a page with its styles, scripts and icons, not compressed."""
    files = set(re.findall(r'(?:src|href)="/static/([^"]+)"', page.decode()))
    found = [finders.find(name) for name in files]
    assert all(found), files
    return len(page) + sum(os.path.getsize(path) for path in found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_weigh_less_than_200_kilobytes(language):
    portal = signed_in()
    headers = {"accept-language": language}
    pages = {name: portal.get(reverse(name), headers=headers).content for name in ("home", "case_list", "case_create")}
    photos_step = {"step": "check", "country": "GB", "red_flags": "none"}
    pages["photos"] = portal.post(reverse("case_create"), photos_step, headers=headers).content
    pages["offline"] = portal.get(reverse("app_offline", args=[language])).content
    weights = {name: weight(page) for name, page in pages.items()}
    assert {name: size for name, size in weights.items() if not 40_000 < size < 200_000} == {}
