"""Photos and answers in, assessment out: the part of the way that needs no account, database or broker.

The worker and `manage.py diagnose` both come through here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.conf import settings

from diagnosis import triage
from ml.releases.loader import release_info

if TYPE_CHECKING:
    from ml.serving import CaseResult, Engine


class PhotosUnreadable(Exception):
    """No photo of the case could be opened any more; the message is the engine's sentence."""


@dataclass(frozen=True)
class Assessment:
    """What the model and the rules say of a case. `result` is `ml.serving.CaseResult`."""

    result: CaseResult
    triage: triage.Triage

    @property
    def outcome(self) -> str:
        """assessed, or inconclusive where the photo or the uncertainty forbids to name a condition."""
        return "assessed" if self.triage.names_disease else "inconclusive"


def predict(photos: Sequence[bytes], release: str = "") -> CaseResult:
    """Run a release (by default the active one) over the photos of one case. Raises `ml.serving.EngineError`."""
    return predict_cases([photos], release)[0]


def predict_cases(cases: Sequence[Sequence[bytes]], release: str = "") -> list[CaseResult]:
    """The photos of several cases in one call of the engine; one result per case, in order. Raises EngineError."""
    from ml.serving import combine  # a worker's import: onnxruntime stays out of the web

    photos = [photo for case in cases for photo in case]
    found = load_engine(release).predict(photos)
    if len(found) != len(photos):  # or a case would get its neighbour's photo
        raise RuntimeError(f"The engine gave {len(found)} results for {len(photos)} photos.")
    rest = iter(found)
    return [combine(list(islice(rest, len(case)))) for case in cases]


def load_engine(release: str = "") -> Engine:
    """The engine of this process, loaded and warm after the first call. Raises EngineError or ReleaseError."""
    from ml.serving import get_engine

    return get_engine(release or settings.MODEL_RELEASE, settings.INFERENCE_DEVICE)


def facts_for_triage(result: CaseResult | None) -> triage.PredictionFacts | None:
    """The numbers that the rules look at, with the thresholds of the release that made them."""
    if result is None:
        return None
    info = result.info or release_info(result.release)
    return triage.PredictionFacts(
        outcome=result.outcome,
        probabilities=dict(result.probabilities),
        prediction_set=tuple(result.prediction_set),
        reasons=tuple(result.reasons),
        thresholds=dict(info["thresholds"]),
        trained_classes=tuple(info["trained_classes"]),
        fitzpatrick_evidence=info["metrics"].get("test", {}).get("fitzpatrick", {}),
    )


def assess(photos: Sequence[bytes], answers: Mapping[str, Any], release: str = "") -> Assessment:
    """Model (`release`: a pinned one), then rules; `answers` of `questions.clean_answers`. Raises PhotosUnreadable."""
    return judge(predict(photos, release), answers)


def judge(result: CaseResult, answers: Mapping[str, Any]) -> Assessment:
    """The rules' word on what the model said. Raises PhotosUnreadable."""
    if result.outcome == "unusable":
        raise PhotosUnreadable(result.error)
    return Assessment(result=result, triage=triage.assess(answers=answers, prediction=facts_for_triage(result)))
