"""Rows that are work: queued, held by a worker under a lease, brought back when it died or its message was lost.

The row is the truth, not the broker (rule 5 of the design).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from celery import current_app
from django.conf import settings
from django.db import models
from django.utils import timezone

if TYPE_CHECKING:
    from smartderma.celery import RowTask

RESENT_AT_ONCE = 500


class LeasedQuerySet(models.QuerySet[Any, Any]):
    """For models with `status`, `queued_at` and `lease_until`; `held_by` and `put_back` need a `claim_token` too.

    `lease_setting` names the setting that says how many seconds a worker may hold a row.
    """

    lease_setting: ClassVar[str]
    queued: ClassVar[str] = "queued"
    held: ClassVar[str] = "running"

    def take(self, **values: Any) -> int:
        """Hold those of these rows that are queued; returns how many.

        The conditional UPDATE is the lock: of any number of workers exactly one changes a row.
        """
        return self.filter(status=self.queued).update(
            status=self.held, lease_until=timezone.now() + self._lease(), **values
        )

    def held_by(self, row: Any) -> Self:
        """The row, while whoever claimed it this way still holds it; else nothing."""
        return self.filter(pk=row.pk, status=self.held, claim_token=row.claim_token)

    def put_back(self, **values: Any) -> int:
        """Into the queue again; the token of whoever held them stops counting."""
        return self.update(status=self.queued, claim_token=None, lease_until=None, queued_at=timezone.now(), **values)

    def abandoned(self) -> Self:
        """Held for longer than the lease: the worker died."""
        return self.filter(status=self.held, lease_until__lt=timezone.now())

    def forgotten(self) -> Self:
        """Queued for longer than a lease: the broker may have lost the message."""
        return self.filter(status=self.queued, queued_at__lt=timezone.now() - self._lease())

    def _lease(self) -> timedelta:
        return timedelta(seconds=getattr(settings, self.lease_setting))


def lost_work(*, rows: LeasedQuerySet, task: RowTask) -> list[Any]:
    """As many of the queued rows as wait without a message, the oldest first: a long queue is no lost message.

    `task` must have a queue of its own. Raises OperationalError where the broker is down.
    """
    forgotten = rows.forgotten()
    if not forgotten.exists():
        return []
    lost = rows.filter(status=rows.queued).count() - _messages_waiting(task)
    return list(forgotten.order_by("queued_at")[: min(max(lost, 0), RESENT_AT_ONCE)])


def _messages_waiting(task: RowTask) -> int:
    """How many messages the broker holds in the queue of a task."""
    queue = settings.CELERY_TASK_ROUTES[task.name]["queue"]
    with current_app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1)
        try:
            return connection.default_channel.queue_declare(queue, passive=True).message_count
        except connection.channel_errors:  # an empty queue does not exist
            return 0


def send_again(*, rows: Iterable[Any], send: Callable[[Any], None]) -> int:
    """`send` tells the workers once more of each row, which counts as queued from now on; returns how many."""
    count = 0
    for row in rows:
        type(row).objects.filter(pk=row.pk).update(queued_at=timezone.now())
        send(row)
        count += 1
    return count
