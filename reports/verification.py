"""The public check of a report: is it ours, is it unchanged, does it still stand? No health data, no person."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from django.utils.translation import get_language_info
from django.utils.translation import gettext as _

from diagnosis import access
from reports.context import grouped
from reports.models import CODE_ALPHABET, CODE_LENGTH, Report, SigningCertificate
from reports.signing import Seal, seal_of

MAX_FILE_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True)
class Verdict:
    """What an uploaded file is, in words; `good` when it is what its report says."""

    good: bool
    title: str
    text: str


def read_code(text: str) -> str:
    """A code as people type it: small letters, spaces and hyphens do not matter. "" when it cannot be one."""
    code = "".join(letter for letter in text.upper() if letter not in " -\t")
    return code if len(code) == CODE_LENGTH and set(code) <= set(CODE_ALPHABET) else ""


def report_summary(report: Report) -> dict[str, Any]:
    """What anybody may know of a report who holds it."""
    return {
        "code": grouped(report.code) if report.code else "",
        "standing": report.standing,
        "standing_label": report.get_standing_display(),
        "replaced": _is_replaced(report),
        "version": report.version,
        "sandbox": report.case.sandbox,
        "made_at": report.created_at,
        "language": get_language_info(report.language)["name_translated"],
        "sha256": report.sha256,
        "certificate": report.certificate_id,
    }


def file_check(*, data: bytes, expected: Report | None) -> tuple[Report | None, Verdict]:
    """The stored report that a file is, if any, and what to say of the file.

    `expected` is the report whose code was given; None: any report of this installation will do.
    """
    found = access.report_to_verify(sha256=hashlib.sha256(data).hexdigest())
    if found is None:
        return expected, _verdict_on_stranger(seal_of(data, our_certificates()))
    if expected is not None and expected.sha256 != found.sha256:
        return expected, Verdict(
            False,
            _("This file is another report"),
            _("It comes from this service and is unchanged, but it is not the report of this code."),
        )
    return found, _verdict_on_ours(found)


def our_certificates() -> set[str]:
    """Fingerprints of all certificates that this installation has ever signed with."""
    return set(SigningCertificate.objects.values_list("sha256", flat=True))


def _verdict_on_ours(report: Report) -> Verdict:
    title = _("This file is genuine and unchanged")
    if report.certificate_id is None:
        text = _("It is the very file that we stored. It was made before we signed reports, so it has no signature.")
    else:
        text = _("It is the very file that this service made and signed. Not one letter differs.")
    return Verdict(True, title, text)


def _verdict_on_stranger(seal: Seal) -> Verdict:
    if seal is Seal.INTACT:
        return Verdict(
            False,
            _("This file is genuine, but we no longer keep it"),
            _("This service signed it and it is unchanged. Its report was deleted here, so it may be out of date."),
        )
    if seal is Seal.CHANGED:
        text = _("This service signed a file, but this one differs from it. Do not rely on what it says.")
        return Verdict(False, _("This file was changed"), text)
    return Verdict(
        False,
        _("This file is not from this service"),
        _("We did not make this file, or it was changed so much that our signature is gone. Do not rely on it."),
    )


def _is_replaced(report: Report) -> bool:
    """Has a dermatologist signed, or signed again, or have photos been checked, after this report was made?"""
    last = report.case.latest_review
    if last is not None and last.version > report.version:
        return True
    return report.case.analyses.filter(finished_at__gt=report.created_at).exists()
