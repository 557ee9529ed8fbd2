"""Likelihood against the truth: how often photos with this probability turned out to be right in the release's test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

FEW_PHOTOS = 30  # below this the 95 % interval of a share is wider than 3 in 10


@dataclass(frozen=True)
class Likelihood:
    """``in_ten``: 0 means fewer than 1 in 10, 10 more than 9 in 10, None too few ``photos`` to say."""

    in_ten: int | None
    photos: int
    wording: str


def likelihood(*, probability: float, reliability: Sequence[Mapping[str, Any]], condition: str) -> Likelihood:
    """Word a calibrated probability by what happened in the release's test.

    ``reliability``: bins ``{"low", "high", "n", "correct"}`` of ``release.json``: of ``n`` pairs of a test photo and a
    class whose probability was in [low, high), ``correct`` had the class. ``condition``: its name in the reader's
    language.
    Raises ValueError for a probability outside 0 to 1.
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"{probability} is not a probability")
    photos, correct = _similar(probability, reliability)
    if photos < FEW_PHOTOS:
        return Likelihood(None, photos, _few_wording(photos))
    in_ten = int(10 * correct / photos + 0.5)
    return Likelihood(in_ten, photos, _wording(in_ten, condition))


def _similar(probability: float, reliability: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    for one in reliability:
        if one["low"] <= probability < one["high"] or probability == one["high"] == 1:
            return int(one["n"]), int(one["correct"])
    return 0, 0


def _wording(in_ten: int, condition: str) -> str:
    values = {"number": in_ten, "condition": condition}
    if in_ten < 1:
        return _("In our test photos, fewer than 1 in 10 that looked like this were: %(condition)s.") % values
    if in_ten > 9:
        return _("In our test photos, more than 9 in 10 that looked like this were: %(condition)s.") % values
    return _("In our test photos, about %(number)s in 10 that looked like this were: %(condition)s.") % values


def _few_wording(photos: int) -> str:
    if not photos:
        return _("None of our test photos looked like this, so we cannot say how often this is right.")
    return ngettext(
        "Only %(photos)s of our test photos looked like this: too few to say how often this is right.",
        "Only %(photos)s of our test photos looked like this: too few to say how often this is right.",
        photos,
    ) % {"photos": photos}
