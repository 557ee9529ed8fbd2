"""PDFs read back: text, tags, metadata, pages, and nothing from outside."""

import io
import re
import subprocess
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pypdf
import pytest
from django.utils import translation
from PIL import Image

from diagnosis.facts import CaseFacts
from reports import rendering
from reports.context import report_context
from reports.rendering import OutsideResource, render_pdf
from tests.reports import samples

STATES = {
    "assessed": samples.assessed(),
    "cancer": samples.cancer(),
    "five photos": samples.assessed(photos=[samples.photo(number) for number in range(1, 6)]),
    "cancer, five photos": samples.cancer(photos=[samples.photo(number) for number in range(1, 6)]),
    "inconclusive": samples.inconclusive(),
    "emergency": samples.emergency(),
    "in review": samples.emergency(review_requested_at=samples.WHEN, review_due_at=samples.WHEN + timedelta(days=3)),
    "failed": samples.failed(),
    "waiting": samples.waiting(),
    "final": samples.signed(),
    "amended": samples.signed(samples.cancer(), version=2),
    "failed, then signed": samples.signed(samples.failed()),
}


@cache
def pdf_of(state: str, country: str = "GB") -> bytes:
    """Each state is rendered once for all tests."""
    return render_pdf(report_context(replace(STATES[state], country=country)), "en")


def reader(facts: str | CaseFacts, country: str = "GB") -> pypdf.PdfReader:
    """`facts`: the name of a state, or facts of a test's own."""
    pdf = pdf_of(facts, country) if isinstance(facts, str) else render_pdf(report_context(facts), "en")
    return pypdf.PdfReader(io.BytesIO(pdf))


def text_of(facts: str | CaseFacts) -> str:
    """All text without spaces, and without footers and bullets, which may stand in the middle of a sentence."""
    text = flat(" ".join(page.extract_text() for page in reader(facts).pages))
    return re.sub(r"SkinphotoreportC-1A2B3C4D·P-7K3MQ2XA|Page\dof\d|•", "", text)


def flat(text: str) -> str:
    """Text without spaces and hyphenation, so that line breaks do not matter."""
    return re.sub(r"\s+", "", text)


def said(facts) -> list[str]:
    """Every sentence that the report owes its reader."""
    context = report_context(facts)
    texts = [context["standing_text"], context["tier"]["label"], context["tier"]["next_step"]]
    texts += [*context["safety_net"], *context["cannot_recognise"], *context["limits"], *context["tested_on"]]
    texts += [text for item in context["differential"] for text in (item["label"], item["likelihood_text"])]
    texts += [block["text"] for item in context["advice"] for block in item["blocks"]]
    texts += [text for pair in context["answers"] for text in pair]
    texts += [context["release"]["accuracy_text"]]
    texts += context["reasons"] + context["retake"] + [photo["focus_text"] for photo in context["photos"]]
    return [text for text in texts if text]


@pytest.mark.parametrize("name", STATES)
def test_nothing_is_lost_between_values_and_paper(name):
    printed = text_of(name)
    assert [text for text in said(STATES[name]) if flat(text) not in printed] == []


@pytest.mark.parametrize("country", ["GB", "US"])
@pytest.mark.parametrize("name", STATES)
def test_two_pages(name, country):
    pages = reader(name, country).pages
    assert len(pages) == 2
    size = {"GB": (595, 842), "US": (612, 792)}[country]
    assert (round(pages[0].mediabox.width), round(pages[0].mediabox.height)) == size
    for number, page in enumerate(pages, start=1):
        assert f"Page{number}of2" in flat(page.extract_text())
        assert "C-1A2B3C4D" in page.extract_text()


def test_a_very_long_note_takes_more_pages_but_loses_nothing():
    note = "\n\n".join(f"Paragraph {number}: look at it every day and write it down." * 4 for number in range(16))
    facts = samples.signed(samples.cancer(), note=note[:4000])
    printed = text_of(facts)
    assert all(flat(line) in printed for line in note[:4000].splitlines())
    assert [text for text in said(facts) if flat(text) not in printed] == []


def test_the_first_page_starts_with_who_checked_it_then_urgency_then_likelihood():
    text = reader("assessed").pages[0].extract_text()
    order = ["Skin photo report", "C-1A2B3C4D", "AI draft, not checked", "See a clinician", "What it may be", "Eczema"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_a_cancer_over_the_threshold_is_named_even_below_the_top_three():
    text = text_of("cancer")
    assert "MelanomaICD-10C43.9" in text
    assert "12%" in text


def test_an_emergency_shows_the_number_of_the_country():
    assert "Call999now" in text_of("emergency")
    assert "Call112now" in text_of(samples.emergency(country="IN"))


def test_an_emergency_offers_no_review_to_wait_for():
    assert "Youcanaskadermatologist" not in text_of("emergency")
    assert "Youcanaskadermatologist" in text_of("cancer")
    assert "byNov.23,2026" in text_of("in review")


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("inconclusive", "We cannot judge these photos"),
        ("failed", "The check by the computer failed"),
        ("waiting", "The photos are not checked yet"),
    ],
)
def test_what_could_not_be_judged_says_so_and_names_no_condition(state, sentence):
    text = text_of(state)
    assert flat(sentence) in text
    assert not any(name in text for name in ("Eczema", "Psoriasis", "Tinea", "ICD-10", "benign"))


def test_a_signed_report_names_the_dermatologist_and_the_opinion():
    text = text_of("final")
    assert "Final" in text or "FINAL" in text
    assert flat("Signed by Dr Ada Example, registration GB 1234567, on Nov. 21, 2026, 14:05 UTC (version 1)") in text
    assert flat("Keep the skin moist") in text
    assert "AIdraft" not in text


def test_a_signed_report_advises_on_what_was_signed_only():
    advice = report_context(STATES["final"])["advice"]
    assert [item["slug"] for item in advice] == ["psoriasis"]
    assert report_context(samples.signed(diagnosis="other", diagnosis_text="Lichen planus"))["advice"] == []


def test_an_amended_report_says_why():
    text = text_of("amended")
    assert flat("Why it was changed: New photos from the clinic.") in text
    assert "version2" in text


def test_a_signed_report_tells_what_the_computer_had_said():
    facts = samples.signed(samples.cancer(), tier="self_care")
    text = text_of(facts)
    assert flat("You can look after this at home") in text
    assert flat("The photo shows signs that should be checked") in text
    assert flat("The computer's own result was: See a clinician within 2 weeks") in text


def test_model_release_and_hash():
    text = text_of("assessed")
    assert "Releasesample." in text
    assert samples.WEIGHTS in text


def test_metadata_and_accessibility():
    pdf = reader("assessed")
    catalog = pdf.trailer["/Root"]
    assert pdf.metadata is not None
    assert pdf.metadata.title == "Skin photo report C-1A2B3C4D"
    assert catalog["/Lang"] == "en"
    assert catalog["/MarkInfo"]["/Marked"]
    assert catalog["/ViewerPreferences"]["/DisplayDocTitle"]
    assert b'pdfuaid:part="1"' in catalog["/Metadata"].get_data()


def walk(element: Any):
    """Every structure element below one."""
    element = element.get_object() if hasattr(element, "get_object") else element
    if isinstance(element, list):
        for child in element:
            yield from walk(child)
    elif isinstance(element, dict) and "/S" in element:
        yield element
        yield from walk(element.get("/K", []))


def test_tags_headings_lists_and_pictures():
    root = reader("cancer").trailer["/Root"]["/StructTreeRoot"]["/K"]
    elements = list(walk(root))
    tags = [element["/S"] for element in elements]
    assert tags.count("/H1") == 1
    assert tags.index("/H1") < tags.index("/H2") < tags.index("/H3")
    assert {"/L", "/LI", "/P", "/Caption"} <= set(tags)
    figures = [element["/Alt"] for element in elements if element["/S"] == "/Figure"]
    assert figures[:2] == [
        "Photo 1 as it was sent",
        "Photo 1 with a heat map. The computer looked mostly at the middle of this photo.",
    ]
    assert len(figures) == 6


@pytest.mark.parametrize(
    "address",
    ["file:///etc/hostname", "http://127.0.0.1:9/x.png", "https://example.org/x.png", "ftp://example.org/x", "x.png"],
)
def test_nothing_is_fetched_from_outside(address):
    context = report_context(samples.assessed())
    context["photos"][0]["photo"] = address
    with pytest.raises(OutsideResource):
        render_pdf(context, "en")


def test_hostile_text_stays_text():
    hostile = '</p><img src="file:///etc/hostname"><script>alert(1)</script><style>*{display:none}</style>{{ 7|add:1 }}'
    facts = samples.signed(note=hostile, name=hostile, diagnosis_text=hostile, licence="<b>1</b>")
    text = text_of(replace(facts, pseudonym="<i>P</i>", reference='C-1"><svg onload=x>'))
    assert flat(hostile) in text
    assert "<b>1</b>" in text
    assert "<i>P</i>" in text
    assert flat('C-1"><svg onload=x>') in text
    assert flat("Answers given") in text


def test_right_to_left_languages_turn_the_page_round():
    with translation.override("ar"):
        context = report_context(samples.assessed())
    context["standing_text"] = "مسودة من الحاسوب"
    pdf = pypdf.PdfReader(io.BytesIO(render_pdf(context, "ar")))
    assert pdf.trailer["/Root"]["/Lang"] == "ar"
    starts: list[float] = []
    pdf.pages[0].extract_text(
        visitor_text=lambda text, _cm, tm, _font, _size: starts.append(tm[4]) if "Smart Derma" in text else None
    )
    assert starts
    assert starts[0] < 200


def test_devanagari_and_arabic_have_real_letters():
    context = {**report_context(samples.assessed()), "standing_text": "त्वचा की जाँच मسودة"}
    pdf = pypdf.PdfReader(io.BytesIO(render_pdf(context, "en")))
    fonts = {font["/BaseFont"] for page in pdf.pages for font in fonts_of(page)}
    assert any("Devanagari" in name for name in fonts), f"apt-get install fonts-noto-core: {fonts}"
    assert any("Arab" in name or "DejaVu" in name for name in fonts)


def fonts_of(page: pypdf.PageObject) -> list[Any]:
    return [font.get_object() for font in page["/Resources"]["/Font"].values()]


# --- four languages ------------------------------------------------------------------------------------------------
OTHER_LANGUAGES = ["es", "hi", "ar"]
SCRIPTS = {
    "es": ("Noto-Sans", r"[áéíóúñ]"),
    "hi": ("Devanagari", r"[\u0900-\u097f]"),
    "ar": ("Arab", r"[\u0600-\u06ff]"),
}


@cache
def pdf_in(language: str, state: str, country: str) -> bytes:
    with translation.override(language):
        return render_pdf(report_context(replace(STATES[state], country=country), code=CODE), language)


@pytest.mark.parametrize("state", ["cancer, five photos", "inconclusive", "amended"])
@pytest.mark.parametrize("language", OTHER_LANGUAGES)
def test_each_language_fits_on_two_pages_in_its_own_letters(language, state):
    """The advice is written in each language, so the letters are tested whatever the catalogue of phrases holds."""
    pdf = pypdf.PdfReader(io.BytesIO(pdf_in(language, state, "US")))
    assert len(pdf.pages) == 2
    assert pdf.trailer["/Root"]["/Lang"] == language
    if state != "inconclusive":
        font, letters = SCRIPTS[language]
        assert re.search(letters, "".join(page.extract_text() for page in pdf.pages))
        assert any(font in name["/BaseFont"] for page in pdf.pages for name in fonts_of(page))


def lines_laid_out(state: str, language: str, monkeypatch) -> tuple[int, int]:
    """(attempts at a line, lines on paper) of one report."""
    from weasyprint.formatting_structure.boxes import LineBox
    from weasyprint.layout import inline

    attempts, split = [], inline.split_inline_box

    def counted(context, box, *rest):
        attempts.append(isinstance(box, LineBox))
        return split(context, box, *rest)

    monkeypatch.setattr(inline, "split_inline_box", counted)
    with translation.override(language):
        html = rendering._html(report_context(STATES[state]), language)
    pages = rendering._layout(html).pages
    return sum(attempts), sum(isinstance(box, LineBox) for page in pages for box in page._page_box.descendants())


def test_a_line_from_right_to_left_is_laid_out_as_often_as_one_from_left_to_right(monkeypatch):
    """Twice in columns, which are measured first; four times before `reports.right_to_left`."""
    attempts, lines = lines_laid_out("inconclusive", "ar", monkeypatch)
    assert lines < attempts < 2.5 * lines


def test_right_to_left_pages_look_as_the_library_alone_makes_them(tmp_path, monkeypatch):
    from weasyprint.layout import inline

    with translation.override("ar"):
        html = rendering._html(report_context(STATES["inconclusive"]), "ar")
    ours = rendering._layout(html).write_pdf()
    monkeypatch.setattr(inline, "avoid_collisions", inline.avoid_collisions.__wrapped__)
    theirs = rendering._layout(html).write_pdf()
    for folder in (tmp_path / "ours", tmp_path / "theirs"):
        folder.mkdir()
    pairs = zip(pictures_of(ours, tmp_path / "ours"), pictures_of(theirs, tmp_path / "theirs"), strict=True)
    assert [np.array_equal(one, other) for one, other in pairs] == [True, True]


# --- looked at as pictures -----------------------------------------------------------------------------------------
CODE = "ABCDE23456FGHJK789MN"
DOTS_PER_INCH = 110
MARGIN_MM = 8


def pictures_of(pdf: bytes, folder: Path) -> list[np.ndarray]:
    """Pages as poppler draws them: uint8, height x width, grey."""
    (folder / "report.pdf").write_bytes(pdf)
    command = ["pdftoppm", "-r", str(DOTS_PER_INCH), "-gray", "report.pdf", "page"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return [np.asarray(Image.open(path)) for path in sorted(folder.glob("page-*.pgm"))]


@pytest.mark.parametrize("language", ["en", *OTHER_LANGUAGES])
def test_pictures_show_full_pages_with_clean_margins(language, tmp_path):
    """Nothing runs off the paper: the margins are white, and the text block is not."""
    pages = pictures_of(pdf_in(language, "cancer, five photos", "US"), tmp_path)
    edge = round(MARGIN_MM / 25.4 * DOTS_PER_INCH)
    for page in pages:
        frame = np.concatenate([page[:edge].ravel(), page[:, :edge].ravel(), page[:, -edge:].ravel()])
        assert frame.min() > 250
        assert (page < 128).mean() > 0.02


def test_the_qr_code_can_be_read_from_the_page(tmp_path):
    import cv2

    page = pictures_of(pdf_in("ar", "inconclusive", "US"), tmp_path)[-1]
    text, corners, _straight = cv2.QRCodeDetector().detectAndDecode(page)
    assert corners is not None
    assert text == f"http://testserver/reports/verify/{CODE}/"


def test_the_heat_map_is_drawn_beside_the_photo(tmp_path):
    """The same spot twice in one row: the second one is brighter where the map is strongest."""
    page = pictures_of(pdf_in("en", "amended", "US"), tmp_path)[0].astype(int)
    width = page.shape[1]
    left, right = page[:, : width // 5], page[:, width // 5 : 2 * width // 5]
    rows = (left < 120).sum(axis=1) > 5  # where the drawn spot is dark
    assert rows.any()
    assert right[rows].mean() != pytest.approx(left[rows].mean(), abs=2)


def test_a_report_without_a_code_has_no_check_section():
    assert flat("Is this report genuine?") not in text_of("assessed")
    with_code = render_pdf(report_context(STATES["assessed"], code=CODE), "en")
    printed = flat(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(with_code)).pages))
    assert flat("Is this report genuine?") in printed
    assert "ABCDE-23456-FGHJK-789MN" in printed
    links = [
        note.get_object()["/A"]["/URI"]
        for page in pypdf.PdfReader(io.BytesIO(with_code)).pages
        for note in page.get("/Annots", [])
    ]
    assert f"http://testserver/reports/verify/{CODE}/" in links


def test_what_could_not_be_judged_says_why_it_is_urgent_all_the_same():
    rules = [{"code": "cancer_threshold", "tier": "urgent", "detail": "melanoma"}]
    text = text_of(samples.inconclusive(tier="urgent", fired=rules))
    assert flat("we do not take back a warning because a photo is poor") in text
    assert "elanoma" not in text.split("Answersgiven")[0]


def test_a_report_of_the_sandbox_says_on_every_page_that_it_is_a_test():
    words = "TESTofaprogram,notaresult"
    pages = [flat(page.extract_text()) for page in reader(replace(samples.signed(), sandbox=True)).pages]
    assert len(pages) <= 2
    assert all(words in page for page in pages)
    assert not any(words in flat(page.extract_text()) for page in reader("final").pages)


@pytest.mark.parametrize(
    ("note", "direction"),
    [("Use the cream.", "ltr"), ("1) استخدم الكريم.", "rtl"), ("(2) मरहम लगाएँ।", "ltr"), ("1, 2.", "")],
)
def test_a_note_runs_the_way_of_its_own_language(note, direction):
    from reports.rendering import _html

    html = _html(report_context(samples.signed(note=note)), "ar")
    assert f'<div class="note" dir="{direction}">' in html
