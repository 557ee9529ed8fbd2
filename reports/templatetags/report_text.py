"""What people wrote, on a page of another language."""

from __future__ import annotations

import unicodedata

from django import template

register = template.Library()

DIRECTIONS = {"L": "ltr", "R": "rtl", "AL": "rtl"}


@register.filter
def direction(text: str) -> str:
    """``ltr`` or ``rtl`` by the first letter that has a direction (Unicode UAX #9, P2); "" without one. WeasyPrint
    does not know ``dir="auto"``: a full stop would stand at the wrong end of a foreign line."""
    kinds = (unicodedata.bidirectional(character) for character in text)
    return next((DIRECTIONS[kind] for kind in kinds if kind in DIRECTIONS), "")
