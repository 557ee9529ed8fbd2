"""A dermatologist's own things: saved views of the queue, texts for notes."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from diagnosis.models import NoteTemplate, SavedView

MAX_VIEWS = 20  # of one person: all stand above the queue
MAX_TEMPLATES = 100  # of one person: all stand beside the note


@transaction.atomic
def saved_view_store(*, user: User, name: str, query: Mapping[str, str]) -> SavedView:
    """Keep filters under a name; the same name again replaces them. Raises ValidationError: a bad name, too many."""
    User.objects.select_for_update().get(pk=user.pk)
    view = SavedView.objects.filter(user=user, name=name).first() or SavedView(user=user, name=name)
    if view.pk is None and user.saved_views.count() >= MAX_VIEWS:
        raise ValidationError(_("You have very many saved views already. Please delete one first."))
    view.query = dict(query)
    view.full_clean(validate_constraints=False)
    view.save()
    return view


def saved_view_delete(*, view: SavedView) -> None:
    view.delete()


@transaction.atomic
def note_template_store(*, template: NoteTemplate) -> NoteTemplate:
    """Store a text of its owner. Raises ValidationError for bad fields or too many."""
    if template.owner is None:
        raise PermissionError("A text of the house is edited in the administration.")
    owner = User.objects.select_for_update().get(pk=template.owner.pk)
    if template.pk is None and owner.note_templates.count() >= MAX_TEMPLATES:
        raise ValidationError(_("You have very many texts already. Please delete one first."))
    template.full_clean()
    template.save()
    return template


def note_template_delete(*, template: NoteTemplate) -> None:
    template.delete()
