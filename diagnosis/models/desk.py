"""What a dermatologist keeps at the desk: filters of the queue and texts for notes."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class SavedView(models.Model):
    """Filters of the queue under a name; `query` holds the cleaned fields of the filter form."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(_("name"), max_length=40)
    query = models.JSONField(default=dict)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="one_saved_view_per_name")]

    def __str__(self) -> str:
        return self.name


class NoteTemplate(models.Model):
    """A text to start a note to a patient from. Without an owner it belongs to the house and operators edit it."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="note_templates"
    )
    title = models.CharField(_("title"), max_length=80)
    language = models.CharField(_("language"), max_length=8, default="en")
    text = models.TextField(_("text"), max_length=4000)

    class Meta:
        ordering = ["title", "pk"]

    def __str__(self) -> str:
        return self.title
