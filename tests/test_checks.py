"""Production refuses to start wrong: one sentence per mistake, under gunicorn and Celery too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from deploy.static import collect_static
from reports.certificates import make_certificate

ROOT = Path(__file__).resolve().parent.parent
GOOD = {
    "DEBUG": "0",
    "SECRET_KEY": "k" * 50,
    "ALLOWED_HOSTS": "skin.example",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "ACCEPT_NON_COMMERCIAL_RELEASE": "1",
    **dict.fromkeys(("REPORT_SIGNING_CERTIFICATE", "REPORT_SIGNING_KEY"), make_certificate()),
}


def start(code: str, tmp_path: Path, **changes: str) -> subprocess.CompletedProcess:
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {**known, "VAR_DIR": str(tmp_path), **GOOD, **changes}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)


WSGI = "import smartderma.wsgi; print('started')"


def test_good_settings_start(tmp_path):
    done = start(WSGI, tmp_path)
    assert done.stdout.strip() == "started", done.stderr


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY must be set"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY must be set"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS must name the hosts"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS must name the hosts"),
        ({"DEMO_ACCOUNTS": "1"}, "DEMO_ACCOUNTS must be off"),
        ({"ACCEPT_NON_COMMERCIAL_RELEASE": "0"}, "trained on data with non-commercial licences"),
        ({"SMARTDERMA_RELEASE": "nosuch"}, "The model release cannot be used"),
        ({"REDIS_URL": ""}, "REDIS_URL must be set"),
        ({"ANALYSIS_LEASE_SECONDS": "10"}, "ANALYSIS_LEASE_SECONDS"),
        ({"REPORT_SIGNING_CERTIFICATE": "", "REPORT_SIGNING_KEY": ""}, "REPORT_SIGNING_KEY must be set in production"),
        ({"REPORT_SIGNING_KEY": make_certificate()}, "does not belong to REPORT_SIGNING_CERTIFICATE"),
        ({"DEBUG": "1", "ALLOWED_HOSTS": "derma.example"}, "needs DEBUG=0"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_unsafe_settings_stop_with_a_sentence(tmp_path, changes, sentence):
    done = start(WSGI, tmp_path, **changes)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_worker_refuses_too(tmp_path):
    code = "from smartderma.celery import app; app.worker_main(['worker', '--pool', 'prefork'])"
    done = start(code, tmp_path, DEMO_ACCOUNTS="1")
    assert done.returncode != 0
    assert "DEMO_ACCOUNTS must be off" in done.stderr


def test_static_files_are_collected_for_production(tmp_path, settings):
    """Every file that a style sheet names is there. Not compressed here, which takes long and can miss nothing."""
    storage = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": storage}}
    settings.STATIC_ROOT = tmp_path
    call_command("collectstatic", interactive=False, verbosity=0)
    assert not (tmp_path / "css" / "input.css").exists()
    assert (tmp_path / "css" / "tokens.css").exists()


# --- collected again only after a change ---------------------------------------------------------------------------
@pytest.fixture
def static_site(tmp_path, settings):
    """(source file, target folder) of a site with one style sheet, stored as in production."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "page.css").write_text("p { color: red }")
    settings.STATICFILES_DIRS = [source]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = target
    storage = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": storage}}
    return source / "page.css", target


def add_source(source, target, settings):
    (source.parent / "print.css").write_text("p { color: black }")


def change_source_but_not_its_date(source, target, settings):
    dates = source.stat().st_atime_ns, source.stat().st_mtime_ns
    source.write_text("p { color: tan }")
    os.utime(source, ns=dates)


def remove_source(source, target, settings):
    add_source(source, target, settings)
    assert collect_static()
    (source.parent / "print.css").unlink()


def change_setting(source, target, settings):
    settings.WHITENOISE_KEEP_ONLY_HASHED_FILES = not settings.WHITENOISE_KEEP_ONLY_HASHED_FILES


def change_storage(source, target, settings):
    storage = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": storage}}


def delete_one_target(source, target, settings):
    next(target.glob("page.*.css")).unlink()


def delete_all_targets(source, target, settings):
    shutil.rmtree(target)


def damage_target(source, target, settings):
    (target / "staticfiles.json").write_text("{}")


def spoil_stamp(source, target, settings):
    next(target.parent.glob("target-*")).write_text("{")


CHANGES = (
    add_source, change_source_but_not_its_date, remove_source, change_setting, change_storage,
    delete_one_target, delete_all_targets, damage_target, spoil_stamp,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_static_files_are_collected_again_only_after_a_change(static_site, settings, change):
    source, target = static_site
    assert collect_static()
    assert not collect_static()
    change(source, target, settings)
    assert collect_static(), "something changed"
    assert not collect_static()
    manifest = json.loads((target / "staticfiles.json").read_text())["paths"]
    assert (target / manifest["page.css"]).read_text() == source.read_text()


def test_an_interrupted_collection_is_done_again(static_site, monkeypatch):
    source, _target = static_site
    assert collect_static()
    source.write_text("p { color: url(missing.png) }")  # a name that leads nowhere stops the run
    with pytest.raises(ValueError, match=r"missing\.png"):
        collect_static()
    source.write_text("p { color: red }")
    assert collect_static()
