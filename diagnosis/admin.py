"""What an operator may see of cases: how the work goes, never health data."""

from django.contrib import admin

from accounts.admin import ReadOnlyAdmin
from diagnosis.models import Analysis, CaseEvent, ModelRelease, NoteTemplate, OperatorEvent


@admin.register(Analysis)
class AnalysisAdmin(ReadOnlyAdmin):
    list_display = ("id", "status", "attempts", "failure", "release", "queued_at", "finished_at")
    list_filter = ("status", "release", "failure")
    fields = ("id", "status", "attempts", "failure", "release", "weights_sha256", "queued_at", "finished_at", "timings")


@admin.register(CaseEvent)
class CaseEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "kind", "actor")
    list_filter = ("kind",)
    list_select_related = ("actor",)
    fields = ("at", "kind", "actor")


@admin.register(ModelRelease)
class ModelReleaseAdmin(ReadOnlyAdmin):
    """To be read; /operator/releases/ is where a release is checked and activated."""

    list_display = ("name", "active", "check_state", "shadow_percent", "checked_at", "problem")


@admin.register(OperatorEvent)
class OperatorEventAdmin(ReadOnlyAdmin):
    """Who activated, rolled back, exported and downloaded what, and why."""

    list_display = ("at", "kind", "actor", "release", "replaced", "count", "reason")
    list_filter = ("kind",)
    list_select_related = ("actor",)


@admin.register(NoteTemplate)
class NoteTemplateAdmin(admin.ModelAdmin):
    """Texts of the house for notes to patients; those of a dermatologist are their own."""

    list_display = ("title", "language")
    list_filter = ("language",)
    fields = ("title", "language", "text")

    def get_queryset(self, request):
        return super().get_queryset(request).filter(owner=None)
