"""The operator's pages: verification of licences, partners, keys; logs are read-only."""

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import models
from django.urls import reverse
from django.utils.html import format_html
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
from accounts.services import partner_key_revoke
from accounts.services_licence import dermatologist_refuse, dermatologist_verify
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

    def get_deleted_objects(self, objs, request):
        """Names the accounts, not what is in them; a legal hold forbids it."""
        holds = [hold.reason for user in objs for hold in user.legal_holds.all()]
        return [str(user) for user in objs], {self.opts.verbose_name_plural: len(objs)}, set(), holds

    def delete_model(self, request, obj):
        account_erase(user=obj)  # a plain delete would leave the files behind

    def delete_queryset(self, request, queryset):
        for user in queryset:
            account_erase(user=user)


class DecisionForm(forms.ModelForm):
    """What the operator decides about a licence; everything else on the page is to be read."""

    VERIFY, REFUSE = "verify", "refuse"
    decision = forms.ChoiceField(
        required=False,
        label=_("Decision"),
        choices=[("", "-"), (VERIFY, _("Licence checked: verify")), (REFUSE, _("Refuse or withdraw"))],
    )
    reason = forms.CharField(required=False, max_length=300, label=_("Reason, shown to the applicant"))

    def clean(self):
        cleaned = super().clean() or {}
        if cleaned.get("decision") == self.REFUSE and not cleaned.get("reason"):
            self.add_error("reason", _("Please say why."))
        return cleaned


@admin.register(DermatologistProfile)
class DermatologistAdmin(admin.ModelAdmin):
    """Licences. A decision goes through its service; who decided what and when stands in the audit log."""

    form = DecisionForm
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    list_display = ("full_name", "licence_country", "licence_number", "standing", "applied_at", "listed")
    list_filter = (("verified_at", admin.EmptyFieldListFilter), "licence_country", "listed")
    ordering = ("-applied_at",)
    readonly_fields = (
        "user", "full_name", "licence_number", "licence_country", "document_link", "applied_at", "standing",
        "verified_at", "verified_by", "refused_at", "refusal_reason",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": readonly_fields}),
        (_("Decision"), {"fields": ("decision", "reason")}),
        (
            _("Clinic in the finder"),
            {"fields": ("listed", "clinic_name", "clinic_address", "clinic_phone", "clinic_website")},
        ),
        (_("Position"), {"fields": ("latitude", "longitude")}),
    )

    def has_add_permission(self, request):
        return False  # dermatologists apply themselves

    @admin.display(description=_("Document"))
    def document_link(self, profile):
        if not profile.document:
            return "-"
        address = reverse("licence_document", args=[profile.pk])
        return format_html('<a href="{}" target="_blank" rel="noopener">{}</a>', address, _("Open the document"))

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        decision = form.cleaned_data["decision"]
        if decision == DecisionForm.VERIFY:
            dermatologist_verify(profile=obj, operator=request.user)
        elif decision == DecisionForm.REFUSE:
            dermatologist_refuse(profile=obj, operator=request.user, reason=form.cleaned_data["reason"])


@admin.register(Partner)
class PartnerAdmin(admin.ModelAdmin):
    list_display = ("name", "plan", "retention_days", "active", "created_at")


@admin.register(PartnerKey)
class PartnerKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "partner", "sandbox", "prefix", "last_four", "expires_at", "revoked_at", "last_used_at")
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
