"""Names of groups in the reader's language."""

from __future__ import annotations

from django.utils.translation import gettext as _

SKIN_TYPES = ("I", "II", "III", "IV", "V", "VI")
# Releases count their photos by pairs of skin types.
SKIN_PAIRS = {"I": "I-II", "II": "I-II", "III": "III-IV", "IV": "III-IV", "V": "V-VI", "VI": "V-VI"}


def skin_type(code: str) -> str:
    """A Fitzpatrick type, "" for every answer that is none."""
    return code if code in SKIN_TYPES else ""


def skin_label(code: str) -> str:
    return _("Type %(code)s") % {"code": code} if skin_type(code) else _("Not told")


def skin_order(code: str) -> int:
    return SKIN_TYPES.index(code) if skin_type(code) else len(SKIN_TYPES)
