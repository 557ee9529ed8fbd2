"""The certificate that report files are signed with: the one of the settings, in development a self-made one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID
from django.conf import settings

if TYPE_CHECKING:
    from pyhanko.sign.signers import SimpleSigner

SELF_MADE_NAME = "Smart Derma reports (self-made certificate)"
SELF_MADE_LIFE = timedelta(days=3650)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class CertificateProblem(Exception):
    """The certificate or key of the settings cannot sign; the message is one sentence for the operator."""


@dataclass(frozen=True)
class Identity:
    """What this installation signs with: its certificate (PEM, and the SHA-256 of its DER bytes as hex)."""

    pem: str
    sha256: str
    signer: SimpleSigner


def signing_identity() -> Identity:
    """The certificate of the settings, in development one made at first use. Raises CertificateProblem."""
    if settings.REPORT_SIGNING_SELF_MADE:
        text = _self_made(settings.VAR_DIR / "signing" / "self-made.pem")
        return _identity(text, text, "")
    return _identity(
        settings.REPORT_SIGNING_CERTIFICATE, settings.REPORT_SIGNING_KEY, settings.REPORT_SIGNING_KEY_PASSWORD
    )


def check_settings() -> None:
    """Raises CertificateProblem where the certificate and key of the settings cannot sign; loads no PDF library."""
    _read(settings.REPORT_SIGNING_CERTIFICATE, settings.REPORT_SIGNING_KEY, settings.REPORT_SIGNING_KEY_PASSWORD)


@lru_cache(maxsize=4)
def _identity(certificate: str, key: str, password: str) -> Identity:
    """Read and check a certificate chain and its key, both PEM; the first certificate is the signer's."""
    from asn1crypto import keys as asn1_keys
    from asn1crypto import x509 as asn1_x509
    from pyhanko.sign.signers import SimpleSigner
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    chain, private = _read(certificate, key, password)
    first, *others = (asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in chain)
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = SimpleSigner(
        signing_cert=first,
        signing_key=asn1_keys.PrivateKeyInfo.load(der),
        cert_registry=SimpleCertificateStore.from_certs(others),
    )
    pem = chain[0].public_bytes(Encoding.PEM).decode()
    return Identity(pem=pem, sha256=hashlib.sha256(first.dump()).hexdigest(), signer=signer)


def _read(certificate: str, key: str, password: str) -> tuple[list[x509.Certificate], Key]:
    try:
        chain = x509.load_pem_x509_certificates(certificate.encode())
        private = load_pem_private_key(key.encode(), password.encode() or None)
    except (ValueError, TypeError) as error:
        raise CertificateProblem(
            "REPORT_SIGNING_CERTIFICATE and REPORT_SIGNING_KEY must hold a certificate and its private key in PEM form "
            "(REPORT_SIGNING_KEY_PASSWORD for an encrypted key)."
        ) from error
    if not isinstance(private, Key):
        raise CertificateProblem("REPORT_SIGNING_KEY must be an RSA or an elliptic-curve key.")
    _refuse_unfit(chain[0], private)
    return chain, private


def _refuse_unfit(certificate: x509.Certificate, key: Key) -> None:
    if certificate.public_key() != key.public_key():
        raise CertificateProblem("REPORT_SIGNING_KEY does not belong to REPORT_SIGNING_CERTIFICATE.")
    if certificate.not_valid_after_utc < datetime.now(UTC):
        raise CertificateProblem("REPORT_SIGNING_CERTIFICATE has expired: reports cannot be signed.")


def _self_made(path: Path) -> str:
    """Key and certificate of a development installation, made once; of several processes the first one wins."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # 0600 by itself
            file.write(make_certificate())
            file.flush()
            with contextlib.suppress(FileExistsError):  # another process was faster
                os.link(file.name, path)
    return path.read_text(encoding="ascii")


def make_certificate(*, name: str = SELF_MADE_NAME, life: timedelta = SELF_MADE_LIFE) -> str:
    """A new P-256 key and a certificate signed with it, as one PEM text."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only"), False
    )
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), now, now + life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, content_commitment=True, decipher_only=False, **usage), critical=True
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (private + certificate.public_bytes(Encoding.PEM)).decode("ascii")
