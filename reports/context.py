"""What stands in a report, as plain values: nothing here is a model, a file or a callable."""

from __future__ import annotations

from typing import Any

import segno
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from diagnosis.facts import CaseFacts
from diagnosis.presentation import present
from ml.taxonomy import TIERS
from reports.pictures import pictures

LETTER_COUNTRIES = {"US", "CA"}
# The likeliest condition gets all its advice, the others what matters for safety: two pages must be enough.
BLOCKS_OF_OTHERS = ("what_it_is", "see_clinician")
PAGE_MARK, PAGES_MARK = "{page}", "{pages}"


def usual_paper(country: str) -> str:
    return "letter" if country in LETTER_COUNTRIES else "a4"


def report_context(facts: CaseFacts, *, paper: str = "", person_name: str = "", code: str = "") -> dict[str, Any]:
    """The template's values in the active language; photos, overlays and the QR code are data: URIs.

    `paper` defaults to that of the country; `code` is that of the public check, "" for a report that nobody stores.
    Raises `ml.photo.PhotoError` when a stored photo is damaged.
    """
    shown = present(facts)
    photos = _photos(shown["photos"], facts)
    return {
        **shown,
        "pseudonym": facts.pseudonym,
        "title": _title(facts.reference),
        "person_name": person_name,
        "paper": paper or usual_paper(facts.country),
        "check": _check(code),
        "made_at": timezone.now(),
        "footer": _footer(),
        "scale": [rank <= shown["tier"]["rank"] for rank in range(len(TIERS))],
        "photos": photos,
        "has_heatmap": any(photo["overlay"] for photo in photos),
        "advice": [_advice(item, index) for index, item in enumerate(shown["advice"])],
    }


def _title(reference: str) -> str:
    return _("Skin photo report %(reference)s") % {"reference": reference} if reference else _("Skin photo report")


def _check(code: str) -> dict[str, str] | None:
    """Where others can check the report; 5 letters at a time can be read out."""
    if not code:
        return None
    address = settings.SITE_URL.rstrip("/") + reverse("report_verify", args=[code])
    return {"address": address, "code": grouped(code), "qr": segno.make(address, error="m").svg_data_uri(border=2)}


def grouped(code: str) -> str:
    return "-".join(code[start : start + 5] for start in range(0, len(code), 5))


def _footer() -> dict[str, str]:
    """The page count in pieces, because the numbers are known only when the pages are laid out."""
    text = _("Page %(page)s of %(pages)s") % {"page": PAGE_MARK, "pages": PAGES_MARK}
    before, _mark, rest = text.partition(PAGE_MARK)
    between, _mark, after = rest.partition(PAGES_MARK)
    return {"before": before, "between": between, "after": after}


def _photos(shown: list[dict[str, Any]], facts: CaseFacts) -> list[dict[str, Any]]:
    drawn = pictures(list(facts.photos))
    return [
        {
            **{key: value for key, value in photo.items() if key != "facts"},
            "photo": drawn[photo["number"]].photo,
            "overlay": drawn[photo["number"]].overlay,
        }
        for photo in shown
    ]


def _advice(item: dict[str, Any], index: int) -> dict[str, Any]:
    blocks = [block for block in item["blocks"] if index == 0 or block["key"] in BLOCKS_OF_OTHERS]
    return {**item, "blocks": blocks}
