"""A candidate release beside the active one, on the same cases: figures from pairs of answers. Pure: no database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from diagnosis.numbers.statistics import LEAST_FOR_SHARE, Estimate, kappa, quantile, share
from diagnosis.numbers.words import SKIN_PAIRS
from diagnosis.triage.facts import tier_rank

MELANOMA = "melanoma"
URGENT = tier_rank("urgent")


@dataclass(frozen=True)
class Answer:
    """What one release said of one case.

    `alarm`: its melanoma probability reached its own threshold. `tier`: of all rules. `milliseconds`: of all photos.
    """

    release: str
    top: str
    tier: str
    judged: bool
    strange: bool
    alarm: bool
    milliseconds: int


@dataclass(frozen=True)
class Pair:
    """Both answers; `signed` is the diagnosis of the dermatologists, "" while nobody signed one."""

    active: Answer
    candidate: Answer
    signed: str = ""
    skin_type: str = ""


@dataclass(frozen=True)
class Both:
    """One figure of the active and of the candidate release; None where nothing was counted."""

    active: Estimate | None
    candidate: Estimate | None

    @property
    def is_small(self) -> bool:
        """Too few to say anything; the rule of the other figures of this site."""
        return self.active is None or self.active.n < LEAST_FOR_SHARE


@dataclass(frozen=True)
class Comparison:
    """Everything that the page shows."""

    n: int
    agreement: Estimate | None
    kappa: Estimate | None
    classes: tuple[str, ...]
    matrix: dict[tuple[str, str], int]
    tiers: dict[tuple[str, str], int]
    raised: int
    lowered: int
    lowered_urgent: int
    abstained: Both
    strange: Both
    milliseconds: dict[str, tuple[int | None, int | None]]
    signed: int
    accuracy: Both
    sensitivity: Both
    accuracy_by_skin: dict[str, Both]


def compare(pairs: Sequence[Pair]) -> Comparison:
    """All figures of these pairs."""
    matrix = Counter((pair.active.top, pair.candidate.top) for pair in pairs)
    tiers = Counter((pair.active.tier, pair.candidate.tier) for pair in pairs)
    signed = [pair for pair in pairs if pair.signed]
    same = sum(count for (one, other), count in matrix.items() if one == other)
    return Comparison(
        n=len(pairs),
        agreement=share(same, len(pairs)),
        kappa=kappa(matrix),
        classes=tuple(sorted({name for pair in matrix for name in pair})),
        matrix=dict(matrix),
        tiers=dict(tiers),
        raised=_moved(tiers, lambda old, new: new > old),
        lowered=_moved(tiers, lambda old, new: new < old),
        lowered_urgent=_moved(tiers, lambda old, new: new < URGENT <= old),
        abstained=_both(pairs, lambda answer, _pair: not answer.judged),
        strange=_both(pairs, lambda answer, _pair: answer.strange),
        milliseconds={"active": _times(p.active for p in pairs), "candidate": _times(p.candidate for p in pairs)},
        signed=len(signed),
        accuracy=_right(signed),
        sensitivity=_both([pair for pair in signed if pair.signed == MELANOMA], lambda answer, _pair: answer.alarm),
        accuracy_by_skin=_by_skin(signed),
    )


def _moved(tiers: Counter[tuple[str, str]], test: Callable[[int, int], bool]) -> int:
    return sum(count for (old, new), count in tiers.items() if test(tier_rank(old), tier_rank(new)))


def _both(pairs: Sequence[Pair], test: Callable[[Answer, Pair], bool]) -> Both:
    """The share of the pairs for which `test` holds, for either release."""
    active = sum(test(pair.active, pair) for pair in pairs)
    candidate = sum(test(pair.candidate, pair) for pair in pairs)
    return Both(share(active, len(pairs)), share(candidate, len(pairs)))


def _right(signed: Sequence[Pair]) -> Both:
    """Likeliest condition = signed diagnosis; an answer that was withheld counts by what it would have said."""
    return _both(signed, lambda answer, pair: answer.top == pair.signed)


def _by_skin(signed: Sequence[Pair]) -> dict[str, Both]:
    groups = ("I-II", "III-IV", "V-VI", "")
    return {group: _right([pair for pair in signed if SKIN_PAIRS.get(pair.skin_type, "") == group]) for group in groups}


def _times(answers: Iterable[Answer]) -> tuple[int | None, int | None]:
    """Median and 95th percentile in milliseconds."""
    counts = Counter(answer.milliseconds for answer in answers)
    return quantile(counts, 0.5), quantile(counts, 0.95)
