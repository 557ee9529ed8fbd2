"""The two stacks of `make load`: started, frozen while the other one is measured, and looked at for memory."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
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
ROLES = {WEB: re.compile(r"gunicorn"), WORKER: re.compile(r"inference@")}
MEGA = 1_000_000


class Measured:
    """A program with its children: frozen (SIGSTOP) unless it is measured, so that it takes nothing from others."""

    def __init__(self, program: Program, address: str) -> None:
        self.program, self.address = program, address
        self.peaks: dict[str, float] = defaultdict(float)

    def family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.program.pid)
        return [parent, *parent.children(recursive=True)]

    def _signal(self, number: int) -> None:
        for member in self.family():
            member.send_signal(number)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let it run, and note its memory at the end of the block and every half second."""
        self._signal(signal.SIGCONT)
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(done,))
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            self.freeze()

    def _watch(self, done: threading.Event) -> None:
        while True:
            self._look()
            if done.wait(0.5):
                return

    def _look(self) -> None:
        """Resident memory in MB: the largest process of the web; parent and child of the photo worker together."""
        sums: dict[str, list[float]] = defaultdict(list)
        for process in self.family():
            try:
                line, resident = " ".join(process.cmdline()), process.memory_info().rss / MEGA
            except psutil.NoSuchProcess:
                continue
            for role, pattern in ROLES.items():
                if pattern.search(line) and "sh -c" not in line:
                    sums[role].append(resident)
        for role, values in sums.items():
            self.peaks[role] = max(self.peaks[role], max(values) if role == WEB else sum(values))

    def end(self) -> None:
        self._signal(signal.SIGCONT)
        self.program.stop(seconds=20)


def start_ours(folder: Path) -> Measured:
    """The whole site as `make run` starts it: gunicorn, Valkey, five workers and beat, on SQLite."""
    port = free_port()
    environment = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "VAR_DIR": str(folder),
        "DEMO_ACCOUNTS": "0",
        "EMAIL_URL": "memorymail://",
        "PARTNER_PLANS": json.dumps(PLANS),
        "DJANGO_SETTINGS_MODULE": "smartderma.settings",
    }
    (folder / "run").mkdir(parents=True)
    program = Program("ours", [sys.executable, "-m", "deploy.stack"], folder / "ours.log", environment).start()
    address = f"http://127.0.0.1:{port}"
    program.wait_until(lambda: wait(f"{address}/health/live", 1), seconds=START_SECONDS)
    return Measured(program, address)


def partner_key(folder: Path) -> str:
    """An API key of a new partner in the database of `start_ours`."""
    code = (
        "import django; django.setup(); from accounts.models import *; "
        "from accounts.services import partner_key_create; "
        "user = User.objects.create(email='load@example.org', role=Role.PARTNER); "
        "partner = Partner.objects.create(name='Load', contact=user); "
        "print(partner_key_create(partner=partner, name='load', scopes=Scope.values)[1])"
    )
    environment = {**os.environ, "VAR_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "smartderma.settings"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1]


def start_eager(folder: Path) -> Measured:
    """The stack of the paper."""
    port = free_port()
    command = [sys.executable, "-m", "tests.load.eager_stack", str(port)]
    program = Program("eager", command, folder / "eager.log").start()
    address = f"http://127.0.0.1:{port}"
    program.wait_until(lambda: wait(f"{address}/openapi.json", 1), seconds=START_SECONDS)
    return Measured(program, address)
