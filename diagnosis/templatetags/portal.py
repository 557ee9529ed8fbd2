"""Words for codes in templates."""

from django import template

from diagnosis import triage
from diagnosis.names import condition_label
from diagnosis.questions import option_label

register = template.Library()


@register.filter
def site_label(code: str) -> str:
    """The body site in the reader's language."""
    return option_label("site", code)


@register.filter
def tier_label(code: str) -> str:
    """What a tier asks for, in one line."""
    return str(triage.tier_label(code))


@register.filter
def condition_name(slug: str) -> str:
    """The name of a condition in the reader's language."""
    return condition_label(slug)
