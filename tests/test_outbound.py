"""Requests to addresses that strangers chose: nothing private is reached, whatever a name server says."""

from __future__ import annotations

import socket
import threading

import pytest

from smartderma import outbound
from tests.finder.servers import Reply
from tests.kit.receiver import Receiver, make_certificate

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1", "::1", "::", "fe80::1",
    "fe80::1%eth0", "fd00::1", "fec0::1", "ff0e::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8",
    "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::", "2001:db8::1", "nonsense",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_not_public(address):
    assert not outbound.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"])
def test_public(address):
    assert outbound.is_public(address)


@pytest.fixture
def name_server(monkeypatch):
    """What the system's resolver answers, one list of addresses per question; counts the questions."""
    answers: list[list[str]] = []
    asked: list[str] = []
    real = socket.getaddrinfo

    def answer(host, port, *args, **options):
        if host.replace(".", "").isdigit():
            return real(host, port, *args, **options)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return answers, asked


@pytest.mark.parametrize("found", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:127.0.0.1"]], ids=str)
def test_a_name_that_leads_inside_is_refused_before_any_connection(found, name_server):
    answers, _asked = name_server
    answers.append(found)
    assert outbound.post("https://hook.example.org/", b"{}", {}).error == "address_refused"


def test_the_checked_address_is_the_one_that_is_used(name_server, settings):
    """A name server that says 'public' first and 'loopback' later is asked only once."""
    answers, asked = name_server
    with Receiver() as receiver:
        answers += [["203.0.113.7"], ["127.0.0.1"]]
        answer = outbound.post(f"http://hook.example.org:{receiver.port}/", b"{}", {})
    assert answer.error == "address_refused"  # 203.0.113.0/24 is documentation, not public either
    assert asked == ["hook.example.org"]
    assert receiver.seen == []


def test_no_such_name():
    assert outbound.post("https://no-such-name.invalid/", b"{}", {}).error == "name_not_found"


@pytest.mark.parametrize(
    ("certificate", "error"), [("hook.example.org", ""), ("other.example.org", "certificate_refused")]
)
def test_tls_checks_the_name_although_the_address_is_pinned(
    certificate, error, name_server, settings, monkeypatch, tmp_path
):
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    answers, _asked = name_server
    answers.append(["127.0.0.1"])
    receiver = Receiver()
    receiver.script.append(Reply(200))
    monkeypatch.setenv("SSL_CERT_FILE", str(receiver.with_tls(tmp_path, certificate)))
    with receiver:
        answer = outbound.post(f"https://hook.example.org:{receiver.port}/", b"{}", {})
    assert (answer.error, answer.is_success) == (error, not error)
    if not error:
        assert receiver.seen[0].headers["host"] == f"hook.example.org:{receiver.port}"


def test_a_certificate_of_nobody_known_is_refused(name_server, settings, monkeypatch, tmp_path):
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    name_server[0].append(["127.0.0.1"])
    monkeypatch.setenv("SSL_CERT_FILE", str(make_certificate(tmp_path, "someone.example.org")))
    receiver = Receiver()
    folder = tmp_path / "server"
    folder.mkdir()
    receiver.with_tls(folder, "hook.example.org")
    with receiver:
        answer = outbound.post(f"https://hook.example.org:{receiver.port}/", b"{}", {})
    assert answer.error == "certificate_refused"


def test_a_receiver_that_drips_its_headers_gains_no_time(settings, monkeypatch):
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    monkeypatch.setattr(outbound, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _address = server.accept()
            with connection:
                try:
                    for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100:
                        connection.sendall(bytes([byte]))
                        threading.Event().wait(0.1)
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        answer = outbound.post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {})
        thread.join()
    assert answer.error == "timeout"
    assert answer.milliseconds < 900
