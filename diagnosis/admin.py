"""What an operator may see of cases: how the work goes, never health data."""

from django.contrib import admin

from accounts.admin import ReadOnlyAdmin
from diagnosis.models import Analysis, CaseEvent


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
