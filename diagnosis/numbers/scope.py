"""What is counted: the period, and whose cases."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet

from accounts.models import Partner

PATIENTS = "patients"  # of the portal, in the place of a partner's id


@dataclass(frozen=True)
class Scope:
    """Days (UTC), both of them counted; `partner`: "" for all cases, `PATIENTS`, or the id of a partner."""

    first: date
    last: date
    partner: str = ""
    release: str = ""

    @property
    def start(self) -> datetime:
        return datetime.combine(self.first, time.min, UTC)

    @property
    def end(self) -> datetime:
        """The first moment that is not counted any more."""
        return datetime.combine(self.last + timedelta(days=1), time.min, UTC)

    @property
    def earlier(self) -> datetime:
        """Where the period of the same length before this one starts."""
        return self.start - (self.end - self.start)

    @property
    def weeks(self) -> list[datetime]:
        """The Mondays of all weeks that the period touches, the oldest first."""
        monday = self.start - timedelta(days=self.first.weekday())
        count = -((monday - self.end) // timedelta(weeks=1))  # rounded up
        return [monday + timedelta(weeks=number) for number in range(count)]

    @property
    def is_coarse(self) -> bool:
        """Counts of one partner are shown coarsely: see `tables.Table.coarse`.

        So are those of this site's patients where there is a partner: all cases without them are the partners'.
        """
        return bool(self.partner) and (self.partner != PATIENTS or Partner.objects.exists())

    def of(self, rows: QuerySet[Any], case: str = "case__") -> QuerySet[Any]:
        """The rows of cases that count; `case` leads to the case. Cases of the sandbox are nobody's."""
        rows = rows.filter(**{f"{case}sandbox": False}).order_by()
        if self.partner == PATIENTS:
            return rows.filter(**{f"{case}partner": None})
        return rows.filter(**{f"{case}partner": uuid.UUID(self.partner)}) if self.partner else rows

    def within(self, rows: QuerySet[Any], moment: str, case: str = "case__") -> QuerySet[Any]:
        """The rows whose `moment` lies in the period."""
        return self.of(rows, case).filter(**{f"{moment}__gte": self.start, f"{moment}__lt": self.end})
