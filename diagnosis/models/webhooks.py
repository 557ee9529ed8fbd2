"""Where partners want to hear of news, and every message to them: the row is the truth, not the broker."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Partner, PartnerKey, User
from diagnosis.models.cases import Case
from smartderma.sealing import unseal

# A try ends after 15 s (diagnosis/webhooks.py); whoever holds a message for longer than this has died.
LEASE = timedelta(seconds=60)
# One slow receiver may keep this many senders waiting, no more; one that fails gets one try at a time.
MOST_AT_ONCE = 2


class WebhookEvent(models.TextChoices):
    ANALYSIS_SUCCEEDED = "analysis.succeeded", _("An analysis is ready")
    ANALYSIS_FAILED = "analysis.failed", _("An analysis failed")
    REVIEW_COMPLETED = "review.completed", _("A dermatologist signed")
    REVIEW_AMENDED = "review.amended", _("A dermatologist changed a signed opinion")
    REPORT_READY = "report.ready", _("A report is ready")
    DATA_ERASED = "data.erased", _("A case was erased")
    WEBHOOK_TEST = "webhook.test", _("A test, sent when you ask for it")


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def of_key(self, key: PartnerKey) -> WebhookEndpointQuerySet:
        return self.filter(partner=key.partner_id, sandbox=key.sandbox)

    def of_contact(self, user: User) -> WebhookEndpointQuerySet:
        """Those of the partners whose contact a person is, with the sandbox."""
        return self.filter(partner__contact=user, partner__active=True)

    def active(self) -> WebhookEndpointQuerySet:
        return self.filter(disabled_at=None)

    def of_case(self, case: Case) -> WebhookEndpointQuerySet:
        """Those of a case's partner; a patient's own case has none."""
        return self.filter(partner=case.partner_id, sandbox=case.sandbox)

    def unmailed(self) -> WebhookEndpointQuerySet:
        """Switched off by us, and nobody has told the partner yet."""
        return self.filter(
            disabled_reason__in=[WebhookEndpoint.Disabled.GONE, WebhookEndpoint.Disabled.FAILING], mailed_at=None
        )


class WebhookEndpoint(models.Model):
    """An HTTPS address of a partner. Its secrets are sealed (smartderma/sealing.py) and shown once."""

    class Disabled(models.TextChoices):
        BY_PARTNER = "by_partner", _("You switched it off.")
        GONE = "gone", _("The receiver answered 410 Gone.")
        FAILING = "failing", _("The receiver failed for about three days.")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="webhook_endpoints")
    sandbox = models.BooleanField(default=False, help_text="Hears of what sandbox keys do, and of nothing else.")
    url = models.CharField(_("Address"), max_length=500)
    description = models.CharField(_("Description"), max_length=200, blank=True)
    events = models.JSONField(_("Events"), default=list, help_text="Event types; every type when empty.", blank=True)
    secret = models.TextField(editable=False)
    previous_secret = models.TextField(blank=True, editable=False)
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    quiet_until = models.DateTimeField(null=True, editable=False, help_text="No try before this time.")
    told_at = models.DateTimeField(null=True, editable=False, help_text="When the sweeper told the workers of it.")
    disabled_at = models.DateTimeField(null=True, editable=False)
    disabled_reason = models.CharField(max_length=16, choices=Disabled.choices, blank=True, editable=False)
    mailed_at = models.DateTimeField(null=True, editable=False, help_text="When its partner heard that it is off.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(disabled_at=None, disabled_reason="")
                | Q(disabled_at__isnull=False) & ~Q(disabled_reason=""),
                name="disabled_endpoint_says_why",
            ),
            models.CheckConstraint(
                condition=Q(previous_secret="", previous_secret_until=None)
                | ~Q(previous_secret="") & Q(previous_secret_until__isnull=False),
                name="previous_secret_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None

    def wants(self, event: str) -> bool:
        return not self.events or event in self.events or event == WebhookEvent.WEBHOOK_TEST

    def secrets_in_force(self, now: datetime) -> list[str]:
        """What a message is signed with: the secret and, for a while after a rotation, the one before it."""
        overlap = self.previous_secret_until is not None and now < self.previous_secret_until
        return [unseal(sealed) for sealed in (self.secret, *([self.previous_secret] if overlap else []))]

    @property
    def may_be_tried(self) -> bool:
        """False while it is switched off, was told off for failing a moment ago, or keeps enough senders waiting."""
        now = timezone.now()
        if not self.is_active or (self.quiet_until and now < self.quiet_until):
            return False
        held = self.deliveries.filter(status=WebhookDelivery.Status.SENDING, lease_until__gte=now).count()
        return held < (1 if self.failing_since else MOST_AT_ONCE)


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def due(self) -> WebhookDeliveryQuerySet:
        """Pending and due, or held by a sender that died."""
        now = timezone.now()
        return self.filter(
            Q(status=WebhookDelivery.Status.PENDING, next_attempt_at__lte=now)
            | Q(status=WebhookDelivery.Status.SENDING, lease_until__lt=now)
        )

    def claim(self, endpoint_id: uuid.UUID | str) -> WebhookDelivery | None:
        """Take the next due message to an endpoint; None when there is none or the endpoint may not be tried now.

        The conditional UPDATE is the lock, as in `AnalysisQuerySet.claim`; who loses the race takes the next one.
        """
        endpoint = WebhookEndpoint.objects.filter(pk=endpoint_id).first()
        while endpoint and endpoint.may_be_tried:
            delivery = self.due().filter(endpoint=endpoint).order_by("next_attempt_at", "pk").first()
            if delivery is None:
                break
            if self._take(delivery):
                return self.select_related("endpoint__partner").get(pk=delivery.pk)
        return None

    def _take(self, delivery: WebhookDelivery) -> int:
        """1 when this caller changed the row."""
        return (
            self.due()
            .filter(pk=delivery.pk, claim_token=delivery.claim_token)
            .update(
                status=WebhookDelivery.Status.SENDING,
                claim_token=uuid.uuid4(),
                attempts=F("attempts") + 1,
                lease_until=timezone.now() + LEASE,
            )
        )


class WebhookDelivery(models.Model):
    """One message to one endpoint; ids and states only. It goes away with the case that it is about.

    Its id is the `webhook-id` of every try and replay, so that a receiver can tell a repetition.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting")
        SENDING = "sending", _("On its way")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Given up")

    TRANSITIONS = {
        Status.PENDING: {Status.SENDING, Status.FAILED},
        Status.SENDING: {Status.PENDING, Status.SENDING, Status.DELIVERED, Status.FAILED},
        Status.DELIVERED: {Status.PENDING},
        Status.FAILED: {Status.PENDING},
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    case = models.ForeignKey(Case, null=True, blank=True, on_delete=models.CASCADE, related_name="webhook_deliveries")
    event = models.CharField(max_length=32, choices=WebhookEvent.choices)
    payload = models.JSONField()
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now)
    claim_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["pending", "sending", "delivered", "failed"]), name="delivery_status_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(status="pending") | Q(next_attempt_at__isnull=False), name="pending_delivery_has_a_time"
            ),
            models.CheckConstraint(
                condition=~Q(status="sending") | Q(claim_token__isnull=False, lease_until__isnull=False),
                name="sending_delivery_has_a_lease",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["delivered", "failed"]) | Q(finished_at__isnull=False),
                name="finished_delivery_has_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "next_attempt_at"], name="delivery_sweep"),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="delivery_log"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"

    @property
    def message_id(self) -> str:
        return f"msg_{self.pk.hex}"

    @property
    def is_over(self) -> bool:
        return self.status in {self.Status.DELIVERED, self.Status.FAILED}


class WebhookAttempt(models.Model):
    """One try to deliver: what came back. No body and no header of the receiver is kept."""

    class Error(models.TextChoices):
        """Why there is no status: the codes of `smartderma.outbound.post`."""

        ADDRESS_REFUSED = "address_refused", _("The name leads to an address that is not public.")
        NAME_NOT_FOUND = "name_not_found", _("The name was not found.")
        TIMEOUT = "timeout", _("The receiver took longer than 15 seconds.")
        CERTIFICATE_REFUSED = "certificate_refused", _("The certificate is not valid for this name.")
        CONNECTION_FAILED = "connection_failed", _("No connection could be made.")
        BAD_ANSWER = "bad_answer", _("The answer was not HTTP.")
        INTERNAL = "internal", _("Something went wrong on our side.")

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField(default=timezone.now, editable=False)
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=32, choices=Error.choices, blank=True)
    milliseconds = models.PositiveIntegerField()

    class Meta:
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.status_code or self.error}"
