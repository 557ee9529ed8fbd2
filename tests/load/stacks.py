"""The two stacks of `make load`: started, kept still while the other one is measured, and looked at for memory."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from deploy.valkey import free_port
from deploy.wait import wait
from tests.kit.processes import ROOT, Program

START_SECONDS = 240
# Limits of a partner, lifted by a setting: the load is to find the stack's limit, not the plan's.
PLANS = {"standard": {"requests_per_minute": 10**6, "analyses_per_month": 10**6, "concurrent": 10**4}}
WEB, WORKER = "web process", "photo worker"
ROLES = {WEB: re.compile(r"python -m gunicorn"), WORKER: re.compile(r"python -m celery .*inference@")}
BACKGROUND = re.compile(r"python -m celery .*(default|bulk)@")
MEGA = 1_000_000


class Measured:
    """A program with its children. What it does in the background stands still (SIGSTOP) unless it is measured."""

    def __init__(self, program: Program, address: str) -> None:
        self.program, self.address = program, address
        self.peaks: dict[str, float] = defaultdict(float)

    def family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.program.pid)
        return [parent, *parent.children(recursive=True)]

    def _signal(self, number: int) -> None:
        for member in self.family():
            if BACKGROUND.search(" ".join(member.cmdline())):
                member.send_signal(number)

    def freeze(self) -> None:
        """Reports that still have to be drawn must not take the processor from the other stack."""
        self._signal(signal.SIGSTOP)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let it run, and note its memory at the end of the block."""
        self._signal(signal.SIGCONT)
        try:
            yield
            self._look()
        finally:
            self.freeze()

    def _look(self) -> None:
        """Memory in MB: resident of the largest process of the web; parent and child of the photo worker together.

        Pages that parent and child share count once (proportional set size).
        """
        for role, pattern in ROLES.items():
            found = [one.memory_full_info() for one in self.family() if pattern.search(" ".join(one.cmdline()))]
            sizes = [memory.rss if role == WEB else memory.pss for memory in found] or [0]
            self.peaks[role] = max(self.peaks[role], (max(sizes) if role == WEB else sum(sizes)) / MEGA)

    def end(self) -> None:
        self._signal(signal.SIGCONT)
        self.program.stop(seconds=20)


def start_ours(folder: Path) -> tuple[Measured, str]:
    """The whole site as `make run` starts it, on SQLite, with production's settings; and the key of a partner."""
    port = free_port()
    (folder / "run").mkdir(parents=True)
    environment = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "VAR_DIR": str(folder),
        "DEBUG": "0",
        "DEMO_ACCOUNTS": "0",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ALLOWED_HOSTS": "127.0.0.1",
        "BEHIND_PROXY": "1",
        "ACCEPT_NON_COMMERCIAL_RELEASE": "1",
        "EMAIL_URL": "memorymail://",
        "PARTNER_PLANS": json.dumps(PLANS),
        "DJANGO_SETTINGS_MODULE": "smartderma.settings",
    }
    pem = _said_by(CERTIFICATE, {**environment, "DEBUG": "1"})
    environment |= {"REPORT_SIGNING_CERTIFICATE": pem, "REPORT_SIGNING_KEY": pem}
    program = Program("ours", [sys.executable, "-m", "deploy.stack"], folder / "ours.log", environment).start()
    address = f"http://127.0.0.1:{port}"
    program.wait_until(lambda: wait(f"{address}/health/live", 1), seconds=START_SECONDS)
    return Measured(program, address), _said_by(PARTNER, environment).splitlines()[-1]


CERTIFICATE = "from reports.certificates import make_certificate; print(make_certificate())"
PARTNER = """
from accounts.models import Partner, Role, Scope, User
from accounts.services import partner_key_create
contact = User.objects.create(email="load@example.org", role=Role.PARTNER)
partner = Partner.objects.create(name="Load", contact=contact)
print(partner_key_create(partner=partner, name="load", scopes=Scope.values)[1])
"""


def _said_by(code: str, environment: Mapping[str, str]) -> str:
    """What some lines of the site's code print."""
    command = [sys.executable, "-c", f"import django; django.setup()\n{code}"]
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def start_eager(folder: Path) -> Measured:
    """The stack of the paper."""
    port = free_port()
    command = [sys.executable, "-m", "tests.load.eager_stack", str(port)]
    program = Program("eager", command, folder / "eager.log").start()
    address = f"http://127.0.0.1:{port}"
    program.wait_until(lambda: wait(f"{address}/openapi.json", 1), seconds=START_SECONDS)
    return Measured(program, address)
