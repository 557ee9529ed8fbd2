"""The platform's own directory: verified dermatologists who chose to be listed. Needs no key and no network."""

from __future__ import annotations

from typing import cast

from accounts.models import DermatologistProfile
from finder.places import Answer, Place, Query
from finder.values import as_link

METRES_PER_DEGREE = 111_000  # of latitude, rounded down so that the band is never too narrow


class DirectoryProvider:
    source = "directory"
    attribution = ""

    def search(self, query: Query) -> Answer:
        """Every listed practice in the band of latitude; the caller measures and cuts to the circle."""
        band = query.radius_m / METRES_PER_DEGREE + 0.01
        listed = DermatologistProfile.objects.verified().filter(
            listed=True, latitude__range=(query.latitude - band, query.latitude + band)
        )
        return Answer(tuple(_place(profile) for profile in listed))


def _place(profile: DermatologistProfile) -> Place:
    return Place(
        id=f"directory:{profile.pk}",
        verified=True,
        name=", ".join(filter(None, (profile.full_name, profile.clinic_name))),
        # A listed profile has a position: the database makes sure (listed_clinic_has_a_position).
        latitude=cast("float", profile.latitude),
        longitude=cast("float", profile.longitude),
        address=profile.clinic_address,
        phone=profile.clinic_phone,
        website=as_link(profile.clinic_website),
    )
