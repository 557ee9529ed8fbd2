"""The operator's pages: verification of licences, partners, keys; logs are read-only."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.utils.translation import gettext_lazy as _

from accounts.models import (
    AccessLog,
    Consent,
    DermatologistProfile,
    ErasureCertificate,
    LegalHold,
    Partner,
    PartnerKey,
    User,
)
from accounts.services import dermatologist_verify, partner_key_revoke
from accounts.services_own_data import account_erase, hold_place


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that nobody adds, changes or deletes by hand."""

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(User)
class AccountAdmin(UserAdmin):
    ordering = ("pk",)
    list_display = ("email", "pseudonym", "role", "is_active", "date_joined")
    list_filter = ("role", "is_active")
    search_fields = ("email", "pseudonym")
    readonly_fields = ("pseudonym", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "password", "role", "language", "pseudonym")}),
        (_("Rights"), {"fields": ("is_active", "is_staff", "is_superuser")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "role", "password1", "password2")}),)

    def delete_model(self, request, obj):
        account_erase(user=obj)  # a plain delete would leave the files behind

    def delete_queryset(self, request, queryset):
        for user in queryset:
            account_erase(user=user)


@admin.register(DermatologistProfile)
class DermatologistAdmin(admin.ModelAdmin):
    list_display = ("full_name", "licence_country", "licence_number", "verified_at", "listed")
    list_filter = ("licence_country", "listed")
    readonly_fields = ("verified_at", "verified_by")
    actions = ("verify",)

    @admin.action(description=_("Licence checked: verify"))
    def verify(self, request, queryset):
        for profile in queryset.filter(verified_at=None):
            dermatologist_verify(profile=profile, operator=request.user)


@admin.register(Partner)
class PartnerAdmin(admin.ModelAdmin):
    list_display = ("name", "active", "created_at")


@admin.register(PartnerKey)
class PartnerKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "partner", "prefix", "last_four", "created_at", "expires_at", "revoked_at", "last_used_at")
    exclude = ("digest",)
    actions = ("revoke",)

    @admin.action(description=_("Revoke at once"))
    def revoke(self, request, queryset):
        for key in queryset:
            partner_key_revoke(key=key)


@admin.register(Consent)
class ConsentAdmin(ReadOnlyAdmin):
    list_display = ("user", "purpose", "version", "granted_at", "withdrawn_at")
    list_select_related = ("user",)


@admin.register(AccessLog)
class AccessLogAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "partner", "action", "object_type", "object_id")
    list_select_related = ("actor", "partner")
    list_filter = ("action", "object_type")


@admin.register(LegalHold)
class LegalHoldAdmin(admin.ModelAdmin):
    """Placed by `services_own_data.hold_place`, never changed; deleting the row ends the hold."""

    list_display = ("user", "placed_by", "placed_at")
    list_select_related = ("user", "placed_by")
    fields = ("user", "reason")
    raw_id_fields = ("user",)

    def has_change_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        placed = hold_place(user=obj.user, reason=obj.reason, operator=request.user)
        obj.pk = placed.pk


@admin.register(ErasureCertificate)
class ErasureCertificateAdmin(ReadOnlyAdmin):
    list_display = ("id", "scope", "files", "erased_at")
    list_filter = ("scope",)
