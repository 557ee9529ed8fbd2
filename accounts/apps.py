from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts, consents and partners"

    def ready(self) -> None:
        """What operators change is written to the audit log, field by field; never passwords, digests or documents."""
        from auditlog.registry import auditlog

        from accounts.models import DermatologistProfile, Partner, PartnerKey, User

        rights = ["role", "is_active", "is_staff", "is_superuser"]
        auditlog.register(User, include_fields=rights)
        decision = ["verified_at", "verified_by", "refused_at", "refusal_reason", "listed"]
        auditlog.register(DermatologistProfile, include_fields=decision)
        auditlog.register(Partner)
        auditlog.register(PartnerKey, exclude_fields=["digest", "last_used_at"])
