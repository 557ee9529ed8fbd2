"""Values into PDF/UA. The document can fetch nothing: every picture is inside it.

WeasyPrint and Pango are loaded on first use, so that a web process that never makes a report does not pay for them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.template.loader import render_to_string
from django.utils import translation

if TYPE_CHECKING:
    from weasyprint import CSS
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher

VARIANT = "pdf/ua-1"
# Relative addresses lead here, and so to a refusal instead of a picture that is silently left out.
NOWHERE = "outside://report/"
# Pango's font map is not safe to share between threads that lay out text at the same time.
_ONE_AT_A_TIME = threading.Lock()


class OutsideResource(Exception):
    """The document asked for something that is not inside it; nothing was fetched and no PDF was made."""


def render_pdf(context: Mapping[str, Any], language: str) -> bytes:
    """A tagged PDF/UA-1 document in `language` from `reports.context.report_context`.

    Raises OutsideResource when the values lead to any address that is not `data:`.
    """
    with translation.override(language):
        direction = "rtl" if translation.get_language_bidi() else "ltr"
        html = render_to_string("reports/report_pdf.html", {**context, "language": language, "direction": direction})
    with _ONE_AT_A_TIME:
        return _write(html)


def _write(html: str) -> bytes:
    from weasyprint import HTML
    from weasyprint.urls import FatalURLFetchingError

    document = HTML(string=html, url_fetcher=_fetcher(), base_url=NOWHERE)
    try:
        return document.write_pdf(font_config=_fonts(), stylesheets=[_styles()], pdf_variant=VARIANT)
    except FatalURLFetchingError as error:  # a BaseException, which no caller would expect
        raise OutsideResource("The report asked for a file from outside and was not made.") from error


def _fetcher() -> URLFetcher:
    from weasyprint.urls import URLFetcher

    return URLFetcher(allowed_protocols={"data"}, allow_redirects=False, fail_on_errors=True)


@lru_cache(maxsize=1)
def _fonts() -> FontConfiguration:
    """Reading the fonts of the machine takes longer than a page: once per process."""
    from weasyprint.text.fonts import FontConfiguration

    return FontConfiguration()


@lru_cache(maxsize=1)
def _styles() -> CSS:
    from weasyprint import CSS

    return CSS(string=render_to_string("reports/report.css"), font_config=_fonts(), url_fetcher=_fetcher())
