"""What docs/API.md and docs/client say works: its commands run against a real site with real workers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.finder.servers import Reply
from tests.kit import factories, photos
from tests.kit.processes import ROOT
from tests.kit.receiver import Receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

CLIENT = ROOT / "docs" / "client"
CLEAN = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}


@pytest.fixture
def receiver():
    with Receiver() as server:
        yield server


@pytest.fixture
def site(stack) -> str:
    """The whole site; webhooks may reach the receiver of the test."""
    here = {"WEBHOOKS_TO_PRIVATE_ADDRESSES": "1", "WEBHOOK_SWEEP_SECONDS": "1"}
    stack.worker("inference,inference-partners,default,webhooks", **here)
    return stack.web(**here)


@pytest.fixture
def key() -> str:
    return factories.partner_key()[1]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "photo.jpg").write_bytes(photos.skin())
    return tmp_path


def commands(document: Path) -> list[str]:
    """The shell blocks of a document, in order; they share a folder and a shell."""
    return re.findall(r"^```sh\n(.*?)^```", document.read_text(), re.M | re.S)


def run(command: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**CLEAN, **environment}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_command_of_the_document_and_the_typed_client_work(site, key, folder, receiver):
    printed = curl_lines_printed(site, key, folder, receiver)
    assert '"status":"succeeded"' in printed
    assert '"resourceType":"Bundle"' in printed
    printed = typed_client_printed(site, key, folder, receiver)
    assert "succeeded: outcome" in printed
    assert "DiagnosticReport is preliminary" in printed
    assert "Erased: 204" in printed


def curl_lines_printed(site: str, key: str, folder: Path, receiver: Receiver) -> str:
    blocks = commands(ROOT / "docs" / "API.md")
    assert len(blocks) >= 5
    script = "set -euo pipefail\n" + "\n".join(blocks)
    receiver.script = [Reply(204, b"")] * 10  # the secret is in the answer that the commands keep for themselves
    printed = run(["bash", "-c", script], folder, SITE=site, KEY=key, WEBHOOK=f"{receiver.url}/curl")
    receiver.secret = json.loads((folder / "endpoint.json").read_text())["secret"]
    assert "webhook.test" in {receiver.verified(message)["type"] for message in receiver.seen}
    return printed


def typed_client_printed(site: str, key: str, folder: Path, receiver: Receiver) -> str:
    generate = [
        sys.executable, "-m", "openapi_python_client", "generate", "--url", f"{site}/api/schema/",
        "--config", str(CLIENT / "config.yml"), "--meta", "none", "--output-path", str(folder / "smartderma_client"),
    ]  # fmt: skip
    programs = str(Path(sys.executable).parent)
    run(generate, folder, PATH=f"{programs}:{os.environ['PATH']}")
    shutil.copy(CLIENT / "walkthrough.py", folder)
    return run([sys.executable, "walkthrough.py", site, key, "photo.jpg", f"{receiver.url}/typed"], folder)
