"""Two photos of one spot: which ones, and what can be chosen instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from diagnosis.models import Case, CaseImage, Shot


@dataclass(frozen=True)
class ShownPhoto:
    """A photo in the comparison with the check that it belongs to."""

    id: str
    case: Case
    at: datetime
    shot_label: str
    width: int
    height: int


@dataclass(frozen=True)
class Comparison:
    """The earlier and the later photo, and all photos to choose from, oldest first."""

    before: ShownPhoto
    after: ShownPhoto
    choices: list[ShownPhoto]

    @property
    def shown(self) -> tuple[ShownPhoto, ShownPhoto]:
        return self.before, self.after


def comparison(visits: Sequence[Case], *, before: str = "", after: str = "") -> Comparison | None:
    """`before` and `after` are ids of photos; without them the first and the last of the same kind of shot.

    None when the spot has fewer than two photos or an id is not one of them.
    """
    photos = [_shown(case, image) for case in visits for image in case.images.all()]
    by_id = {photo.id: photo for photo in photos}
    if len(photos) < 2 or any(wanted and wanted not in by_id for wanted in (before, after)):
        return None
    first, last = _pair(visits, photos)
    return Comparison(by_id.get(before, first), by_id.get(after, last), photos)


def _shown(case: Case, image: CaseImage) -> ShownPhoto:
    label = str(Shot(image.shot).label)
    return ShownPhoto(str(image.pk), case, case.created_at, label, image.width, image.height)


def _pair(visits: Sequence[Case], photos: list[ShownPhoto]) -> tuple[ShownPhoto, ShownPhoto]:
    """The last check's first photo against the oldest photo of the same kind, else against the oldest of all."""
    last_visit = [photo for photo in photos if photo.case.pk == photos[-1].case.pk]
    last = last_visit[0]
    others = [photo for photo in photos if photo.id != last.id]
    same = [photo for photo in others if photo.shot_label == last.shot_label]
    return (same or others)[0], last
