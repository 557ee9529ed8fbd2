"""Advice for each class: one readable TOML file per language beside this module.

A language that lacks a text falls back to English, text by text, and says so in ``Block.locale``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ml.taxonomy import BY_SLUG, SLUGS

FOLDER = Path(__file__).parent
FALLBACK_LOCALE = "en"
BLOCK_KEYS = ("what_it_is", "what_you_can_do", "treatment", "prevention", "see_clinician")
MESSAGE_KEYS = ("inconclusive", "not_covered", "normal")


@dataclass(frozen=True)
class Block:
    """One advice block. ``clinically_reviewed_by`` is empty while no clinician has signed it; ``locale`` is the
    language that the text is really in."""

    key: str
    title: str
    text: str
    source_url: str
    version: str
    locale: str
    clinically_reviewed_by: str


@dataclass(frozen=True)
class Message:
    """A text that stands in place of advice."""

    key: str
    title: str
    text: str
    locale: str


def available_locales() -> tuple[str, ...]:
    """Languages that have a file, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@lru_cache(maxsize=8)
def _file(locale: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{locale}.toml").read_text(encoding="utf-8"))


def _files(locale: str) -> list[dict[str, Any]]:
    """The file of the locale, of its language ("pt-br" -> "pt"), then English; only those that exist."""
    wanted = (locale.lower(), locale.lower().split("-")[0], FALLBACK_LOCALE)
    return [_file(name) for name in dict.fromkeys(wanted) if name in available_locales()]


def advice_for(slug: str, locale: str = FALLBACK_LOCALE) -> list[Block]:
    """The five blocks of a class in ``BLOCK_KEYS`` order; none for a class of a newer release that has no advice yet.

    Raises KeyError for an unknown class.
    """
    return list(_advice(BY_SLUG[slug].slug, locale)) if slug in SLUGS else []


@lru_cache(maxsize=128)
def _advice(slug: str, locale: str) -> tuple[Block, ...]:
    return tuple(_block(slug, key, _files(locale)) for key in BLOCK_KEYS)


def _block(slug: str, key: str, files: list[dict[str, Any]]) -> Block:
    file = next(file for file in files if file.get(slug, {}).get(key))
    section = file[slug]
    return Block(
        key=key,
        title=file["headings"][key],
        text=section[key].strip(),
        source_url=section["source_url"],
        version=file["version"],
        locale=file["locale"],
        clinically_reviewed_by=section["clinically_reviewed_by"],
    )


def message_for(key: str, locale: str = FALLBACK_LOCALE) -> Message:
    """The text for ``inconclusive``, ``not_covered`` or ``normal``. Raises KeyError for another key."""
    if key not in MESSAGE_KEYS:
        raise KeyError(key)
    file = next(file for file in _files(locale) if file.get("messages", {}).get(key))
    message = file["messages"][key]
    return Message(key=key, title=message["title"], text=message["text"].strip(), locale=file["locale"])
