"""Reports in every language: the words, the direction and the count of pages."""

import io
import re

import pypdf
import pytest
from django.utils import translation

from diagnosis.presentation import present
from reports.context import report_context
from reports.rendering import render_pdf
from tests.reports import samples

WORDS = {
    "es": ("Acuda a un profesional en menos de 2 semanas", "[a-z]"),
    "hi": ("त्वचा की फ़ोटो की", "[\u0900-\u097f]"),
    "ar": ("راجع الطبيب خلال أسبوعين", "[\u0600-\u06ff]"),
}


@pytest.mark.parametrize("language", WORDS)
def test_a_report_speaks_one_language(language):
    facts = samples.cancer()
    english = present(facts)
    with translation.override(language):
        context = report_context(facts)
    pdf = pypdf.PdfReader(io.BytesIO(render_pdf(context, language)))
    text = " ".join(page.extract_text() for page in pdf.pages)
    words, script = WORDS[language]
    assert words in text
    assert english["tier"]["next_step"] not in text
    assert english["standing_text"] not in text
    assert re.search(script, pdf.metadata.title)
    assert pdf.trailer["/Root"]["/Lang"] == language
    assert pdf.trailer["/Root"]["/ViewerPreferences"]["/DisplayDocTitle"]
    assert len(pdf.pages) == 2
    assert "{page" not in text
