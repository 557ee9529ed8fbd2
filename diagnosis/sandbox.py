"""The sandbox: named drawn photos with fixed answers, and every error on request: tests without patients.

A photo is recognised by its pixels, so the named photos must be sent as they were downloaded (PNG). Any other photo
gets the answer of `DEFAULT`. What is made here is marked, belongs to no queue, counts nowhere and is erased after
SANDBOX_RETENTION_DAYS. Nothing here loads a model.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from PIL import Image

from diagnosis import triage
from diagnosis.active_release import active_release
from diagnosis.assessment import Assessment, facts_for_triage
from diagnosis.demo import draw_photo
from ml.releases.loader import release_info
from ml.taxonomy import SLUGS
from smartderma.api import Problem

if TYPE_CHECKING:
    from diagnosis.models import Analysis
    from ml.quality import Quality
    from ml.serving import PhotoResult

SIZE = (320, 240)
TOP_SHARE = 0.82
SLOW_SECONDS = 5
# Status: the `code` and words of the error that a sandbox key gets when it sends `Sandbox-Error: <status>`.
ERRORS = {
    400: ("invalid", "The request cannot be understood."),
    401: ("authentication_failed", "This API key is not valid."),
    403: ("permission_denied", "This key lacks the scope analysis:write."),
    404: ("not_found", "There is nothing here that you may see."),
    408: ("too_slow", "The body did not arrive in time."),
    409: ("in_progress", "A request with this Idempotency-Key is being worked on."),
    410: ("erased", "What this request made has been erased."),
    413: ("too_large", "The body is too large."),
    415: ("unsupported_media_type", "The body has a format that this address does not read."),
    422: ("unusable_photo", "We cannot read this file as a photo."),
    429: ("throttled", "Too many requests."),
    500: ("error", "Something went wrong on our side."),
    503: ("unavailable", "The service is not available now."),
}


class ScenarioFails(Exception):
    """This photo stands for a failed analysis; the message is the failure's code."""


class ScenarioStuck(Exception):
    """This photo stands for an analysis that never starts."""


@dataclass(frozen=True)
class Scenario:
    """A named photo and what comes of it. `failure`: the analysis fails so; `seconds`: how long it takes at least."""

    name: str
    expect: str
    condition: str = "eczema"
    reasons: tuple[str, ...] = ()
    issue: str = ""
    failure: str = ""
    seconds: int = 0
    stuck: bool = False
    drawing: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """Of the analysis: with a reason to doubt no condition is named."""
        return "inconclusive" if self.reasons else "assessed"

    @property
    def photo_outcome(self) -> str:
        """Of the photo: networks that disagree can still judge it."""
        return "inconclusive" if set(self.reasons) - {"members_disagree"} else "assessed"

    def png(self) -> bytes:
        """The photo; refused ones (`too-small`, `damaged`) are refused like those of a live key."""
        buffer = io.BytesIO()
        self.picture().save(buffer, format="PNG")
        return buffer.getvalue()[:2000] if self.name == "damaged" else buffer.getvalue()

    def picture(self) -> Image.Image:
        return draw_photo(**{"size": SIZE, "seed": 1000 + NAMES.index(self.name), **self.drawing})


SCENARIOS = (
    *(Scenario(slug.replace("_", "-"), f"succeeded, assessed, {slug} first", condition=slug) for slug in SLUGS),
    Scenario("members-disagree", "succeeded, inconclusive: members_disagree", reasons=("members_disagree",)),
    Scenario("blurred", "succeeded, inconclusive: poor_image", reasons=("poor_image",), issue="blurred"),
    Scenario("too-dark", "succeeded, inconclusive: poor_image", reasons=("poor_image",), issue="too_dark"),
    Scenario("not-skin", "succeeded, inconclusive: not_skin", reasons=("not_skin",), issue="not_skin"),
    Scenario("strange", "succeeded, inconclusive: out_of_distribution", reasons=("out_of_distribution",)),
    Scenario("uncertain", "succeeded, inconclusive: wide_prediction_set", reasons=("wide_prediction_set",)),
    Scenario("fails-unreadable", "failed: unreadable", failure="unreadable"),
    Scenario("fails-timeout", "failed: timeout", failure="timeout"),
    Scenario("fails-error", "failed: error", failure="error"),
    Scenario("fails-crashed", "failed: crashed", failure="crashed"),
    Scenario("slow", f"running for {SLOW_SECONDS} seconds, then succeeded", seconds=SLOW_SECONDS),
    Scenario("stuck", "queued until it is erased", stuck=True),
    Scenario("too-small", "422 when sent: too_small", drawing={"size": (100, 80)}),
    Scenario("damaged", "422 when sent: damaged"),
)
NAMES = tuple(scenario.name for scenario in SCENARIOS)
BY_NAME = dict(zip(NAMES, SCENARIOS, strict=True))
DEFAULT = BY_NAME["eczema"]


def asked_error(text: str) -> Problem | None:
    """The error that `Sandbox-Error: <status>` asks for."""
    status = int(text) if text.isascii() and text.isdigit() and len(text) == 3 else 0
    if status not in ERRORS:
        return None
    code, detail = ERRORS[status]
    headers = {"Retry-After": "2"} if status in {409, 429, 503} else {}
    return Problem(status, code, detail, headers=headers)


@lru_cache(maxsize=1)
def _by_pixels() -> dict[str, Scenario]:
    return {hashlib.sha256(one.picture().tobytes()).hexdigest(): one for one in SCENARIOS}


def scenario_of(hashes: Sequence[str]) -> Scenario:
    """The scenario of the first named photo among the pixel hashes of a case."""
    known = _by_pixels()
    return next((known[one] for one in hashes if one in known), DEFAULT)


def assess(analysis: Analysis) -> Assessment:
    """What the model would say, by the script of the photo. Raises ScenarioFails or ScenarioStuck."""
    images = list(analysis.case.images.all())
    scenario = scenario_of([image.pixel_sha256 for image in images])
    time.sleep(scenario.seconds)
    if scenario.stuck:
        raise ScenarioStuck
    if scenario.failure:
        raise ScenarioFails(scenario.failure)
    from ml.serving import combine  # a worker's import: onnxruntime stays out of the web

    release = release_info(analysis.pinned_release or active_release())
    photo = _photo_result(scenario, release.name, release.weights_sha256)
    result = combine([photo] * len(images))
    return Assessment(
        result=result, triage=triage.assess(answers=analysis.case.answers, prediction=facts_for_triage(result))
    )


def _photo_result(scenario: Scenario, release: str, weights: str) -> PhotoResult:
    from ml.serving import MemberVote, PhotoResult

    rest = (1 - TOP_SHARE) / (len(SLUGS) - 1)
    chances = {slug: TOP_SHARE if slug == scenario.condition else rest for slug in SLUGS}
    return PhotoResult(
        scenario.photo_outcome,
        probabilities=chances,
        members=[MemberVote("sandbox", 1.0, chances)],
        quality=_quality(scenario),
        prediction_set=SLUGS[:6] if "wide_prediction_set" in scenario.reasons else (scenario.condition,),
        reasons=scenario.reasons,
        release=release,
        weights_sha256=weights,
    )


def _quality(scenario: Scenario) -> Quality:
    from ml.quality import ADVICE_FOR, Issue, Quality

    issues = (Issue(scenario.issue, "high", ADVICE_FOR[scenario.issue]),) if scenario.issue else ()
    return Quality(
        score=0.2 if issues else 0.95,
        band="poor" if issues else "good",
        issues=issues,
        sharpness=0.1 if issues else 0.9,
        brightness=140.0,
        contrast=20.0,
        skin_share=0.0 if scenario.issue == "not_skin" else 0.9,
        width=SIZE[0],
        height=SIZE[1],
    )


def opinion(case_tier: str, top: str) -> dict[str, str]:
    """The made-up opinion of the sandbox's dermatologist, who is nobody."""
    return {
        "diagnosis": top or "cannot_judge",
        "tier": case_tier,
        "note_to_patient": _("This opinion is made up. It shows how a signed one looks."),
    }
