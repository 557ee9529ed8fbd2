"""Signatures: pyHanko itself finds them valid, any changed byte shows, and PDF/UA survives."""

import io
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pypdf
import pytest
from asn1crypto import pem, x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from reports.certificates import CertificateProblem, _self_made, check_settings, make_certificate, signing_identity
from reports.context import report_context
from reports.rendering import render_pdf
from reports.signing import Seal, seal_of, sign_pdf
from tests.reports import samples


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> bytes:
    from django.conf import settings

    samples.write_release(folder := tmp_path_factory.mktemp("releases"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMARTDERMA_RELEASE_DIR", str(folder))
        patch.setattr(settings, "MODEL_RELEASE", samples.RELEASE)
        return render_pdf(report_context(samples.assessed()), "en")


@pytest.fixture(scope="module")
def signed(plain) -> bytes:
    return sign_pdf(plain, signing_identity())


def ours() -> set[str]:
    return {signing_identity().sha256}


def test_the_validator_of_pyhanko_agrees(signed):
    (signature,) = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    _name, _headers, der = pem.unarmor(signing_identity().pem.encode())
    context = ValidationContext(trust_roots=[x509.Certificate.load(der)], allow_fetching=False)
    status = validate_pdf_signature(signature, signer_validation_context=context)
    assert (status.intact, status.valid, status.trusted) == (True, True, True)
    assert status.coverage.name == "ENTIRE_FILE"
    assert signature.docmdp_level.name == "NO_CHANGES"
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert "/Reason" not in signature.sig_object


def test_ours_and_intact(signed, plain):
    assert seal_of(signed, ours()) is Seal.INTACT
    assert seal_of(plain, ours()) is Seal.MISSING
    assert seal_of(signed, set()) is Seal.FOREIGN


@pytest.mark.parametrize("place", [0.02, 0.3, 0.5, 0.7, 0.9])
def test_one_flipped_bit_shows(signed, place):
    at = int(len(signed) * place)
    assert seal_of(signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :], ours()) is Seal.CHANGED


def test_what_is_added_or_cut_shows(signed):
    assert seal_of(signed + b"\n", ours()) is Seal.CHANGED
    assert seal_of(signed[:-1], ours()) is Seal.CHANGED
    assert seal_of(b"\n" + signed, ours()) is not Seal.INTACT


def test_the_gap_that_is_not_signed_holds_nothing_else(signed):
    """Small letters and a note in the padding would be the same signature in another file."""
    start = signed.rindex(b"/Contents <") + len(b"/Contents <")
    end = signed.index(b">", start)
    small = signed[:start] + signed[start:end].lower() + signed[end:]
    padded = signed[: end - 4] + b"face" + signed[end:]
    assert signed[end - 4 : end] == b"0000"
    assert seal_of(small, ours()) is seal_of(padded, ours()) is Seal.CHANGED


def test_a_signature_cannot_be_moved_to_another_file(signed, plain):
    other = plain.replace(b"%PDF-1.7", b"%PDF-1.6")
    assert seal_of(other + signed[len(plain) :], ours()) is Seal.CHANGED


@given(st.data())
def test_a_broken_signature_is_never_intact_and_never_an_error(signed, data):
    """Up to 40 wrong bytes anywhere in the part that signing added, where all structure of the signature is."""
    broken = bytearray(signed)
    places = data.draw(st.lists(st.integers(len(signed) - 20000, len(signed) - 1), min_size=1, max_size=40))
    for place in places:
        broken[place] ^= data.draw(st.integers(1, 255))
    if bytes(broken) != signed:
        assert seal_of(bytes(broken), ours()) in {Seal.CHANGED, Seal.FOREIGN, Seal.MISSING}


@given(st.binary(max_size=200))
def test_any_bytes_have_an_answer(noise):
    numbers = b"/ByteRange [0 1 9999999999 5]"
    for data in (noise, numbers + noise, b"/ByteRange [0 0 0 0]" + noise, b"<" + noise + b">/ByteRange[0 0 200 1]"):
        assert seal_of(data, ours()) is Seal.MISSING


def test_signing_keeps_pdf_ua(plain, signed):
    before, after = pypdf.PdfReader(io.BytesIO(plain)), pypdf.PdfReader(io.BytesIO(signed))
    for one in (before, after):
        catalog = one.trailer["/Root"]
        assert b'pdfuaid:part="1"' in catalog["/Metadata"].get_data()
        assert catalog["/MarkInfo"]["/Marked"]
        assert catalog["/Lang"] == "en"
    assert [page.extract_text() for page in before.pages] == [page.extract_text() for page in after.pages]
    (widget,) = [note for page in after.pages for note in map(get, page["/Annots"]) if note["/Subtype"] == "/Widget"]
    hidden = 2  # ISO 14289-1, 7.18.1: an annotation is tagged unless it is hidden
    assert widget["/F"] & hidden
    assert widget["/TU"]
    assert all(page["/Tabs"] == "/S" for page in after.pages if "/Annots" in page)


def get(reference) -> dict:
    return reference.get_object()


def test_signing_needs_no_thread_without_a_loop(plain):
    """A thread that runs an event loop, as a browser test does, can sign too."""
    import asyncio

    async def sign() -> bytes:
        return sign_pdf(plain, signing_identity())

    assert seal_of(asyncio.run(sign()), ours()) is Seal.INTACT


def test_the_self_made_key_is_made_once_and_is_private(tmp_path):
    path = tmp_path / "signing" / "key.pem"
    with ThreadPoolExecutor(8) as pool:
        texts = set(pool.map(lambda _n: _self_made(path), range(8)))
    assert len(texts) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["key.pem"]


def rsa_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("certificate", "key", "sentence"),
    [
        ("", "", "must hold a certificate"),
        ("nonsense", "nonsense", "must hold a certificate"),
        (make_certificate(), rsa_key(), "does not belong"),
        (make_certificate(), make_certificate(), "does not belong"),
        (old := make_certificate(life=timedelta(seconds=-1)), old, "has expired"),
    ],
    ids=["none", "nonsense", "another kind of key", "another key", "expired"],
)
def test_what_cannot_sign_is_refused_with_a_sentence(settings, certificate, key, sentence):
    settings.REPORT_SIGNING_CERTIFICATE, settings.REPORT_SIGNING_KEY = certificate, key
    settings.REPORT_SIGNING_SELF_MADE = False
    for attempt in (check_settings, signing_identity):
        with pytest.raises(CertificateProblem, match=sentence):
            attempt()


def test_a_certificate_of_the_settings_signs(settings, plain):
    text = make_certificate(name="Clinic of the test")
    settings.REPORT_SIGNING_CERTIFICATE = settings.REPORT_SIGNING_KEY = text
    settings.REPORT_SIGNING_SELF_MADE = False
    check_settings()
    identity = signing_identity()
    assert "PRIVATE" not in identity.pem
    assert seal_of(sign_pdf(plain, identity), {identity.sha256}) is Seal.INTACT
