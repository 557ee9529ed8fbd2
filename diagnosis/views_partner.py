"""A partner's own pages: keys, use and plan, how long cases are kept. The text of a key is shown once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from accounts.decorators import partner_required
from accounts.models import Partner, PartnerKey, Scope
from accounts.requests import PersonRequest
from accounts.services import partner_key_create, partner_key_revoke
from accounts.services_partners import (
    OVERLAP_DAYS,
    analyses_this_month,
    limits_of,
    next_month,
    partner_key_change,
    partner_key_rotate,
    usage_by_day,
)
from diagnosis import access, services

DAYS_SHOWN = 30
CHART_HEIGHT = 100
LIVES = ((30, gettext_lazy("30 days")), (90, gettext_lazy("90 days")), (365, gettext_lazy("1 year")))
OVERLAPS = dict(
    zip(
        OVERLAP_DAYS,
        (gettext_lazy("At once"), gettext_lazy("1 day"), gettext_lazy("7 days"), gettext_lazy("30 days")),
        strict=True,
    )
)


class KeyForm(forms.Form):
    """Name, rights and end of a key; `partner` and `sandbox` are asked only for a new one."""

    partner = forms.ModelChoiceField(Partner.objects.none(), label=gettext_lazy("Partner"))
    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=100, help_text=gettext_lazy("For example the server that will use it.")
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("What it is for"),
        choices=(
            ("live", gettext_lazy("Live: real photos of your patients")),
            ("sandbox", gettext_lazy("Sandbox: tests with drawn photos and fixed answers")),
        ),
        initial="sandbox",
        widget=forms.RadioSelect,
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may do"),
        choices=Scope.choices,
        initial=list(Scope.values),
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("It ends after"),
        choices=(("", gettext_lazy("It does not end by itself")), *LIVES),
        coerce=int,
        empty_value=None,
        required=False,
    )

    def __init__(self, *args: Any, user, **options: Any) -> None:
        super().__init__(*args, **options)
        own = user.partners.filter(active=True).order_by("name")
        cast(forms.ModelChoiceField, self.fields["partner"]).queryset = own
        if len(own) == 1:
            self.fields["partner"].initial = own[0].pk
            self.fields["partner"].widget = forms.HiddenInput()

    @property
    def expires_at(self):
        """When the key ends, None for never."""
        days = self.cleaned_data["days"]
        return timezone.now() + timedelta(days=days) if days else None


class KeyChangeForm(KeyForm):
    """Rights and end of a key that is there."""

    partner = kind = name = None  # type: ignore[assignment]
    days = forms.TypedChoiceField(
        label=gettext_lazy("It ends after"),
        choices=(("", gettext_lazy("As it is now")), (0, gettext_lazy("It does not end by itself")), *LIVES),
        coerce=int,
        empty_value=None,
        required=False,
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        forms.Form.__init__(self, *args, **options)


class RotateForm(forms.Form):
    """How long the old key works beside the new one."""

    overlap = forms.TypedChoiceField(
        label=gettext_lazy("The old key ends"), choices=tuple(OVERLAPS.items()), coerce=int, initial=7
    )


class RetentionForm(forms.Form):
    """How long cases of the partner are kept."""

    days = forms.IntegerField(
        label=gettext_lazy("Days until a case is erased"),
        min_value=1,
        max_value=3650,
        help_text=gettext_lazy("Photos, results and reports go together. A shorter time also counts for older cases."),
    )


@partner_required
@require_http_methods(["GET", "HEAD", "POST"])
def partner_key_list(request: PersonRequest) -> HttpResponse:
    """The keys and the form for a new one; its text is in the answer, this once."""
    form = KeyForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        key, text = partner_key_create(
            partner=values["partner"],
            name=values["name"],
            scopes=values["scopes"],
            sandbox=values["kind"] == "sandbox",
            expires_at=form.expires_at,
        )
        return _text_page(request, key, text)
    keys = access.partner_keys(request.user)
    status = 422 if form.errors else 200
    return render(request, "diagnosis/partner_key_list.html", {"keys": keys, "form": form}, status=status)


@partner_required
@require_http_methods(["GET", "HEAD", "POST"])
def partner_key(request: PersonRequest, key_id: uuid.UUID) -> HttpResponse:
    """One key; POST does what the pressed button says."""
    key = access.partner_key_get(request.user, key_id)
    do = ACTIONS.get(request.POST.get("action", ""))
    if request.method == "POST" and do:
        return do(request, key)
    return _key_page(request, key)


def _key_page(request: PersonRequest, key: PartnerKey, form: KeyChangeForm | None = None) -> HttpResponse:
    context = {"key": key, "rotate": RotateForm(), "form": form or KeyChangeForm(initial={"scopes": key.scopes})}
    status = 422 if form else 200
    return render(request, "diagnosis/partner_key.html", context, status=status)


def _rotate(request: PersonRequest, key: PartnerKey) -> HttpResponse:
    form = RotateForm(request.POST)
    if not form.is_valid():
        return redirect("partner_key", key.pk)
    try:
        new, text = partner_key_rotate(key=key, overlap_days=form.cleaned_data["overlap"])
    except ValidationError as error:
        messages.info(request, error.messages[0])
        return redirect("partner_key", key.pk)
    return _text_page(request, new, text)


def _change(request: PersonRequest, key: PartnerKey) -> HttpResponse:
    form = KeyChangeForm(request.POST)
    if not form.is_valid():
        return _key_page(request, key, form)
    expires_at = key.expires_at if form.cleaned_data["days"] is None else form.expires_at
    partner_key_change(key=key, scopes=form.cleaned_data["scopes"], expires_at=expires_at)
    messages.success(request, _("The key is changed."))
    return redirect("partner_key", key.pk)


def _revoke(request: PersonRequest, key: PartnerKey) -> HttpResponse:
    partner_key_revoke(key=key)
    messages.success(request, _("The key does not work any more."))
    return redirect("partner_key_list")


def _text_page(request: PersonRequest, key: PartnerKey, text: str) -> HttpResponse:
    return render(request, "diagnosis/partner_key_text.html", {"key": key, "text": text})


ACTIONS: dict[str, Callable[[PersonRequest, PartnerKey], HttpResponse]] = {
    "rotate": _rotate,
    "change": _change,
    "revoke": _revoke,
}


@partner_required
@require_safe
def partner_usage(request: PersonRequest) -> HttpResponse:
    """What was used day by day, as a chart and a table, and what the plan leaves."""
    partner, sandbox = _partner(request), "sandbox" in request.GET
    limits = limits_of(partner)
    used = analyses_this_month(partner=partner, sandbox=sandbox)
    days = usage_by_day(partner=partner, sandbox=sandbox, days=DAYS_SHOWN)
    context = {
        "partner": partner,
        "sandbox": sandbox,
        "limits": limits,
        "used": used,
        "left": max(limits.analyses_per_month - used, 0),
        "percent": min(round(100 * used / max(limits.analyses_per_month, 1)), 100),
        "resets_at": next_month(),
        "days": days[::-1],
        "chart": chart_of(days),
    }
    return render(request, "diagnosis/partner_usage.html", context)


@partner_required
@require_http_methods(["GET", "HEAD", "POST"])
def partner_settings(request: PersonRequest) -> HttpResponse:
    """How long the partner's cases are kept."""
    partner = _partner(request)
    form = RetentionForm(request.POST or None, initial={"days": partner.retention_days})
    if request.method == "POST" and form.is_valid():
        services.partner_retention_set(partner=partner, days=form.cleaned_data["days"])
        messages.success(request, _("Saved."))
        return redirect(f"{request.path}?partner={partner.pk}")
    status = 422 if form.errors else 200
    return render(request, "diagnosis/partner_settings.html", {"partner": partner, "form": form}, status=status)


def _partner(request: PersonRequest) -> Partner:
    """The partner that the address names, else the first of the person's own. Raises Http404."""
    own = request.user.partners.filter(active=True).order_by("name")
    wanted = request.GET.get("partner", "")
    found = next((partner for partner in own if not wanted or str(partner.pk) == wanted), None)
    if found is None:
        raise Http404
    return found


def chart_of(days: list[dict[str, Any]]) -> dict[str, Any]:
    """Bars of analyses by day: `x`, `y`, `height`, CHART_HEIGHT for the highest; the table says the numbers."""
    highest = max((day["analyses"] for day in days), default=0)
    heights = [round(CHART_HEIGHT * day["analyses"] / max(highest, 1)) for day in days]
    bars = [{"x": 10 * number, "y": CHART_HEIGHT - high, "height": high} for number, high in enumerate(heights)]
    return {"bars": bars, "width": 10 * len(days), "max": highest}
