"""The pages of the numbers, each with a few questions to the database."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext_lazy as _

from diagnosis.numbers.inputs import inputs_tables
from diagnosis.numbers.model import model_tables
from diagnosis.numbers.scope import Scope
from diagnosis.numbers.tables import Table
from diagnosis.numbers.work import work_tables

PAGES: dict[str, Callable[[Scope], list[Table]]] = {
    "work": work_tables,
    "model": model_tables,
    "inputs": inputs_tables,
}
TITLES = {"work": _("Work"), "model": _("Readers and model"), "inputs": _("What comes in")}
OF_RELEASES = ("model", "inputs")  # a release can be chosen here


def page_tables(page: str, scope: Scope) -> list[Table]:
    """The tables of a page; coarse where they are of one partner."""
    tables = PAGES[page](scope)
    return [table.coarse() for table in tables] if scope.is_coarse else tables


def table_of(page: str, key: str, scope: Scope) -> Table | None:
    """One table of a page; None where there is none of this name."""
    return next((table for table in page_tables(page, scope) if table.key == key), None)
