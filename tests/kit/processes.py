"""Programs that a test starts: each in a session of its own, ready before it is used, gone with all its children."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """Even a pytest that is killed leaves no server behind (Linux)."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Program:
    """A running program. `log` collects what it prints."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    process: subprocess.Popen | None = None

    def start(self) -> Program:
        """Start it, or start it again after `kill`."""
        environment = {**os.environ, **self.environment}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                user=self.user,
                extra_groups=[] if self.user else None,
            )
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} was not started"
        return self.process.pid

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = 30) -> Program:
        """Raises with the end of the program's log when it dies or does not get ready in time."""
        deadline = time.monotonic() + seconds
        while not ready():
            alive = self.process is not None and self.process.poll() is None
            if not alive or time.monotonic() > deadline:
                state = "is not ready" if alive else "ended"
                raise RuntimeError(f"{self.name} {state}:\n{self.output()[-4000:]}")
            time.sleep(0.05)
        return self

    def wait(self, *, seconds: float = 30) -> int:
        """Its exit status, once it has ended by itself. Raises subprocess.TimeoutExpired."""
        assert self.process is not None, f"{self.name} was not started"
        return self.process.wait(timeout=seconds)

    def kill(self) -> None:
        """kill -9 to the whole process group, as a crash or the kernel's memory killer would."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(timeout=10)

    def stop(self, *, number: int = signal.SIGTERM, seconds: float = 10) -> None:
        """Ask it to end; kill what is left of it and its children after `seconds`."""
        if self.process is None:
            return
        family = _family(self.pid)
        if self.process.poll() is None:
            self.process.send_signal(number)
        psutil.wait_procs(family, timeout=seconds)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self.process.wait(timeout=10)


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def wait_for(condition: Callable[[], object], *, seconds: float = 30, what: str = "the condition") -> None:
    """Poll until `condition` is true; raises AssertionError naming `what` when it never is."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds:g} s"
        time.sleep(0.05)
