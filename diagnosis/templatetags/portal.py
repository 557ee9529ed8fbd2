"""Words for codes in templates."""

import uuid
from collections.abc import Mapping
from typing import Any

from django import template
from django.db.models import Count
from django.template import Context

from diagnosis import triage
from diagnosis.models import Case, Message
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


@register.filter
def item(values: Mapping[str, Any], key: str) -> Any:
    """The value of a key that another variable names; None where there is none."""
    return values.get(key)


@register.filter
def unlocalized(number: float) -> str:
    """A number as programs read it: a point, no grouping."""
    return str(number)


@register.simple_tag(takes_context=True)
def unread_messages(context: Context, case: Case) -> int:
    """How many messages of a case wait for the reader."""
    return _waiting_by_case(context["user"]).get(case.pk, 0)


@register.simple_tag(takes_context=True)
def waiting_messages(context: Context) -> int:
    """How many messages wait for the reader, in all cases; counted once for a page that shows it in two menus."""
    return sum(_waiting_by_case(context["user"]).values())


def _waiting_by_case(user: Any) -> dict[uuid.UUID, int]:
    if not hasattr(user, "_waiting_messages"):
        counted = Message.objects.waiting_for(user).order_by().values_list("case").annotate(n=Count("pk"))
        user._waiting_messages = dict(counted)
    return user._waiting_messages
