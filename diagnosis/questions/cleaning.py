"""Strict validation of answers, whatever door they come through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from diagnosis.questions.schema import Question
from diagnosis.questions.table import BY_KEY, QUESTIONS

Answer = str | bool | int | list[str]
TRUE_WORDS = frozenset({"true", "yes", "1", "on"})
FALSE_WORDS = frozenset({"false", "no", "0", "off"})


class AnswersError(ValueError):
    """Answers that cannot be used. ``errors`` maps each question key to one plain sentence."""

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{key}: {sentence}" for key, sentence in errors.items()))


class _Refused(ValueError):
    """One answer is not acceptable; the message is the sentence to show."""


def clean_answers(raw: Mapping[str, Any], *, partial: bool = False) -> dict[str, Answer]:
    """Check answers against the question table.

    ``raw`` may be JSON, a ``QueryDict`` or a form's ``cleaned_data``. Empty values count as not answered and are
    left out. With ``partial`` (a draft, one screen of the form) required questions may be missing. The result is
    JSON-serialisable and in table order: option codes, lists of codes in table order, bools and ints.

    Raises AnswersError for an unknown question, a missing required one or a value that does not fit.
    """
    if not isinstance(raw, Mapping):
        raise AnswersError({"answers": _("Answers must be a list of questions with their answers.")})
    errors = {_printable(key): _("This question does not exist.") for key in raw if key not in BY_KEY}
    answers: dict[str, Answer] = {}
    for question in QUESTIONS:
        try:
            value = _clean_one(question, _value(raw, question))
        except _Refused as refusal:
            errors[question.key] = str(refusal)
            continue
        if value is not None:
            answers[question.key] = value
        elif question.required and not partial:
            errors[question.key] = _("Please answer this question.")
    if errors:
        raise AnswersError(errors)
    return answers


def _printable(key: Any) -> str:
    """A stranger's key as text that every encoder takes: JSON may hold half a surrogate pair."""
    return str(key).encode("utf-8", "replace").decode()


def _value(raw: Mapping[str, Any], question: Question) -> Any:
    """The raw answer; a ``QueryDict`` keeps several values under one key and gives only the last without getlist."""
    if hasattr(raw, "getlist") and question.key in raw:
        values = raw.getlist(question.key)
        return values if question.kind == "multi" or len(values) > 1 else values[0]
    return raw.get(question.key)


def _clean_one(question: Question, value: Any) -> Answer | None:
    if value is None or value == "" or value == [] or value == ():
        return None
    return CLEANERS[question.kind](question, value)


def _clean_single(question: Question, value: Any) -> str:
    if not isinstance(value, str) or value not in question.by_code:
        raise _Refused(_("Please choose one of the answers shown."))
    return value


def _clean_multi(question: Question, value: Any) -> list[str]:
    if not isinstance(value, list | tuple):
        raise _Refused(_("Please give a list of answers."))
    chosen = {_clean_single(question, code) for code in value}
    if question.exclusive in chosen and len(chosen) > 1:
        raise _Refused(_("“None” cannot be chosen together with another answer."))
    return [code for code in question.codes if code in chosen]


def _clean_bool(question: Question, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise _Refused(_("Please answer yes or no."))
    return word in TRUE_WORDS


def _clean_int(question: Question, value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 7:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Refused(_("Please give a whole number."))
    if not question.minimum <= value <= question.maximum:
        limits = {"low": question.minimum, "high": question.maximum}
        raise _Refused(_("Please give a number from %(low)s to %(high)s.") % limits)
    return value


CLEANERS: dict[str, Callable[[Question, Any], Answer]] = {
    "single": _clean_single,
    "multi": _clean_multi,
    "bool": _clean_bool,
    "int": _clean_int,
}
