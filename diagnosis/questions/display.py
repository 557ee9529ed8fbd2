"""The questions for a form, the answers for a person to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from diagnosis.questions.schema import Question
from diagnosis.questions.table import BY_KEY, QUESTIONS, SCREENS


def form_definition() -> list[dict[str, Any]]:
    """The form in the active language, as plain JSON-serialisable values.

    One entry per screen: ``{"screen", "title", "questions": [{"key", "text", "help", "kind", "required", "options":
    [(code, label)], "exclusive", "shown_when": {"key", "codes"} or None, "minimum", "maximum", "unit"}]}``.
    """
    return [
        {
            "screen": screen,
            "title": str(title),
            "questions": [_definition(question) for question in QUESTIONS if question.screen == screen],
        }
        for screen, title in SCREENS.items()
    ]


def _definition(question: Question) -> dict[str, Any]:
    shown = question.shown_when
    return {
        "key": question.key,
        "text": str(question.text),
        "help": str(question.help),
        "kind": question.kind,
        "required": question.required,
        "options": _choices(question),
        "exclusive": question.exclusive,
        "shown_when": {"key": shown.key, "codes": sorted(shown.codes)} if shown else None,
        "minimum": question.minimum,
        "maximum": question.maximum,
        "unit": str(question.unit),
    }


def _choices(question: Question) -> list[tuple[str, str]]:
    choices = [(option.code, str(option.label)) for option in question.options]
    if question.key == "country":  # sorted as read, not by code
        choices.sort(key=lambda choice: choice[1].casefold())
    return choices


def option_label(key: str, code: str) -> str:
    """The label of one option in the active language. Raises KeyError if there is no such question or option."""
    return str(BY_KEY[key].by_code[code].label)


def answers_summary(answers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Cleaned answers as (question, answer) in table order and in the active language, for report and review."""
    return [
        (str(question.text), _answer_text(question, answers[question.key]))
        for question in QUESTIONS
        if question.key in answers
    ]


def _answer_text(question: Question, value: Any) -> str:
    if question.kind == "bool":
        return _("Yes") if value else _("No")
    if question.kind == "int":
        return f"{value} {question.unit}"
    codes = value if question.kind == "multi" else [value]
    return "; ".join(_known_label(question, code) for code in codes)


def _known_label(question: Question, code: str) -> str:
    """The label, or the code itself where an old case holds an option that no longer exists."""
    option = question.by_code.get(code)
    return str(option.label) if option else code
