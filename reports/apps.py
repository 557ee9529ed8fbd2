from django.apps import AppConfig
from django.core.checks import register


class ReportsConfig(AppConfig):
    name = "reports"

    def ready(self) -> None:
        from reports.checks import reports_can_be_signed

        register(reports_can_be_signed)
