"""`make run` itself: it serves, it stops everything, it starts again fast, and it refuses a taken port."""

import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import httpx
import psutil
import pytest

from deploy import leftovers
from deploy.wait import answers
from tests.kit.processes import ROOT, Program, wait_for
from tests.kit.releases import write_toy_release
from tests.kit.servers import free_port
from tests.settings import ENVIRONMENT

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("make_run")]

NOT_OURS = {*ENVIRONMENT, "DJANGO_SETTINGS_MODULE", "SMARTDERMA_RELEASE"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A folder of its own for everything that the site writes, and a small release."""
    folder = tmp_path_factory.mktemp("make-run")
    write_toy_release(folder / "releases", "r6")
    keep = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    return {
        **keep,
        "VAR_DIR": str(folder / "var"),
        "SMARTDERMA_RELEASE_DIR": str(folder / "releases"),
        "PORT": str(free_port()),
    }


class Start:
    """One `make run` with the environment given, and nothing of the tests' own."""

    def __init__(self, environment, log):
        self.address = f"http://127.0.0.1:{environment['PORT']}"
        self.var = environment["VAR_DIR"]
        command = ["env", "-i", *(f"{name}={value}" for name, value in environment.items()), "make", "run"]
        self.program = Program("make run", command, log).start()

    def wait(self, seconds):
        self.program.wait_until(lambda: answers(f"{self.address}/health/live"), seconds=seconds)
        self.program.wait_until(lambda: "Smart Derma runs at" in self.program.output())
        return self

    def wait_for_workers(self):
        """web, two Celery workers with a child each, beat, valkey."""
        wait_for(lambda: len(self.celery()) >= 5, seconds=60, what="both workers and beat")

    def celery(self):
        return self.marked("celery")

    def marked(self, word):
        """Processes that the next start would find, by a word of their command."""
        return [pid for pid in leftovers.find(self.var) if word in command_of(pid)]

    def interrupt(self, number=signal.SIGINT):
        """What a terminal does on Ctrl-C: the signal goes to the whole foreground group."""
        os.killpg(self.program.pid, number)
        return self.program.process.wait(timeout=30)


@pytest.fixture
def start(environment, tmp_path):
    started = []

    def run(**changes):
        started.append(Start({**environment, **changes}, tmp_path / f"log-{len(started)}"))
        return started[-1]

    yield run
    for one in started:
        one.program.kill()
        leftovers.end(one.var)


def command_of(pid):
    """Empty for a process that has just ended."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""


def stands_back(site, name):
    """True when a worker's processes have low priority, also against other sessions where the kernel compares those."""
    pids = site.marked(name)
    return bool(pids) and all(os.getpriority(os.PRIO_PROCESS, pid) == 10 and session_stands_back(pid) for pid in pids)


def session_stands_back(pid):
    session = Path(f"/proc/{pid}/autogroup")
    return not session.exists() or session.read_text().endswith("nice 10\n")


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def everything_marked(environment):
    return leftovers.find(environment["VAR_DIR"])


def test_site_serves_stops_and_starts_again(start, environment):
    first = start().wait(120)
    assert "Installing" not in first.program.output(), "nothing changed, so pip must not run"
    assert httpx.get(first.address).status_code == 200
    assert httpx.get(f"{first.address}/health/ready").json() == {"status": "ok"}
    assert "patient@demo.example" in first.program.output()
    first.wait_for_workers()
    background = (" default@", " bulk@")
    wait_for(lambda: all(stands_back(first, name) for name in background), seconds=60, what="low priority")
    assert not stands_back(first, " inference@")
    assert all(first.marked(word) for word in ("valkey-server", "gunicorn", "celery", "beat", "deploy.stack"))

    refused = subprocess.run(["make", "run"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert refused.stderr.splitlines()[0].startswith(f"Port {environment['PORT']} is taken")

    first.interrupt()
    assert everything_marked(environment) == []
    assert not answers(first.address)

    began = time.monotonic()
    second = start().wait(60)
    assert time.monotonic() - began < 10 * slowness()
    second.interrupt(signal.SIGTERM)
    assert everything_marked(environment) == []


def slowness():
    """How much longer than alone a process takes now: other work on this machine is no fault of the site."""
    return max(1.0, os.getloadavg()[0] / os.cpu_count())


def test_killed_worker_is_started_again_and_a_killed_start_is_cleared(start, environment):
    running = start().wait(120)
    running.wait_for_workers()
    time.sleep(15)  # a process that dies younger than this stops the site instead
    for pid in running.celery():
        psutil.Process(pid).kill()
    running.wait_for_workers()
    assert httpx.get(running.address).status_code == 200

    for pid in running.marked("deploy.stack"):
        os.kill(pid, signal.SIGKILL)
    outlived = running.marked("valkey-server") + running.marked("gunicorn")
    assert outlived, "the servers outlive a killed start"
    running.program.kill()
    again = start().wait(60)
    assert httpx.get(again.address).status_code == 200
    assert not any(is_alive(pid) for pid in outlived)
    again.interrupt()


def test_site_that_cannot_be_prepared_stops_as_a_whole(start, environment, tmp_path):
    """A database that cannot be migrated: a message, a status, and no process left."""
    broken = tmp_path / "broken.sqlite3"
    with sqlite3.connect(broken) as database:
        database.execute("CREATE TABLE accounts_user (nonsense INTEGER)")
    database.close()
    failed = start(DATABASE_URL=f"sqlite:///{broken}")
    assert failed.program.process.wait(timeout=60) != 0
    assert "The site cannot start" in failed.program.output()
    assert everything_marked(environment) == []
