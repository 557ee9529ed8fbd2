"""How much of what is no covered skin condition a release refuses, by category, asked through the serving engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ml.evaluation.metrics import proportion
from ml.evaluation.strange import DISEASE, DRAWN, PHOTOGRAPH, Strange

if TYPE_CHECKING:
    from ml.serving import Engine, PhotoResult

SCORE = "out_of_distribution"
ASKED_AT_ONCE = 8


def check_refusals(engine: Engine, pictures: Sequence[Strange], *, progress=lambda rows: rows) -> dict[str, Any]:
    """For each category and kind: pictures, refused by the out-of-distribution score alone, and by any check
    (unusable file, poor photo, no skin, score, wide prediction set, members apart)."""
    found: dict[tuple[str, str], list[PhotoResult]] = defaultdict(list)
    for start in progress(range(0, len(pictures), ASKED_AT_ONCE)):
        batch = pictures[start : start + ASKED_AT_ONCE]
        for picture, result in zip(batch, engine.predict([one.data for one in batch]), strict=True):
            found[picture.kind, picture.category].append(result)
    kinds = {kind: [r for (k, _), results in found.items() if k == kind for r in results] for kind in KINDS}
    return {
        "false_rejection": "5 % of validation photos, by the choice of the limit",
        "categories": [
            {"kind": kind, "category": category, **_count(results)} for (kind, category), results in found.items()
        ],
        "kinds": {kind: _count(results) for kind, results in kinds.items() if results},
    }


KINDS = (PHOTOGRAPH, DRAWN, DISEASE)


def _count(results: Sequence[PhotoResult]) -> dict[str, Any]:
    by_score = sum(SCORE in result.reasons for result in results)
    by_anything = sum(result.outcome != "assessed" for result in results)
    return {
        "n": len(results),
        "by_score": proportion(by_score, len(results)),
        "by_any_check": proportion(by_anything, len(results)),
    }
