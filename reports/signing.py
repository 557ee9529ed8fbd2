"""Digital signatures of report files: the signing, and the check of any bytes.

The check follows the byte range that the signature names and never unpacks the file, so a hostile upload cannot make it
expand anything. pyHanko is loaded on first use: most web processes never sign.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TYPE_CHECKING

from reports.certificates import Identity

if TYPE_CHECKING:
    from asn1crypto import cms, x509

FIELD = "Signature"
BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s*\]")


class Seal(StrEnum):
    """What the signature of a file says."""

    INTACT = "intact"  # ours, and not one byte differs
    CHANGED = "changed"  # ours, but the file is not the one that was signed
    FOREIGN = "foreign"  # signed with a certificate that is not ours
    MISSING = "missing"  # no signature that can be read


def sign_pdf(pdf: bytes, identity: Identity) -> bytes:
    """Append an invisible PAdES signature that certifies the whole document and allows no change."""
    return _apart(lambda: _sign(pdf, identity))


def seal_of(data: bytes, certificates: set[str]) -> Seal:
    """Check any bytes, PDF or not, against the fingerprints of our certificates."""
    from pyhanko.sign.general import extract_certificate_info

    found = _signature_of(data)
    if found is None:
        return Seal.MISSING
    signed, covered = found
    try:
        certificate = extract_certificate_info(signed).signer_cert
    except ValueError:
        return Seal.MISSING
    if hashlib.sha256(certificate.dump()).hexdigest() not in certificates:
        return Seal.FOREIGN
    return Seal.INTACT if covered is not None and _is_signed(signed, certificate, covered) else Seal.CHANGED


def _signature_of(data: bytes) -> tuple[cms.SignedData, bytes | None] | None:
    """The last signature and the bytes that it covers; None for the bytes where it leaves out more than itself."""
    from asn1crypto import cms

    ranges = BYTE_RANGE.findall(data)
    if not ranges:
        return None
    start, length, second, rest = (int(number) for number in ranges[-1])
    gap = data[start + length : second]
    try:
        content = cms.ContentInfo.load(bytes.fromhex(gap[1:-1].decode("ascii")))
        signed = content["content"]
        signed["signer_infos"], signed["certificates"]  # parsed on demand: read now, while a mistake is expected
    except (ValueError, TypeError, KeyError):
        return None
    # The gap itself is not signed: it must hold the signature in the one way of writing it, and nothing else.
    clean = gap == b"<" + content.dump().hex().upper().encode().ljust(len(gap) - 2, b"0") + b">"
    whole = start == 0 and second + rest == len(data) and clean
    return signed, data[:length] + data[second:] if whole else None


def _is_signed(signed: cms.SignedData, certificate: x509.Certificate, covered: bytes) -> bool:
    from pyhanko.sign.general import extract_signer_info
    from pyhanko.sign.validation.errors import SignatureValidationError
    from pyhanko.sign.validation.generic_cms import validate_sig_integrity

    digest = hashlib.sha256(covered).digest()
    try:
        return all(validate_sig_integrity(extract_signer_info(signed), certificate, "data", digest))
    except (SignatureValidationError, ValueError, TypeError, KeyError):
        return False


def _sign(pdf: bytes, identity: Identity) -> bytes:
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import fields, signers

    metadata = signers.PdfSignatureMetadata(
        field_name=FIELD,
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
        subfilter=fields.SigSeedSubFilter.PADES,
        md_algorithm="sha256",
    )
    # PDF/UA asks that a form field is tagged unless it is hidden.
    hidden = fields.InvisSigSettings(set_print_flag=False, set_hidden_flag=True)
    field = fields.SigFieldSpec(FIELD, invis_sig_settings=hidden, readable_field_name="Signature of this installation")
    signed = io.BytesIO()
    signer = signers.PdfSigner(metadata, signer=identity.signer, new_field_spec=field)
    signer.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)), output=signed)
    return signed.getvalue()


def _apart(work: Callable[[], bytes]) -> bytes:
    """pyHanko runs an event loop of its own, which a thread that already has one would refuse."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(work).result()
