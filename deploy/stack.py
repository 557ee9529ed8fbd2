"""Starts every process of the site under honcho and stops them together; runs inside .venv (see `run.py`).

A process that dies is started again; one that dies at once stops the site, for it would only die again.
"""

from __future__ import annotations

import contextlib
import ipaddress
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

import environ
from honcho.manager import Manager

from deploy import leftovers, valkey
from deploy.wait import wait

SHORTEST_LIFE_SECONDS = 15
# A decoded photo of a phone takes 12 MB. As a mapping of its own it is given back at once; a heap with such holes stays
# as large as it ever was.
GIVE_BACK = f"env MALLOC_MMAP_THRESHOLD_={8 * 2**20} "
START_SECONDS = 300  # the first start also makes the demo cases
# Where Linux shares the processor between sessions (autogroup), `nice` counts within a session only, and honcho starts
# each process in a session of its own: the session itself has to stand back.
STAND_BACK = "{ echo 10 > /proc/self/autogroup || true; } 2> /dev/null && exec nice -n 10 "


class Stack(Manager):
    """honcho's manager, plus: a process that has run for a while and dies is started again."""

    def _start(self) -> None:
        self.started = dict.fromkeys(self._processes, time.monotonic())
        super()._start()

    def _any_stopped(self) -> bool:
        if not self._terminating:
            for name, process in self._processes.items():
                if process.get("returncode") is not None and self._may_return(name):
                    self._restart(name, process)
        return super()._any_stopped()

    def _may_return(self, name: str) -> bool:
        return time.monotonic() - self.started[name] > SHORTEST_LIFE_SECONDS

    def _restart(self, name: str, process: dict) -> None:
        self._system_print(f"{name} stopped by itself: starting it again\n")
        del process["returncode"], process["pid"]
        self.returncode = None
        self.started[name] = time.monotonic()
        process["process"] = multiprocessing.Process(name=name, target=process["obj"].run, args=(self.events, True))
        process["process"].start()

    def _killall(self, force: bool = False) -> None:
        """A process that is just being started has no id yet: `leftovers.end` ends it after the loop."""
        with contextlib.suppress(KeyError):
            super()._killall(force)


def commands(folder: Path, address: str, queue: str) -> dict[str, str]:
    """Shell command by process name. The workers wait for the web, so that they find a migrated database."""
    python = sys.executable
    after_web = f"{python} -m deploy.wait {address}/health/live {START_SECONDS}"
    celery = f"{after_web} && exec {python} -m celery --quiet -A smartderma"
    quiet = "--without-gossip --without-mingle --loglevel INFO"
    worker = f"{celery} worker --pool prefork --concurrency 1 {quiet}"
    yielding = worker.replace("exec ", STAND_BACK)
    waiting = f"{celery} worker --pool threads --concurrency 4 {quiet}"  # it mostly waits for other people's servers
    log_ins, schedule = folder / "run" / "log-ins.txt", folder / "run" / "beat-schedule"
    return {
        "web": f"{python} -m deploy.prepare '{log_ins}' && "
        f"exec {GIVE_BACK}{python} -m gunicorn smartderma.wsgi:application --config deploy/gunicorn.conf.py",
        # It takes from both queues in turn: a flood from partners makes no patient wait.
        "inference": f"{worker} --queues {queue},{queue}-partners --hostname inference@%h",
        "bulk": f"{yielding} --queues bulk,shadows,slow --hostname bulk@%h",
        # Reports are made while nobody's photo needs the processor; somebody who asks for one meanwhile has it made.
        "default": f"{yielding} --queues default --hostname default@%h --max-tasks-per-child 200",
        "webhooks": f"{waiting} --queues webhooks --hostname webhooks@%h",
        "beat": f"{celery} beat --schedule '{schedule}' --pidfile= --loglevel WARNING",
    }


def set_environment(address: str) -> valkey.Valkey | None:
    """Fill in what the person did not set. Gives the embedded server where no REDIS_URL names another."""
    environ.Env.read_env(Path(".env"))
    development = environ.Env().bool("DEBUG", default=True)
    os.environ.setdefault("SITE_URL", address)
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # else each thread's heap keeps what large photos needed once
    os.environ.setdefault("LOG_LEVEL", "WARNING")  # the address and the log-ins stay in sight
    if development:
        os.environ.setdefault("DEMO_ACCOUNTS", "1")
    if os.environ.get("REDIS_URL"):
        return None
    server = valkey.configure(Path(os.environ["VAR_DIR"]) / "run" / "valkey")
    os.environ["REDIS_URL"] = server.url
    return server


def announce(address: str, public: str, log_ins: Path) -> None:
    """Say where the site is, once it answers."""
    if wait(f"{address}/health/live", START_SECONDS):
        text = log_ins.read_text().rstrip()
        log_ins.unlink()  # it may hold the demo partner's key, which is shown once
        print(f"\n{text}\n\nSmart Derma runs at {public} (Ctrl-C stops it)\n", flush=True)


def reachable(host: str) -> str:
    """Where this machine finds a server that listens on `host`: one that listens everywhere is here too."""
    with contextlib.suppress(ValueError):  # a name
        if ipaddress.ip_address(host).is_unspecified:
            return "127.0.0.1"
    return host


def main() -> int:
    folder, host, port = Path(os.environ["VAR_DIR"]), os.environ["HOST"], os.environ["PORT"]
    address, public = f"http://{reachable(host)}:{port}", f"http://localhost:{port}"
    server = set_environment(public)
    stack = Stack()
    if server:
        stack.add_process("valkey", server.shell_command)
    for name, command in commands(folder, address, os.environ.get("INFERENCE_QUEUE") or "inference").items():
        stack.add_process(name, command)
    log_ins = folder / "run" / "log-ins.txt"
    log_ins.unlink(missing_ok=True)
    threading.Thread(target=announce, args=(address, public, log_ins), daemon=True).start()
    try:
        stack.loop()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        leftovers.end(folder)
    asked = stack.returncode in {130, 143}
    return 0 if asked else stack.returncode or 1


if __name__ == "__main__":
    sys.exit(main())
