from importlib import import_module

from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig

CHECKS = "smartderma.checks"
ADMIN_MODULES = ("accounts.admin", "diagnosis.admin", "auditlog.admin", "allauth.account.admin")


class StaticConfig(StaticFilesConfig):
    """Collects what browsers read. The source of the style sheet is for Tailwind: its imports are no files."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "css/input.css"]


class SmartdermaConfig(AppConfig):
    """Last of the installed apps: registers the checks and the operator's admin pages."""

    name = "smartderma"

    def ready(self) -> None:
        from allauth.account.decorators import secure_admin_login
        from django.contrib import admin

        for name in (CHECKS, *ADMIN_MODULES):
            import_module(name)
        # One log-in for all: its limits and the second factor hold for operators too.
        admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
