"""No text without its translation: catalogs, templates, views and scripts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from deploy import collect
from deploy.collect import LANGUAGES, is_translated, needed, our_texts, read
from ml.taxonomy import BY_SLUG
from tests.test_house_rules import WEB_SOURCES, name_of, tree

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*") if path.suffix in {".html", ".txt"})
PLACEHOLDERS = re.compile(r"%\(\w+\)[sd]|%[sd]|\{[\w:]*\}|%%|https?://(?:[\w/-]|\.(?=\w))*|</?\w+[^>]*>")
SCRIPTS = {"hi": re.compile(r"[\u0900-\u097f]"), "ar": re.compile(r"[\u0600-\u06ff]"), "es": re.compile(r"\w")}
# Names, units and codes that are the same in every language.
NAMES = (
    "Smart Derma|Google Maps|OpenStreetMap|MobileNetV3|DenseNet121|EfficientNet-B3|GitHub|FHIR|JSON|PDF|ZIP|API|"
    "SHA-256|ICD-10|US Letter|A4|IPv4|IPv6|UUID|URL|QR|JPEG|PNG|WebP|HEIC|MB|mm|km|ms|UTC|IP|TOTP|demo-skin-2026"
)
NAME = re.compile(rf"\b(?:{NAMES})\b|^[a-z]+(?:-[a-z]+)+$|\S+@\S+|[\w-]+\.json|\w+/(?!\w)")
LETTERS = re.compile(r"[^\W\d_]{2,}")


def texts(message) -> list[str]:
    return [message.id] if isinstance(message.id, str) else list(message.id)


def translations(message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string)


def says_something(text: str) -> bool:
    """True where words remain besides names, units and placeholders."""
    return bool(LETTERS.search(NAME.sub("", PLACEHOLDERS.sub("", text))))


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request) -> str:
    return request.param


def missing_texts(wanted, language) -> list[tuple[str, str]]:
    """(text, place) of what `wanted` holds and the language lacks."""
    catalog = read(language)
    found = [(one, catalog.get(one.id, one.context)) for one in wanted if one.id]
    return [(texts(one)[0], one.locations[0][0]) for one, ours in found if ours is None or not is_translated(ours)]


def test_every_text_has_a_translation(language):
    """New text? `make messages`, then fill in locale/<language>/LC_MESSAGES/django.po."""
    missing = missing_texts(our_texts(), language)
    assert not missing, f"{len(missing)} texts without {language}: {missing[:20]}"


def test_texts_of_libraries_have_a_translation(language):
    """A newer version of a library may bring a few texts that nobody has translated yet; not more."""
    missing = missing_texts(needed(language), language)
    assert len(missing) <= 20, f"{len(missing)} texts without {language}: {missing[:20]}"


def test_translations_keep_every_placeholder(language):
    for message in read(language):
        if not message.id or not is_translated(message):
            continue
        wanted = [sorted(PLACEHOLDERS.findall(text)) for text in texts(message)]  # "a day" holds no number
        for translation in translations(message):
            assert sorted(PLACEHOLDERS.findall(translation)) in wanted, (language, message.id, translation)


def test_translations_are_written_in_their_script(language):
    """A text that was only copied from English is no translation."""
    for message in read(language):
        for translation in translations(message) if message.id else []:
            if translation and says_something(texts(message)[0]):
                assert SCRIPTS[language].search(translation), (language, message.id, translation)


def test_plurals_have_every_form(language):
    catalog = read(language)
    assert catalog.num_plurals == {"es": 2, "hi": 2, "ar": 6}[language]
    plurals = [message for message in catalog if isinstance(message.id, tuple)]
    assert len(plurals) > 3
    assert all(len(translations(message)) == catalog.num_plurals for message in plurals)


def test_names_of_conditions_differ_from_english(language):
    from django.utils.translation import override

    from diagnosis.names import condition_label

    with override(language):
        names = {slug: condition_label(slug) for slug in BY_SLUG}
    assert len(set(names.values())) == len(BY_SLUG)
    same = {slug for slug, name in names.items() if name == BY_SLUG[slug].label}
    assert same <= ({"melanoma", "psoriasis", "eczema"} if language == "es" else set())


def test_library_texts_that_people_see_are_translated(language):
    """allauth knows no Hindi: its log-in pages and e-mails must speak it all the same."""
    from django.utils.translation import gettext, override

    with override(language):
        for text in (
            "Sign Up",
            "Forgot your password?",
            "This field is required.",
            "January",
            "Two-Factor Authentication",
        ):
            assert gettext(text) != text, (language, text)


def test_the_footer_of_a_report_counts_in_reading_order(language):
    """reports.context takes the sentence apart at the two numbers, the page first."""
    text = read(language).get("Page %(page)s of %(pages)s").string
    assert text.index("%(page)s") < text.index("%(pages)s")


# --- templates -----------------------------------------------------------------------------------------------------
HIDDEN = re.compile(
    r"\{#.*?#\}|\{%\s*comment\b.*?\{%\s*endcomment\s*%\}"
    r"|\{%\s*block (?:robots|page_class)\b.*?\{%\s*endblock\s*%\}"
    r"|\{%\s*blocktrans(?:late)?\b.*?\{%\s*endblocktrans(?:late)?\s*%\}",
    re.DOTALL,
)
TAGS = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
SPOKEN = ("alt", "title", "placeholder", "aria-label", "label")
LITERAL = re.compile(r"""(?:default(?:_if_none)?|yesno|join):["']([^"']*)["']""")
GIVEN = re.compile(r"""\b(?:title|text|label|message)=["']([^"']+)["']""")


SILENT = {"script", "style", "code", "kbd"}  # kbd: what is printed on the key


class Words(HTMLParser):
    """Text nodes and spoken attributes of a template without its tags."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag, attrs):
        self.silent += tag in SILENT
        self.found += [value or "" for name, value in attrs if name in SPOKEN]

    def handle_endtag(self, tag):
        self.silent -= tag in SILENT

    def handle_data(self, data):
        if not self.silent:
            self.found.append(data)


def bare_words(path: Path) -> list[str]:
    source = HIDDEN.sub("", path.read_text(encoding="utf-8"))
    plain = TAGS.sub("", source)
    if path.suffix == ".txt":
        found = [plain]
    else:
        parser = Words()
        parser.feed(plain if "<" in plain else f"<p {plain}>")  # a part that holds attributes only
        found = parser.found
    for tag in TAGS.findall(source):
        found += LITERAL.findall(tag)
        found += GIVEN.findall(tag) if tag.startswith("{% include") else []
    return [" ".join(words.split()) for words in found if says_something(words)]


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_templates_hold_no_bare_text(path):
    """Every word that a person reads stands in translate or blocktranslate."""
    assert not bare_words(path)


def test_bare_text_would_be_found(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<p title="A title">{% translate "fine" %} Not fine {{ x|default:"nothing yet" }}</p> Smart Derma')
    assert bare_words(page) == ["A title", "Not fine", "nothing yet"]


# --- views, forms, services ----------------------------------------------------------------------------------------
LEVELS = {"success", "info", "warning", "error", "add_error"}
SPOKEN_KEYWORDS = {"label", "help_text", "empty_label", "verbose_name", "verbose_name_plural"}
SPOKEN_ERRORS = {"ValidationError", "WrongState", "ReportNotReady"}


def has_words(node: ast.expr) -> bool:
    """A bare sentence: a string with words, also pieced together."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return says_something(node.value)
    if isinstance(node, ast.JoinedStr):
        return any(has_words(part) for part in node.values)
    return isinstance(node, ast.BinOp) and (has_words(node.left) or has_words(node.right))


def spoken_parts(call: ast.Call, *, api: bool) -> Iterator[ast.expr]:
    """What a call says to a person. `api`: field descriptions there are English, for developers."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if not api and owner != "models":  # those of models are seen by operators only
        yield from (keyword.value for keyword in call.keywords if keyword.arg in SPOKEN_KEYWORDS)
    if (owner == "messages" and name in LEVELS) or name == "add_error":
        yield from call.args[1:2]
    if name in SPOKEN_ERRORS and owner != "exceptions":
        yield from call.args[:1]


@pytest.mark.parametrize("path", [p for p in WEB_SOURCES if "api" not in p.stem and "api" not in p.parts], ids=name_of)
def test_code_marks_what_people_read(path):
    api = "rest_framework" in path.read_text(encoding="utf-8")
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            for part in spoken_parts(node, api=api):
                assert not has_words(part), f"{name_of(path)}:{part.lineno} is not in gettext"


def test_scripts_hold_no_text():
    """Scripts say what the page gives them in data attributes."""
    spoken = re.compile(
        r"""(?:textContent|innerText|innerHTML|title|alt|ariaLabel|setCustomValidity|alert|confirm)"""
        r"""\s*(?:=|\()\s*(["'`])([^"'`]*[A-Za-z]{2,}[^"'`]*)\1"""
    )
    for path in sorted((ROOT / "static" / "js").glob("*.js")):
        found = [match[2] for match in spoken.finditer(path.read_text(encoding="utf-8"))]
        assert not found, f"{path.name} says {found}"


def test_texts_are_collected_from_code_and_templates():
    found = {path for message in our_texts() for path, _line in message.locations}
    assert {"diagnosis/questions/table.py", "templates/diagnosis/home.html"} <= found
    assert collect.our_texts().get("Back", "part of the body")


# --- compiling, sides ----------------------------------------------------------------------------------------------
def test_translations_are_compiled_once_and_the_site_refuses_to_start_without(tmp_path, settings):
    from deploy import messages
    from smartderma.checks import translations_are_compiled

    folder = tmp_path / "es" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    source = folder / "django.po"
    source.write_text('msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "a"\nmsgstr "b"\n')
    settings.LOCALE_PATHS = [tmp_path]
    assert [error.id for error in translations_are_compiled(None)] == ["smartderma.E013"]
    messages.compile_one(source)
    assert messages.is_fresh(source)
    assert translations_are_compiled(None) == []
    assert sorted(path.name for path in folder.iterdir()) == ["django.mo", "django.po"]


PHYSICAL_CSS = re.compile(
    r"(?:margin|padding|border)-(?:left|right)\b|text-align:\s*(?:left|right)|float:|(?<![\w-])(?:left|right)\s*:"
)
PHYSICAL_CLASS = re.compile(
    r"""(?<=["'\s:])-?(?:m[lr]|p[lr]|left|right|border-[lr]|rounded-[lr]|text-(?:left|right)|float)(?:-[\w.\[\]/]+)?(?=["'\s])"""
)


def test_sides_are_logical():
    """Start and end instead of left and right: the same page serves right-to-left languages."""
    for path in sorted((ROOT / "static" / "css").glob("*.css")):
        assert not PHYSICAL_CSS.findall(path.read_text(encoding="utf-8")), path.name
    for path in TEMPLATES:
        for classes in re.findall(r'class="([^"]*)"', path.read_text(encoding="utf-8")):
            assert not PHYSICAL_CLASS.findall(f'"{classes}"'), f"{name_of(path)}: {classes}"
