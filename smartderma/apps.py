from importlib import import_module

from django.apps import AppConfig

CHECKS = "smartderma.checks"
ADMIN_MODULES = ("accounts.admin", "diagnosis.admin", "auditlog.admin", "allauth.account.admin")


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
