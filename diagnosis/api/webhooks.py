"""`webhook-endpoints` and `webhook-deliveries`: where a partner hears of news, and the log of what it was told."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from diagnosis import access, services
from diagnosis.api.shared import PartnerResource, key_of
from diagnosis.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from smartderma.api import Conflict
from smartderma.api_fields import NullForEmpty, StrictSerializer, SwitchField, TextField

SCOPES = dict.fromkeys(("get", "post", "patch", "delete"), "webhook:manage")


@extend_schema_serializer(component_name="WebhookEndpoint")
class EndpointBody(serializers.ModelSerializer):
    """An address that hears of news. `events` is empty for all of them."""

    events = serializers.ListField(child=serializers.ChoiceField(WebhookEvent.choices))
    active = serializers.BooleanField(source="is_active")
    disabled_reason = NullForEmpty(WebhookEndpoint.Disabled.choices)

    class Meta:
        model = WebhookEndpoint
        fields = (
            "id",
            "url",
            "description",
            "events",
            "active",
            "disabled_reason",
            "disabled_at",
            "failing_since",
            "previous_secret_until",
            "created_at",
        )
        read_only_fields = fields


@extend_schema_serializer(component_name="WebhookEndpointWithSecret")
class EndpointWithSecret(EndpointBody):
    """The same with the secret, which is shown this once."""

    secret = serializers.CharField(read_only=True, help_text="`whsec_` and base64; keep it where your receiver runs.")

    class Meta:
        model = WebhookEndpoint
        fields = read_only_fields = (*EndpointBody.Meta.fields, "secret")


@extend_schema_serializer(component_name="WebhookEndpointRequest")
class EndpointRequest(StrictSerializer):
    """`url` must be https and lead to a public server."""

    url = TextField(max_length=500)
    description = TextField(max_length=200, required=False, allow_blank=True)
    events = serializers.ListField(
        child=serializers.ChoiceField(WebhookEvent.choices), required=False, max_length=20, help_text="Empty: all."
    )


@extend_schema_serializer(component_name="WebhookEndpointChange")
class EndpointChange(EndpointRequest):
    """Only what is sent changes. `active: false` switches the endpoint off; what waits is given up."""

    active = SwitchField(required=False)


@extend_schema_serializer(component_name="WebhookAttempt")
class AttemptBody(serializers.ModelSerializer):
    """One try. `error` says why there is no status."""

    error = NullForEmpty(WebhookAttempt.Error.choices)

    class Meta:
        model = WebhookAttempt
        fields = ("at", "status_code", "error", "milliseconds")
        read_only_fields = fields


@extend_schema_serializer(component_name="WebhookDelivery")
class DeliveryBody(serializers.ModelSerializer):
    """One message to one endpoint. `message_id` is the `webhook-id` header of every try."""

    message_id = serializers.CharField()
    event = serializers.ChoiceField(WebhookEvent.choices)
    payload = serializers.DictField(help_text="What is sent: `type`, `timestamp`, `data` with ids.")
    status = serializers.ChoiceField(WebhookDelivery.Status.choices)
    tries = AttemptBody(many=True)

    class Meta:
        model = WebhookDelivery
        fields = (
            "id",
            "message_id",
            "endpoint",
            "event",
            "payload",
            "status",
            "attempts",
            "next_attempt_at",
            "created_at",
            "finished_at",
            "tries",
        )
        read_only_fields = fields


class WebhookEndpointViewSet(PartnerResource):
    """Create, read, change, rotate, test and delete endpoints."""

    serializer_class = EndpointBody
    scopes = SCOPES
    queryset = WebhookEndpoint.objects.none()

    @extend_schema(responses={200: EndpointBody(many=True)})
    def list(self, request: Request) -> Response:
        """Your endpoints, newest first."""
        page = self.paginate_queryset(access.webhook_endpoints(key_of(request)))
        return self.get_paginated_response(EndpointBody(page, many=True).data)

    @extend_schema(request=EndpointRequest, responses={201: EndpointWithSecret, 409: None})
    def create(self, request: Request) -> Response:
        """A new endpoint. The answer holds its secret, this once."""
        form = EndpointRequest(data=request.data)
        form.is_valid(raise_exception=True)
        key = key_of(request)
        try:
            made = services.endpoint_create(partner=key.partner, sandbox=key.sandbox, **form.validated_data)
        except services.WrongState as reason:
            raise Conflict(str(reason)) from reason
        headers = {"Location": reverse("webhook-endpoint-detail", args=[made[0].pk])}
        return Response(with_secret(*made), status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(responses={200: EndpointBody})
    def retrieve(self, request: Request, pk: uuid.UUID) -> Response:
        """One endpoint, without its secret."""
        return Response(EndpointBody(access.webhook_endpoint_get(key_of(request), pk)).data)

    @extend_schema(request=EndpointChange, responses={200: EndpointBody})
    def partial_update(self, request: Request, pk: uuid.UUID) -> Response:
        """Change the address, the events or the description; switch the endpoint off or on."""
        endpoint = access.webhook_endpoint_get(key_of(request), pk)
        form = EndpointChange(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        return Response(EndpointBody(services.endpoint_update(endpoint=endpoint, **form.validated_data)).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: uuid.UUID) -> Response:
        """Delete the endpoint with its log."""
        services.endpoint_delete(endpoint=access.webhook_endpoint_get(key_of(request), pk))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={200: EndpointWithSecret})
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: uuid.UUID) -> Response:
        """A new secret, shown this once; for 24 hours messages carry a signature of the old one too."""
        endpoint = access.webhook_endpoint_get(key_of(request), pk)
        return Response(with_secret(*services.endpoint_rotate(endpoint=endpoint)))

    @extend_schema(request=None, responses={202: DeliveryBody, 409: None})
    @action(detail=True, methods=["post"], url_path="test")
    def send_test(self, request: Request, pk: uuid.UUID) -> Response:
        """Send `webhook.test` to the endpoint; read the delivery to see what came of it."""
        endpoint = access.webhook_endpoint_get(key_of(request), pk)
        try:
            delivery = services.endpoint_test(endpoint=endpoint)
        except services.WrongState as reason:
            raise Conflict(str(reason)) from reason
        return accepted(delivery)


class DeliveryQuery(serializers.Serializer):
    """What a list of deliveries can be narrowed to."""

    endpoint = serializers.UUIDField(required=False)
    status = serializers.ChoiceField(WebhookDelivery.Status.choices, required=False)
    event = serializers.ChoiceField(WebhookEvent.choices, required=False)


class WebhookDeliveryViewSet(PartnerResource):
    """The log of messages, and their replay."""

    serializer_class = DeliveryBody
    scopes = SCOPES
    queryset = WebhookDelivery.objects.none()

    @extend_schema(parameters=[DeliveryQuery], responses={200: DeliveryBody(many=True)})
    def list(self, request: Request) -> Response:
        """Messages of the last days, newest first."""
        query = DeliveryQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        page = self.paginate_queryset(access.webhook_deliveries(key_of(request)).filter(**query.validated_data))
        return self.get_paginated_response(DeliveryBody(page, many=True).data)

    @extend_schema(responses={200: DeliveryBody})
    def retrieve(self, request: Request, pk: uuid.UUID) -> Response:
        """One message with its tries."""
        return Response(DeliveryBody(access.webhook_delivery_get(key_of(request), pk)).data)

    @extend_schema(request=None, responses={202: DeliveryBody, 409: None})
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: uuid.UUID) -> Response:
        """Send a finished message again, with the same id and a new timestamp."""
        delivery = access.webhook_delivery_get(key_of(request), pk)
        try:
            return accepted(services.delivery_replay(delivery=delivery))
        except services.WrongState as reason:
            raise Conflict(str(reason)) from reason


def with_secret(endpoint: WebhookEndpoint, secret: str) -> dict[str, Any]:
    """The body of an endpoint with the text of its secret."""
    return {**EndpointBody(endpoint).data, "secret": secret}


def accepted(delivery: WebhookDelivery) -> Response:
    """202 with the message and where to see what comes of it."""
    headers = {"Location": reverse("webhook-delivery-detail", args=[delivery.pk]), "Retry-After": "2"}
    return Response(DeliveryBody(delivery).data, status=status.HTTP_202_ACCEPTED, headers=headers)
