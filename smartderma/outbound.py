"""Requests to addresses that strangers chose: public addresses only, one deadline, no redirects, no body read.

The host name is resolved once, every address is checked, and the connection goes to a checked address while TLS still
verifies the name: a name server that changes its answer gains nothing. httpcore follows no redirect and knows no proxy.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx
from django.conf import settings

SECONDS = 15.0
MOST_ADDRESSES = 3
# Reachable from a server, never a partner's receiver; what `ipaddress` calls global although it leads elsewhere.
MISLEADING = [ipaddress.ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16")]
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")  # outside of it: mapped, NAT64, local, multicast


class AddressRefused(Exception):
    """The receiver's name leads to an address that is not public."""


@dataclass(frozen=True)
class Answer:
    """What came of a try: a status, or the code of an error."""

    status: int | None = None
    error: str = ""
    milliseconds: int = 0

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        return self.status == 410


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """One POST. Every way to fail is an answer with the code of an error."""
    begin = time.monotonic()
    status, error = None, ""
    try:
        status = _status(url, body, headers)
    except AddressRefused:
        error = "address_refused"
    except socket.gaierror:
        error = "name_not_found"
    except httpcore.TimeoutException:
        error = "timeout"
    except httpcore.ConnectError as failed:
        error = "certificate_refused" if isinstance(failed.args[0], ssl.SSLError) else "connection_failed"
    except (httpcore.NetworkError, httpcore.ProtocolError, httpx.InvalidURL, UnicodeError):
        error = "bad_answer"
    return Answer(status=status, error=error, milliseconds=int((time.monotonic() - begin) * 1000))


def _status(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    target = httpx.URL(url)
    pool = httpcore.ConnectionPool(
        ssl_context=httpx.create_ssl_context(), network_backend=PinningBackend(time.monotonic() + SECONDS)
    )
    with (
        pool,
        pool.stream(
            "POST",
            httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path),
            headers=[("host", target.netloc), ("content-length", str(len(body))), *headers.items()],
            content=body,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), SECONDS)},
        ) as response,
    ):
        return response.status


def public_addresses(host: str, port: int) -> list[str]:
    """Every address of a name, if all of them are public. Raises AddressRefused, socket.gaierror."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not settings.WEBHOOKS_TO_PRIVATE_ADDRESSES and not all(is_public(address) for address in addresses):
        raise AddressRefused
    return addresses


def is_public(text: str) -> bool:
    """False for private, loopback, link-local, CGNAT, multicast, reserved and translated addresses."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # an address with a zone
        return False
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if address.version == 6 and address not in PUBLIC_IPV6:
        return False
    return not any(address.version == net.version and address in net for net in MISLEADING)


class PinningBackend(httpcore.SyncBackend):
    """Connects to a checked address of the name; TLS gets the name itself from httpcore."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self.deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        error: Exception = httpcore.ConnectError("no address")
        for address in public_addresses(host, port)[:MOST_ADDRESSES]:
            limit = _left(self.deadline, SECONDS / MOST_ADDRESSES)
            try:
                stream = super().connect_tcp(address, port, limit, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
            else:
                return DeadlineStream(stream, self.deadline)
        raise error


class DeadlineStream(httpcore.NetworkStream):
    """A stream whose every step ends at one deadline: a receiver that drips gains no time."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self.stream, self.deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, _left(self.deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, _left(self.deadline, timeout))

    def close(self) -> None:
        self.stream.close()

    def start_tls(self, ssl_context, server_hostname=None, timeout=None) -> httpcore.NetworkStream:
        stream = self.stream.start_tls(ssl_context, server_hostname, _left(self.deadline, timeout))
        return DeadlineStream(stream, self.deadline)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


def _left(deadline: float, timeout: float | None) -> float:
    """Seconds until the deadline. Raises httpcore.ReadTimeout after it."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("too slow")
    return min(left, timeout or left)
