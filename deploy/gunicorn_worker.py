"""gunicorn's threaded worker, plus: whoever sends a request more slowly than any phone loses the connection.

A thread that reads from such a client is lost to everybody else (slow-loris). gunicorn 27 waits without a thread for
the first byte only; here every further byte of a request has a deadline too.
"""

import os
import socket
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

# A request may take this long in any case; a longer one must arrive at the rate of a bad mobile connection.
GRACE_SECONDS = float(os.environ.get("REQUEST_GRACE_SECONDS", "20"))
BYTES_PER_SECOND = 8 * 1024
# So much of a body that a refusal left unread is still read, for at most so long. gunicorn stops at 64 KB.
DRAIN_BYTES, DRAIN_SECONDS = 32 * 1024 * 1024, 5.0


class PacedSocket:
    """A socket whose `recv` raises TimeoutError when a request falls behind the slowest pace; the rest passes on."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.restart()

    def restart(self) -> None:
        """A new request begins."""
        self._started, self._received = time.monotonic(), 0

    def recv(self, size: int, *flags: int) -> bytes:
        """At most `size` bytes. Raises TimeoutError."""
        left = GRACE_SECONDS + self._received / BYTES_PER_SECOND - (time.monotonic() - self._started)
        if left <= 0:
            raise TimeoutError("The request came too slowly.")
        before = self._sock.gettimeout()
        self._sock.settimeout(left if before is None else min(left, before))
        try:
            data = self._sock.recv(size, *flags)
        finally:
            self._sock.settimeout(before)
        self._received += len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class PacedWorker(ThreadWorker):
    """Threads, with a pace for each request."""

    def handle(self, conn: Any) -> Any:
        """Runs in a thread of the pool, once for each request of a connection."""
        if not isinstance(conn.sock, PacedSocket):
            conn.sock = PacedSocket(conn.sock)
        conn.sock.restart()
        return super().handle(conn)

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:
        """True when the connection goes on. A photo that was refused unread must not cost the client its next request.

        The answer has said already that the connection stays.
        """
        return keepalive and bool(conn.parser.finish_body(time.monotonic() + DRAIN_SECONDS, DRAIN_BYTES))
