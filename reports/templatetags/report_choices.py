"""What a patient may choose about a report, ready for a page."""

from __future__ import annotations

from django import template
from django.utils.translation import get_language

from diagnosis.models import Case
from reports.context import usual_paper
from reports.forms import ReportForm

register = template.Library()


@register.simple_tag
def report_form(case: Case) -> ReportForm:
    """The form with the reader's language and the paper of the case's country already chosen."""
    return ReportForm(initial={"language": get_language(), "paper": usual_paper(case.country)})
