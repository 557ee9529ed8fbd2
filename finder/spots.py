"""A place on the map that a person named."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spot:
    """`key` finds it again ("G" + GeoNames number, or "N", "W", "R" + OpenStreetMap number); `country` is ISO or ""."""

    key: str
    label: str
    latitude: float
    longitude: float
    country: str = ""
