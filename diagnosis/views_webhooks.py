"""A partner's page for webhooks: where messages go, what came of them, and the buttons of the API for people."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from accounts.decorators import partner_required
from accounts.models import Partner
from accounts.requests import PersonRequest
from diagnosis import access, services
from diagnosis.models import WebhookEndpoint, WebhookEvent
from diagnosis.refusals import refusals_on

PAGE_SIZE = 20


class EndpointForm(forms.Form):
    """A new endpoint; `partner` is asked only of a contact of several."""

    partner = forms.ModelChoiceField(Partner.objects.none(), label=gettext_lazy("Partner"))
    url = forms.CharField(
        label=gettext_lazy("Address of your receiver"),
        max_length=500,
        help_text=gettext_lazy("It must start with https:// and be reachable from the internet."),
        widget=forms.URLInput({"autocomplete": "off", "inputmode": "url"}),
    )
    description = forms.CharField(label=gettext_lazy("Description"), max_length=200, required=False)
    events = forms.MultipleChoiceField(
        label=gettext_lazy("What it should hear of"),
        help_text=gettext_lazy("Choose none to hear of everything."),
        choices=[choice for choice in WebhookEvent.choices if choice[0] != WebhookEvent.WEBHOOK_TEST],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    sandbox = forms.BooleanField(
        label=gettext_lazy("For the sandbox: messages about what test keys do"), required=False
    )

    def __init__(self, *args: Any, user, **options: Any) -> None:
        super().__init__(*args, **options)
        own = user.partners.filter(active=True).order_by("name")
        hidden = {"initial": own[0].pk, "widget": forms.HiddenInput} if len(own) == 1 else {}
        self.fields["partner"] = forms.ModelChoiceField(own, label=gettext_lazy("Partner"), **hidden)


@partner_required
@require_http_methods(["GET", "HEAD", "POST"])
def webhook_endpoint_list(request: PersonRequest) -> HttpResponse:
    """The endpoints and the form for a new one; its secret is in the answer, this once."""
    form = EndpointForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            endpoint, secret = services.endpoint_create(**form.cleaned_data)
            return _secret_page(request, endpoint, secret)
    page = Paginator(access.webhook_endpoints(request.user), PAGE_SIZE).get_page(request.GET.get("page"))
    status = 422 if form.errors else 200
    return render(request, "diagnosis/webhook_endpoint_list.html", {"page": page, "form": form}, status=status)


@partner_required
@require_http_methods(["GET", "HEAD", "POST"])
def webhook_endpoint(request: PersonRequest, endpoint_id: uuid.UUID) -> HttpResponse:
    """One endpoint with its log; POST does what the pressed button says."""
    endpoint = access.webhook_endpoint_get(request.user, endpoint_id)
    do = ACTIONS.get(request.POST.get("action", ""))
    if request.method == "POST" and do:
        try:
            return do(request, endpoint)
        except services.WrongState as reason:
            messages.info(request, str(reason))
            return redirect("webhook_endpoint", endpoint.pk)
    log = access.webhook_deliveries(request.user).filter(endpoint=endpoint)
    page = Paginator(log, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "diagnosis/webhook_endpoint.html", {"endpoint": endpoint, "page": page})


@partner_required
@require_POST
def webhook_delivery_replay(request: PersonRequest, delivery_id: uuid.UUID) -> HttpResponse:
    """Send a finished message again."""
    delivery = access.webhook_delivery_get(request.user, delivery_id)
    try:
        services.delivery_replay(delivery=delivery)
        messages.success(request, _("The message is on its way again."))
    except services.WrongState as reason:
        messages.info(request, str(reason))
    return redirect("webhook_endpoint", delivery.endpoint_id)


def _test(request: PersonRequest, endpoint: WebhookEndpoint) -> HttpResponse:
    services.endpoint_test(endpoint=endpoint)
    messages.success(request, _("A test message is on its way. Load this page again to see what came of it."))
    return redirect("webhook_endpoint", endpoint.pk)


def _rotate(request: PersonRequest, endpoint: WebhookEndpoint) -> HttpResponse:
    return _secret_page(request, *services.endpoint_rotate(endpoint=endpoint))


def _switch(active: bool) -> Callable[[PersonRequest, WebhookEndpoint], HttpResponse]:
    def switch(request: PersonRequest, endpoint: WebhookEndpoint) -> HttpResponse:
        services.endpoint_update(endpoint=endpoint, active=active)
        return redirect("webhook_endpoint", endpoint.pk)

    return switch


def _delete(request: PersonRequest, endpoint: WebhookEndpoint) -> HttpResponse:
    services.endpoint_delete(endpoint=endpoint)
    messages.success(request, _("The endpoint is deleted."))
    return redirect("webhook_endpoint_list")


def _secret_page(request: PersonRequest, endpoint: WebhookEndpoint, secret: str) -> HttpResponse:
    return render(request, "diagnosis/webhook_secret.html", {"endpoint": endpoint, "secret": secret})


ACTIONS: dict[str, Callable[[PersonRequest, WebhookEndpoint], HttpResponse]] = {
    "test": _test,
    "rotate": _rotate,
    "on": _switch(True),
    "off": _switch(False),
    "delete": _delete,
}
