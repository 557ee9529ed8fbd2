"""What an engine says about one photo, and how the photos of one case are combined. Plain values, no ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ml.quality import Quality
from ml.releases.loader import Release
from ml.taxonomy import BY_SLUG

ASSESSED, INCONCLUSIVE, UNUSABLE = "assessed", "inconclusive", "unusable"

POOR_IMAGE = "poor_image"
NOT_SKIN = "not_skin"
OUT_OF_DISTRIBUTION = "out_of_distribution"
WIDE_PREDICTION_SET = "wide_prediction_set"
MEMBERS_DISAGREE = "members_disagree"
# With one of these the result is "we cannot judge this"; members that disagree only ask for a human look.
INCONCLUSIVE_REASONS = frozenset({POOR_IMAGE, NOT_SKIN, OUT_OF_DISTRIBUTION, WIDE_PREDICTION_SET})


@dataclass(frozen=True)
class Output:
    """What one network says about N photos: ``logits`` [N, C], ``embedding`` [N, D], ``cam`` [N, C, h, w] or None."""

    logits: np.ndarray
    embedding: np.ndarray
    cam: np.ndarray | None
    milliseconds: float

    def joined(self, other: Output) -> Output:
        """This and, behind it, what the same network says about further photos."""
        cam = None if self.cam is None or other.cam is None else np.concatenate([self.cam, other.cam])
        logits = np.concatenate([self.logits, other.logits])
        embedding = np.concatenate([self.embedding, other.embedding])
        return Output(logits, embedding, cam, self.milliseconds + other.milliseconds)


@dataclass(frozen=True)
class MemberVote:
    """One network's own calibrated opinion (class slug -> 0..1) and its share in the vote."""

    name: str
    weight: float
    probabilities: dict[str, float]


@dataclass(frozen=True)
class PhotoResult:
    """The engine's answer for one photo.

    ``outcome``: assessed, inconclusive (decoded, but the image or the uncertainty forbids naming a disease) or unusable
    (``error`` says why in one sentence, ``error_code`` is the code of ``PhotoError``). ``probabilities`` stand whenever
    the photo decodes. ``heatmaps`` [h, w] uint8 cover the whole upright photo and show what spoke for the likeliest
    class: ``ensemble`` and every member with an exact map; ``focus`` says where (`ml.explain.where`). ``embedding`` [D]
    has length 1. ``timings`` in milliseconds. ``info``: the release as the engine holds it, with its thresholds.
    """

    outcome: str
    error: str = ""
    error_code: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    members: list[MemberVote] = field(default_factory=list)
    quality: Quality | None = None
    prediction_set: tuple[str, ...] = ()
    disagreement: float = 0.0
    ood_score: float = 0.0
    reasons: tuple[str, ...] = ()
    heatmaps: dict[str, np.ndarray] = field(default_factory=dict)
    focus: str = ""
    embedding: np.ndarray | None = None
    timings: dict[str, float] = field(default_factory=dict)
    release: str = ""
    weights_sha256: str = ""
    info: Release | None = field(default=None, repr=False, compare=False)

    @property
    def top(self) -> str:
        """Slug of the likeliest class, empty when unusable."""
        return max(self.probabilities, key=self.probabilities.__getitem__, default="")


@dataclass(frozen=True)
class CaseResult:
    """The photos of one case together; the fields mean what they mean in ``PhotoResult``. See ``combine``."""

    outcome: str
    photos: list[PhotoResult]
    error: str = ""
    error_code: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    members: list[MemberVote] = field(default_factory=list)
    quality: Quality | None = None
    prediction_set: tuple[str, ...] = ()
    disagreement: float = 0.0
    ood_score: float = 0.0
    reasons: tuple[str, ...] = ()
    release: str = ""
    weights_sha256: str = ""
    info: Release | None = field(default=None, repr=False, compare=False)

    @property
    def top(self) -> str:
        """Slug of the likeliest class, empty when unusable."""
        return max(self.probabilities, key=self.probabilities.__getitem__, default="")


def combine(results: Sequence[PhotoResult]) -> CaseResult:
    """Combine the photos of one case.

    One rule: a cancer class gets its highest probability over the photos that decode, every other class its mean. The
    sum may pass 1 and is not scaled back: scaling would let a harmless photo lower a suspicion. The case is assessed
    as soon as one photo is; reasons and prediction set then come from the assessed photos alone. Raises ``ValueError``
    for an empty list.
    """
    if not results:
        raise ValueError("A case has at least one photo.")
    photos = list(results)
    usable = [photo for photo in photos if photo.outcome != UNUSABLE]
    if not usable:
        return CaseResult(UNUSABLE, photos, error=photos[0].error, error_code=photos[0].error_code)
    judged = [photo for photo in usable if photo.outcome == ASSESSED] or usable
    qualities = [photo.quality for photo in usable if photo.quality]
    return CaseResult(
        outcome=judged[0].outcome,
        photos=photos,
        probabilities=_merge([photo.probabilities for photo in usable]),
        members=_average_members(usable),
        quality=max(qualities, key=lambda quality: quality.score, default=None),
        prediction_set=_union(photo.prediction_set for photo in judged),
        disagreement=max(photo.disagreement for photo in usable),
        ood_score=max(photo.ood_score for photo in judged),
        reasons=_union(photo.reasons for photo in judged),
        release=usable[0].release,
        weights_sha256=usable[0].weights_sha256,
        info=usable[0].info,
    )


def _merge(tables: list[dict[str, float]]) -> dict[str, float]:
    return {slug: _merge_class(slug, [table[slug] for table in tables]) for slug in tables[0]}


def _merge_class(slug: str, values: list[float]) -> float:
    return max(values) if BY_SLUG[slug].is_cancer_class else sum(values) / len(values)


def _average_members(photos: list[PhotoResult]) -> list[MemberVote]:
    columns = zip(*(photo.members for photo in photos), strict=True)
    return [replace(votes[0], probabilities=_mean([vote.probabilities for vote in votes])) for votes in columns]


def _mean(tables: list[dict[str, float]]) -> dict[str, float]:
    return {slug: sum(table[slug] for table in tables) / len(tables) for slug in tables[0]}


def _union(groups) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for group in groups for item in group))
