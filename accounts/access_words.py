"""The access log in words: who looked, and at what."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import AccessLog, Role, User

ACTIONS = {
    "open": gettext_lazy("Opened a check"),
    "photo": gettext_lazy("Looked at a photo"),
    "heatmap": gettext_lazy("Looked at the colours over a photo"),
    "report": gettext_lazy("Opened a report"),
    "messages": gettext_lazy("Read the messages of a check"),
    "attachment": gettext_lazy("Looked at a photo in a message"),
    "lesion": gettext_lazy("Looked at a spot over time"),
    "export": gettext_lazy("Downloaded everything"),
    "training": gettext_lazy("Took signed photos away for training, without your name"),
}


def action_text(row: AccessLog) -> str:
    """What was done; an action without words of its own is shown as a look at something of the person's."""
    return str(ACTIONS.get(row.action) or _("Looked at something of yours"))


def who_text(row: AccessLog, reader: User) -> str:
    """Who did it, as `reader` may know it: dermatologists by name, others by their role."""
    if row.actor_id == reader.pk:
        return _("You")
    if row.partner is not None:
        return row.partner.name
    if row.actor is None:
        return _("An account that no longer exists")
    if row.actor.role == Role.DERMATOLOGIST and hasattr(row.actor, "dermatologist"):
        return row.actor.dermatologist.full_name
    return row.actor.get_role_display()
