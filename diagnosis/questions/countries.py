"""Every country of ISO 3166-1, named in the reader's language by Unicode CLDR (through Babel)."""

from __future__ import annotations

from functools import lru_cache

from babel import Locale
from django.utils.functional import lazy
from django.utils.translation import get_language

# CLDR also names groups, islands without an ISO code of their own, and test regions.
NOT_ISO = frozenset({"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"})


@lru_cache(maxsize=16)
def _territories(language: str) -> dict[str, str]:
    return dict(Locale.parse(language, sep="-").territories)


def country_codes() -> tuple[str, ...]:
    """The 249 ISO 3166-1 alpha-2 codes and XK (Kosovo), sorted."""
    names = _territories("en")
    return tuple(sorted(code for code in names if len(code) == 2 and code.isalpha() and code not in NOT_ISO))


def country_name(code: str) -> str:
    """The country's name in the active language; English where CLDR has none. Raises KeyError if unknown."""
    language = get_language() or "en"
    return _territories(language).get(code) or _territories("en")[code]


class CountryName:
    """A country's name, looked up each time it is shown."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __str__(self) -> str:
        return country_name(self.code)


_shown_late = lazy(str, str)  # made once: each call of `lazy` makes a class of its own, 40 kB for a country


def lazy_country_name(code: str):
    """``country_name`` as a lazy string for the question table."""
    return _shown_late(CountryName(code))
