"""Values into PDF/UA. The document can fetch nothing: every picture is inside it.

WeasyPrint and Pango are loaded on first use, so that a web process that never makes a report does not pay for them.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.template.loader import render_to_string
from django.utils import translation

from reports.right_to_left import lay_out_lines_once

if TYPE_CHECKING:
    from weasyprint import CSS, Document
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher

VARIANT = "pdf/ua-1"
PAGES = 2
# Letters above which normal print rarely fits, measured over twelve states of a case in four languages.
LONG = {"a4": 8500, "letter": 7700}
MARKUP = re.compile(r"<[^>]*>")
# Direction and list marks, by "is it written from right to left?"
SCRIPT = {
    False: {"direction": "ltr", "comma": ", ", "semicolon": "; "},
    True: {"direction": "rtl", "comma": "، ", "semicolon": "؛ "},
}
# Relative addresses lead here, and so to a refusal instead of a picture that is silently left out.
NOWHERE = "outside://report/"
# Pango's font map is not safe to share between threads that lay out text at the same time.
_ONE_AT_A_TIME = threading.Lock()


class OutsideResource(Exception):
    """The document asked for something that is not inside it; nothing was fetched and no PDF was made."""


def render_pdf(context: Mapping[str, Any], language: str) -> bytes:
    """A tagged PDF/UA-1 document in `language` from `reports.context.report_context`.

    What does not fit on two pages is set once more in small print; a very long note may still take a third.
    Raises OutsideResource when the values lead to any address that is not `data:`.
    """
    with _ONE_AT_A_TIME:
        html = _html(context, language)
        document = None if _is_long(html, context["paper"]) else _layout(html)
        if document is None or len(document.pages) > PAGES:
            document = _layout(_html({**context, "compact": True}, language))
        return document.write_pdf(pdf_variant=VARIANT)


def _html(context: Mapping[str, Any], language: str) -> str:
    with translation.override(language):
        values = {**context, **SCRIPT[translation.get_language_bidi()], "language": language}
        return render_to_string("reports/report_pdf.html", values)


def _is_long(html: str, paper: str) -> bool:
    """Too long for two pages in normal print: to lay it out first only to see that costs as much as the report."""
    return len(" ".join(MARKUP.sub("", html).split())) > LONG[paper]


def _layout(html: str) -> Document:
    from weasyprint import HTML
    from weasyprint.urls import FatalURLFetchingError

    lay_out_lines_once()
    page = HTML(string=html, url_fetcher=_fetcher(), base_url=NOWHERE)
    try:
        return page.render(font_config=_fonts(), stylesheets=[_styles()], pdf_variant=VARIANT)
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
