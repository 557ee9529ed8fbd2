"""Production refuses to start wrong: one sentence per mistake, under gunicorn and Celery too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

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
