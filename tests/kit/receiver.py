"""A partner's webhook receiver on this machine: checks signatures with the public library and misbehaves on request."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks.webhooks import Webhook

from tests.finder.servers import Reply, Seen, Service


class Receiver(Service):
    """`secret` is checked at every message; `messages` holds what was accepted. `script` replies come first."""

    def __init__(self, secret: str = "") -> None:
        super().__init__()
        self.secret = secret
        self.messages: list[dict] = []

    def answer(self, seen: Seen) -> Reply:
        self.messages.append(self.verified(seen))
        return Reply(204, b"")

    def verified(self, seen: Seen) -> dict:
        """The message; raises WebhookVerificationError for a wrong signature or an old timestamp."""
        return Webhook(self.secret).verify(seen.body, seen.headers)

    def with_tls(self, folder: Path, name: str) -> Path:
        """Speak TLS with a certificate for `name`; gives the file that a client must trust."""
        certificate = make_certificate(folder, name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        return certificate

    @property
    def port(self) -> int:
        return self.server.server_port


def make_certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate and its key in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
