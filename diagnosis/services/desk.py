"""A dermatologist's own things: saved views of the queue, texts for notes."""

from __future__ import annotations

from collections.abc import Mapping

from accounts.models import User
from diagnosis.models import NoteTemplate, SavedView


def saved_view_store(*, user: User, name: str, query: Mapping[str, str]) -> SavedView:
    """Keep filters under a name; the same name again replaces them. Raises ValidationError for a bad name."""
    view = SavedView.objects.filter(user=user, name=name).first() or SavedView(user=user, name=name)
    view.query = dict(query)
    view.full_clean(validate_constraints=False)
    view.save()
    return view


def saved_view_delete(*, view: SavedView) -> None:
    view.delete()


def note_template_store(*, template: NoteTemplate) -> NoteTemplate:
    """Store a text of its owner. Raises ValidationError for bad fields."""
    template.full_clean()
    template.save()
    return template


def note_template_delete(*, template: NoteTemplate) -> None:
    template.delete()
