"""Partners' keys, plans and what they used. Keyword-only, named noun_verb, each in one transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import KeyUsage, Partner, PartnerKey, Scope
from accounts.services import partner_key_create

# `last_used_at` is for people who look for forgotten keys: once a minute is often enough.
TOUCH_SECONDS = 60
OVERLAP_DAYS = (0, 1, 7, 30)
COUNTED = ("requests", "refused", "analyses")


@dataclass(frozen=True)
class Limits:
    """What a plan allows: requests of one key a minute, analyses of the partner a month and at one time."""

    requests_per_minute: int
    analyses_per_month: int
    concurrent: int


class QuotaExceeded(Exception):
    """The partner's analyses of this month are used up; `until` is when the next month begins."""

    def __init__(self, until: datetime) -> None:
        self.until = until
        super().__init__(str(_("The analyses of this month are used up.")))


def limits_of(partner: Partner) -> Limits:
    return Limits(**settings.PARTNER_PLANS[partner.plan])


def key_touch(*, key: PartnerKey) -> None:
    """Note that a key was used, at most once a minute."""
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - timedelta(seconds=TOUCH_SECONDS))
    if key.last_used_at is None or now - key.last_used_at > timedelta(seconds=TOUCH_SECONDS):
        PartnerKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)


@transaction.atomic
def partner_key_rotate(*, key: PartnerKey, overlap_days: int) -> tuple[PartnerKey, str]:
    """A successor with the same name, scopes and kind; the old key works for `overlap_days` more.

    Raises ValidationError when the key is over or has a successor already.
    """
    key = PartnerKey.objects.select_for_update().get(pk=key.pk)
    if not key.is_usable or hasattr(key, "replaced_by"):
        raise ValidationError(_("This key is over or has been replaced. Please create a new one."))
    new, text = partner_key_create(partner=key.partner, name=key.name, scopes=key.scopes, sandbox=key.sandbox)
    PartnerKey.objects.filter(pk=new.pk).update(replaces=key)
    end = timezone.now() + timedelta(days=overlap_days)
    key.expires_at = min(end, key.expires_at) if key.expires_at else end
    key.save(update_fields=["expires_at"])
    return new, text


def partner_key_change(*, key: PartnerKey, scopes: Collection[str], expires_at: datetime | None) -> None:
    """Give a key other scopes or another end. Raises ValidationError for an unknown scope."""
    unknown = set(scopes) - set(Scope.values)
    if unknown:
        raise ValidationError(_("Unknown scope: %(names)s.") % {"names": ", ".join(sorted(unknown))})
    PartnerKey.objects.filter(pk=key.pk, revoked_at=None).update(scopes=sorted(scopes), expires_at=expires_at)


def usage_record(*, key: PartnerKey, requests: int = 0, refused: int = 0, analyses: int = 0) -> None:
    """Add to what a key did today (UTC): one UPDATE, or the day's first row."""
    day = timezone.now().date()
    counts = {"requests": requests, "refused": refused, "analyses": analyses}
    more = {name: F(name) + count for name, count in counts.items() if count}
    if KeyUsage.objects.filter(key=key, day=day).update(**more):
        return
    try:
        with transaction.atomic():
            KeyUsage.objects.create(key=key, day=day, **counts)
    except IntegrityError:  # another request of this key was the day's first
        KeyUsage.objects.filter(key=key, day=day).update(**more)


def analyses_this_month(*, partner: Partner, sandbox: bool) -> int:
    """Analyses of the calendar month (UTC), also those that were erased since."""
    first = month_start(timezone.now().date())
    rows = KeyUsage.objects.filter(key__partner=partner, key__sandbox=sandbox, day__gte=first)
    return rows.aggregate(sum=Sum("analyses"))["sum"] or 0


def quota_take(*, key: PartnerKey, count: int = 1) -> None:
    """Use up `count` analyses of the month. Raises QuotaExceeded. Inside the transaction that makes the analyses.

    The partner's row is the lock, so that of many requests at once none passes the limit unseen.
    """
    partner = Partner.objects.select_for_update().get(pk=key.partner_id)
    if analyses_this_month(partner=partner, sandbox=key.sandbox) + count > limits_of(partner).analyses_per_month:
        raise QuotaExceeded(next_month())
    usage_record(key=key, analyses=count)


def usage_by_day(*, partner: Partner, sandbox: bool, days: int) -> list[dict[str, Any]]:
    """One row per day (UTC) of the last `days`, the oldest first, also for days without any use."""
    today = timezone.now().date()
    first = today - timedelta(days=days - 1)
    rows = KeyUsage.objects.filter(key__partner=partner, key__sandbox=sandbox, day__gte=first)
    sums = rows.order_by().values("day").annotate(**{name: Sum(name) for name in COUNTED})
    by_day: dict[date, dict[str, Any]] = {row["day"]: {**row} for row in sums}
    nothing = dict.fromkeys(COUNTED, 0)
    wanted = [first + timedelta(days=number) for number in range(days)]
    return [by_day.get(day, {"day": day, **nothing}) for day in wanted]


def month_start(day: date) -> date:
    return day.replace(day=1)


def next_month() -> datetime:
    """When the quota starts again: midnight UTC of the first of next month."""
    now = timezone.now()
    year, month = divmod(now.year * 12 + now.month, 12)
    return datetime(year, month + 1, 1, tzinfo=now.tzinfo)
