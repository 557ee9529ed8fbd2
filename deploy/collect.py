"""Collects every text that needs a translation into locale/<language>/LC_MESSAGES/django.po: `make messages`.

Texts come from our code and templates, and from those pages of the libraries that people see, as far as the
library itself lacks the language. New texts come in empty; texts that are gone leave. Babel reads Python and the
files; Django turns a template into something that Babel can read.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from functools import lru_cache
from gettext import GNUTranslations
from pathlib import Path

import allauth
import django
import rest_framework
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from deploy.messages import LOCALES, ROOT

LANGUAGES = ("es", "hi", "ar")
OUR_FOLDERS = ("accounts", "diagnosis", "finder", "reports", "smartderma", "templates")
KEYWORDS: dict = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop")),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}
# What of a library can come before a person's eyes here.
DJANGO, ALLAUTH, REST = (Path(str(library.__file__)).parent for library in (django, allauth, rest_framework))
LIBRARIES: dict[Path, tuple[str, ...]] = {
    DJANGO: (
        "forms/*.py",
        "core/validators.py",
        "contrib/auth/password_validation.py",
        "contrib/humanize/templatetags/humanize.py",
        "utils/dates.py",
        "utils/dateformat.py",
        "utils/timesince.py",
        "utils/text.py",
    ),
    ALLAUTH: (
        "account/adapter.py",
        "account/fields.py",
        "account/forms.py",
        "account/internal/**/*.py",
        "mfa/adapter.py",
        "mfa/base/**/*.py",
        "mfa/internal/**/*.py",
        "mfa/recovery_codes/**/*.py",
        "mfa/totp/**/*.py",
        "mfa/webauthn/**/*.py",
        "templates/account/**/*",
        "templates/mfa/*.html",
        "templates/mfa/email/*.txt",
        "templates/mfa/messages/*.txt",
        "templates/mfa/recovery_codes/*",
        "templates/mfa/totp/*",
        "templates/mfa/webauthn/*",
    ),
    REST: ("exceptions.py", "fields.py"),
}
# Words that a library spells wrongly.
CORRECTED = {"hi": {"September", "November", "December"}}
# We say usted: Spanish that says tú is written anew.
FAMILIAR = re.compile(r"\b(tu|tus|has|tienes|puedes|estás|introduce|utiliza|ten|decides)\b", re.IGNORECASE)
INDENT = re.compile(rb"^[ \t]+", re.MULTILINE)
Found = Iterable[tuple[int, str | tuple[str, ...], list[str], str | None]]


def texts_of(path: Path) -> Found:
    """(line, text or plural pair, comments, context) of one source file."""
    if path.suffix == ".py":
        return extract("python", io.BytesIO(path.read_bytes()), KEYWORDS)
    code = INDENT.sub(b"", templatize(path.read_text(encoding="utf-8")).encode())
    return extract("python", io.BytesIO(code), KEYWORDS)


def our_files() -> Iterator[Path]:
    for folder in OUR_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".html", ".txt"} and "migrations" not in path.parts:
                yield path


def library_files(base: Path) -> Iterator[Path]:
    for pattern in LIBRARIES[base]:
        yield from sorted(path for path in base.glob(pattern) if path.suffix in {".py", ".html", ".txt"})


def collect(files: Iterable[Path], name_of: Callable[[Path], str], catalog: Catalog) -> None:
    """Add every text of `files` to the catalog, each with the file it stands in."""
    for path in files:
        for _line, text, comments, context in texts_of(path):
            catalog.add(text, locations=[(name_of(path), 0)], auto_comments=comments, context=context)


@lru_cache(maxsize=1)
def our_texts() -> Catalog:
    """Everything that our own code and templates say."""
    catalog = Catalog()
    collect(our_files(), lambda path: str(path.relative_to(ROOT)), catalog)
    return catalog


@lru_cache(maxsize=8)
def library_catalog(base: Path) -> Catalog:
    catalog = Catalog()
    collect(library_files(base), lambda path: f"{base.name}/{path.relative_to(base)}", catalog)
    return catalog


def is_known(base: Path, language: str, text: str | Sequence[str], context: str | None) -> bool:
    """True when the library brings this text in this language."""
    singular = text if isinstance(text, str) else text[0]
    key = f"{context}\x04{singular}" if context else singular
    found = [known.get(key) or known.get((key, 0)) for known in own_translations(base, language)]
    return any(one and not (language == "es" and FAMILIAR.search(one)) for one in found)


@lru_cache(maxsize=32)
def own_translations(base: Path, language: str) -> list[dict]:
    """What each of the library's compiled files for a language holds, by text or by (text, plural form)."""
    return [catalog_of(path) for path in sorted(base.rglob(f"locale/{language}/LC_MESSAGES/django.mo"))]


def catalog_of(path: Path) -> dict:
    with path.open("rb") as file:
        return GNUTranslations(file)._catalog  # type: ignore[attr-defined]


def needed(language: str) -> Catalog:
    """All texts that locale/<language> must translate."""
    catalog = deepcopy(our_texts())
    for base in LIBRARIES:
        for message in library_catalog(base):
            wrong = message.id in CORRECTED.get(language, ())
            if message.id and (wrong or not is_known(base, language, message.id, message.context)):
                catalog.add(message.id, locations=message.locations, context=message.context)
    return catalog


def po_file(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / "django.po"


def read(language: str) -> Catalog:
    """The translations of a language as they stand. A new language starts with the header of another."""
    with po_file(language).open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def write(language: str, catalog: Catalog) -> None:
    with po_file(language).open("wb") as file:
        write_po(file, catalog, width=110, sort_output=True, include_lineno=False, ignore_obsolete=True)


def update(language: str) -> int:
    """Bring a language's file up to date; how many of its texts wait for a translation."""
    catalog = read(language)
    catalog.update(needed(language), no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    write(language, catalog)
    return sum(1 for message in catalog if message.id and not is_translated(message))


def is_translated(message) -> bool:
    strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
    return all(strings) and not message.fuzzy


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smartderma.settings")
    django.setup()
    for language in LANGUAGES:
        print(f"{language}: {update(language)} texts wait for a translation")


if __name__ == "__main__":
    main()
