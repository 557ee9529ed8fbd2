from importlib import import_module

from django.apps import AppConfig

ADMIN_MODULES = ("accounts.admin", "diagnosis.admin", "auditlog.admin", "allauth.account.admin", "allauth.mfa.admin")


class SmartdermaConfig(AppConfig):
    """Last of the installed apps: registers the checks and the operator's admin pages."""

    name = "smartderma"

    def ready(self) -> None:
        from smartderma import checks  # noqa: F401  (registers the checks)

        for name in ADMIN_MODULES:
            import_module(name)
