"""The intake questions: one table for the web form, the API, `manage.py diagnose --answers` and the report."""

from diagnosis.questions.cleaning import AnswersError, clean_answers
from diagnosis.questions.display import answers_summary, form_definition, option_label
from diagnosis.questions.schema import Option, Question
from diagnosis.questions.table import BY_KEY, QUESTIONS, SCREENS

__all__ = [
    "BY_KEY",
    "QUESTIONS",
    "SCREENS",
    "AnswersError",
    "Option",
    "Question",
    "answers_summary",
    "clean_answers",
    "form_definition",
    "option_label",
]
