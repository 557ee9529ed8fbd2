"""Which release answers now. A row in the database says it, so that web and workers change over without a restart."""

from __future__ import annotations

import time
from collections.abc import Iterator

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from diagnosis import assessment
from diagnosis.models import ModelRelease, OperatorEvent
from ml.releases.loader import Release, ReleaseError, list_releases, release_info

log = structlog.get_logger(__name__)
TRY_AGAIN_SECONDS = 60
Rows = dict[str, ModelRelease]
_last_good = ""  # the release that this process served last
_refused: dict[str, float] = {}  # releases that this process could not load, and when


def active_release() -> str:
    """RELEASE_OVERRIDE where it is set, else what operators activated, else SMARTDERMA_RELEASE."""
    return settings.RELEASE_OVERRIDE or _active_of(_found_good())


def _found_good() -> Rows:
    """What workers checked and found good, by name; the active one is among them (by constraint)."""
    return {row.name: row for row in ModelRelease.objects.filter(check_state=ModelRelease.Check.GOOD)}


def _active_of(good: Rows) -> str:
    active = next((name for name, row in good.items() if row.active), settings.MODEL_RELEASE)
    return settings.RELEASE_OVERRIDE or active


def usable_release() -> str:
    """The active release once this process has it in memory; where it cannot be loaded, the one before it.

    A worker calls it for each task: it costs one query while nothing changes. Raises ReleaseError or EngineError when
    no release can be loaded.
    """
    global _last_good
    good = _found_good()
    wanted = _active_of(good)
    if not _is_refused(wanted) and _loads(wanted, good):
        _last_good = wanted
        return wanted
    for name in _others(wanted):
        if _loads(name, good):
            _last_good = name
            return name
    _require(wanted, good)  # says why
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


def _loads(name: str, good: Rows) -> bool:
    """True when the engine is in memory, may be used here, and is what a worker checked before."""
    try:
        _require(name, good)
        problem = ""
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


def _require(name: str, good: Rows) -> None:
    """Load a release. Raises ReleaseError or EngineError where it may not or cannot serve."""
    release = assessment.load_engine(name).release
    require_permission(release)
    if not _are_the_checked_ones(name, release.digest, good):
        raise ReleaseError("Its files are not those that were checked.")


def require_permission(release: Release) -> None:
    """Raises ReleaseError where the licence of the training photos forbids what this installation does."""
    if release.non_commercial and not settings.ACCEPT_NON_COMMERCIAL_RELEASE:
        sentence = f"Release {release.name} may not be used commercially (ACCEPT_NON_COMMERCIAL_RELEASE is off)."
        raise ReleaseError(sentence)


def _are_the_checked_ones(name: str, digest: str, good: Rows) -> bool:
    """What a setting names may serve without a check; what an operator activated has to stay as it was checked."""
    row = good.get(name)
    if row is None or (not row.active and name in (settings.RELEASE_OVERRIDE, settings.MODEL_RELEASE)):
        return True
    return row.digest == digest


def may_use(name: str) -> bool:
    """May a partner pin this release: does it answer here now, or did a worker find it good, as it is installed?"""
    if name not in list_releases():
        return False
    try:
        release = release_info(name)
        require_permission(release)
    except ReleaseError:
        return False
    good = _found_good()
    if name == _active_of(good):
        return _are_the_checked_ones(name, release.digest, good)
    return name in good and good[name].digest == release.digest


def _refuse(name: str, problem: str) -> None:
    from diagnosis import services  # services know this module

    _refused[name] = time.monotonic()
    services.release_not_loaded(name=name, problem=problem)
