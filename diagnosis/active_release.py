"""Which release answers now. A row in the database says it, so that web and workers change over without a restart."""

from __future__ import annotations

import time
from collections.abc import Iterator

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from diagnosis import assessment
from diagnosis.models import ModelRelease, OperatorEvent

log = structlog.get_logger(__name__)
TRY_AGAIN_SECONDS = 60
_last_good = ""  # the release that this process served last
_refused: dict[str, float] = {}  # releases that this process could not load, and when


def active_release() -> str:
    """RELEASE_OVERRIDE where it is set, else what operators activated, else SMARTDERMA_RELEASE."""
    if settings.RELEASE_OVERRIDE:
        return settings.RELEASE_OVERRIDE
    row = ModelRelease.objects.filter(active=True).first()
    return row.name if row else settings.MODEL_RELEASE


def usable_release() -> str:
    """The active release once this process has it in memory; where it cannot be loaded, the one before it.

    A worker calls it for each task: it costs one query while nothing changes. Raises ReleaseError or EngineError when
    no release can be loaded.
    """
    global _last_good
    wanted = active_release()
    if not _is_refused(wanted) and _loads(wanted):
        _last_good = wanted
        return wanted
    for name in _others(wanted):
        if _loads(name):
            _last_good = name
            return name
    assessment.load_engine(wanted)  # says why
    return wanted


def _is_refused(name: str) -> bool:
    """A broken release is tried once a minute, not for every patient."""
    return time.monotonic() - _refused.get(name, -TRY_AGAIN_SECONDS) < TRY_AGAIN_SECONDS


def _others(wanted: str) -> Iterator[str]:
    """What served before: in this process, then by the diary, then by the settings."""
    earlier = OperatorEvent.objects.filter(release=wanted).exclude(replaced="").values_list("replaced", flat=True)
    for name in dict.fromkeys([_last_good, earlier.first() or "", settings.MODEL_RELEASE]):
        if name not in ("", wanted):
            yield name


def _loads(name: str) -> bool:
    """True when the engine is in memory, with the weights that a worker checked before."""
    try:
        weights = assessment.load_engine(name).release.weights_sha256
        problem = "" if _are_the_checked_ones(name, weights) else "Its weights are not those that were checked."
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # whatever a damaged network does, the patient gets the release before it
        log.warning("release_not_loaded", reason=type(error).__name__)
        problem = str(error) or type(error).__name__
    if problem:
        _refuse(name, problem)
    else:
        _refused.pop(name, None)
    return not problem


def _are_the_checked_ones(name: str, weights: str) -> bool:
    checked = ModelRelease.objects.filter(name=name, active=True).values_list("weights_sha256", flat=True).first()
    return checked is None or checked == weights


def _refuse(name: str, problem: str) -> None:
    from diagnosis import services  # services know this module

    _refused[name] = time.monotonic()
    services.release_not_loaded(name=name, problem=problem)
