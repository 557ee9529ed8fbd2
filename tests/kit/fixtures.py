"""Fixtures around `tests.kit.servers`. Servers live for a session of one xdist worker, rows for one test.

A test that needs workers asks for `stack`: the test's own database file, a real broker, and `start_worker`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest
import redis
from celery import current_app
from django.core.management import call_command
from django.db import connections
from kombu import pools

from tests.kit import servers
from tests.kit.processes import Program

BUCKET = "photos"
S3_KEYS = {"S3_ACCESS_KEY_ID": "test", "S3_SECRET_ACCESS_KEY": "test-secret", "S3_REGION": "eu-central-1"}


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs and data of the session's servers."""
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def valkey_server(server_folder: Path) -> Iterator[str]:
    """Address of a real Valkey for the whole session; tests ask for `valkey`, which starts empty."""
    program, url = servers.start_valkey(server_folder / "valkey")
    yield url
    program.stop()


@pytest.fixture
def valkey(valkey_server: str) -> str:
    """Address of a real, empty Valkey."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
    return valkey_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.Postgres]:
    """A real PostgreSQL for the whole session; tests ask for `postgres` or `on_postgres`."""
    server = servers.Postgres()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def postgres(postgres_server: servers.Postgres) -> Iterator[str]:
    """DATABASE_URL of a fresh, empty database."""
    with postgres_server.database() as address:
        yield address


@contextmanager
def _default_database(address: str, django_db_blocker) -> Iterator[None]:
    """`default` is the database at `address`, in every thread."""
    import environ
    from django.contrib.contenttypes.models import ContentType

    before = connections.settings["default"]
    with django_db_blocker.unblock():
        connections["default"].close()
        connections.settings["default"] = connections.configure_settings(
            {"default": environ.Env.db_url_config(address)}
        )["default"]
        del connections["default"]
        ContentType.objects.clear_cache()  # numbers differ between databases
        try:
            yield
        finally:
            connections["default"].close()
            del connections["default"]
            connections.settings["default"] = before
            ContentType.objects.clear_cache()


@pytest.fixture(scope="session")
def migrated(postgres_server: servers.Postgres, django_db_setup, django_db_blocker) -> str:
    """Name of a migrated database that others are copied from: migrations take ten seconds, a copy none."""
    postgres_server.execute("CREATE DATABASE migrated")
    with _default_database(postgres_server.address("migrated"), django_db_blocker):
        call_command("migrate", verbosity=0, interactive=False)
    return "migrated"


@pytest.fixture
def on_postgres(postgres_server: servers.Postgres, migrated: str, django_db_blocker) -> Iterator[str]:
    """This test's `default` database is a fresh migrated PostgreSQL, in every thread. Gives its DATABASE_URL."""
    with postgres_server.database(template=migrated) as address, _default_database(address, django_db_blocker):
        yield address


@pytest.fixture(scope="session")
def s3_server(server_folder: Path) -> Iterator[str]:
    program, address = servers.start_s3(server_folder)
    yield address
    program.stop()


@dataclass(frozen=True)
class Bucket:
    """An S3 bucket: the environment that makes the site use it, and a client to look into it."""

    environment: dict[str, str]
    client: object
    name: str = BUCKET


@pytest.fixture
def s3(s3_server: str, settings) -> Iterator[Bucket]:
    """A fresh private bucket on a real S3 server; the `default` storage of this process uses it too."""
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name=S3_KEYS["S3_REGION"],
        aws_access_key_id=S3_KEYS["S3_ACCESS_KEY_ID"],
        aws_secret_access_key=S3_KEYS["S3_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": S3_KEYS["S3_REGION"]})
    environment = {"S3_BUCKET": BUCKET, "S3_ENDPOINT_URL": s3_server, **S3_KEYS}
    settings.STORAGES = {**settings.STORAGES, "default": _s3_storage(s3_server)}
    yield Bucket(environment=environment, client=client)
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()


def _s3_storage(endpoint: str) -> dict:
    """What smartderma/settings.py builds from the environment of `Bucket`."""
    options = {
        "bucket_name": BUCKET,
        "endpoint_url": endpoint,
        "region_name": S3_KEYS["S3_REGION"],
        "access_key": S3_KEYS["S3_ACCESS_KEY_ID"],
        "secret_key": S3_KEYS["S3_SECRET_ACCESS_KEY"],
        "object_parameters": {"ServerSideEncryption": "AES256"},
    }
    return {"BACKEND": "smartderma.storage_s3.PrivateS3Storage", "OPTIONS": options}


@dataclass
class Stack:
    """The environment that the programs of one test share, and what starts them. All of them end with the test."""

    folder: Path
    environment: dict[str, str]
    running: ExitStack = field(default_factory=ExitStack)

    def worker(
        self, queues: str = "inference", pool: str = "prefork", app: str = "smartderma", **environment: str
    ) -> Program:
        surroundings = {**self.environment, **environment}
        return self._keep(servers.start_worker(self.folder, queues, surroundings, pool=pool, app=app))

    def refused_worker(self, pool: str = "prefork", **environment: str) -> str:
        """What a worker for photos says that ends by itself instead of starting."""
        surroundings = {**self.environment, **environment}
        program = servers.worker_program(self.folder, "inference", surroundings, pool=pool, app="smartderma").start()
        self._keep(program).wait(seconds=60)
        return program.output()

    def beat(self, **environment: str) -> Program:
        return self._keep(servers.start_beat(self.folder, {**self.environment, **environment}))

    def web(self, **environment: str) -> str:
        """Starts gunicorn; gives its address."""
        program, address = servers.start_web(self.folder, {**self.environment, **environment})
        self._keep(program)
        return address

    def _keep(self, program: Program) -> Program:
        self.running.callback(program.kill)  # nothing of theirs is kept, so there is nothing to end gently
        return program


def database_url() -> str:
    """DATABASE_URL of the database that this test uses now."""
    now = connections["default"].settings_dict
    if now["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{now['NAME']}"
    return f"postgres://{now['USER']}@{now['HOST']}:{now['PORT']}/{now['NAME']}"


@pytest.fixture
def use_broker() -> Iterator[Callable[[str], None]]:
    """`use_broker(url)`: tasks of this process go to that broker for the rest of the test."""
    before = current_app.conf.broker_url

    def switch(url: str) -> None:
        current_app.conf.broker_url = url
        pools.reset()  # closes every connection; the application then makes new pools for the new address
        current_app._pool = current_app.amqp._producer_pool = None

    yield switch
    switch(before)


@pytest.fixture
def broker(valkey: str, use_broker: Callable[[str], None], settings) -> str:
    """Tasks of this process go to the real broker; gives its address."""
    settings.REDIS_URL = valkey
    use_broker(valkey)
    return valkey


@pytest.fixture
def stack_environment(broker: str, toy_release: str) -> dict[str, str]:
    """What the programs of a stack find in their environment; a test may add to it before it starts one."""
    return {
        "REDIS_URL": broker,
        "DATABASE_URL": database_url(),
        "VAR_DIR": os.environ["VAR_DIR"],
        "SMARTDERMA_RELEASE": toy_release,
        "SMARTDERMA_RELEASE_DIR": os.environ["SMARTDERMA_RELEASE_DIR"],
        "EMAIL_URL": "memorymail://",
        "FACE_WAIT_SECONDS": "30",  # a stack without a worker for `default` passes 0 to its web
    }


@pytest.fixture
def stack(stack_environment: dict[str, str], tmp_path: Path) -> Iterator[Stack]:
    """Real programs on this test's own database and a real broker; needs `transactional_db` or `on_postgres`."""
    with ExitStack() as running:
        yield Stack(folder=tmp_path, environment=stack_environment, running=running)


@pytest.fixture
def start_worker(stack: Stack) -> Callable[..., Program]:
    """`start_worker(queues, **environment)`: a real Celery worker."""
    return stack.worker


@pytest.fixture
def site(transactional_db: None, stack: Stack) -> str:
    """Address of the whole site: gunicorn, both workers and beat on this test's database."""
    stack.worker("inference,inference-partners,bulk,shadows,slow")
    stack.worker("default")
    stack.beat()
    return stack.web()


@pytest.fixture(scope="session")
def toy_release_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for SMARTDERMA_RELEASE_DIR that holds the release `toy`."""
    from tests.kit.releases import write_toy_release

    return write_toy_release(tmp_path_factory.mktemp("releases")).parent


@pytest.fixture
def toy_release(toy_release_folder: Path, settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """The active release of this test is `toy`, also in the programs of its stack."""
    monkeypatch.setenv("SMARTDERMA_RELEASE_DIR", str(toy_release_folder))
    monkeypatch.setenv("SMARTDERMA_RELEASE", "toy")
    settings.MODEL_RELEASE = "toy"
    return "toy"
