"""Releases of the model: a worker checks one, an operator activates it or lets it run in shadow. No restart."""

from __future__ import annotations

import uuid

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Role, User
from diagnosis.active_release import require_permission
from diagnosis.models import ModelRelease, OperatorEvent, ShadowRun
from diagnosis.services.steps import WrongState
from ml.releases.loader import Release, ReleaseError, list_releases, load_release, release_info

log = structlog.get_logger(__name__)
PROBLEM = 500  # characters of a sentence that are kept


def event_record(*, kind: str, actor: User | None = None, **values: object) -> OperatorEvent:
    """Add a line to the diary of operators. Raises ValidationError for bad fields."""
    event = OperatorEvent(kind=kind, actor=actor, **values)
    event.full_clean()
    event.save()
    return event


def operator_only(*, user: User) -> None:
    """Raises PermissionError for everybody else: the services say it too, whatever a page forgets."""
    if user.role != Role.OPERATOR or not user.is_staff:
        raise PermissionError("Only an operator may do this.")


@transaction.atomic
def release_check_ask(*, name: str, operator: User) -> ModelRelease:
    """Ask a worker to load a release and judge a drawn photo with it. Raises WrongState where it cannot be asked."""
    operator_only(user=operator)
    if name not in list_releases():
        raise WrongState(_("There is no release of this name in the folders of this installation."))
    release, _created = ModelRelease.objects.get_or_create(name=name)
    changed = ModelRelease.objects.filter(pk=release.pk, active=False).update(
        check_state=ModelRelease.Check.WAITING, asked_at=timezone.now(), problem="", shadow_percent=0
    )
    if not changed:
        raise WrongState(_("This release is active. It was checked before."))
    event_record(kind=OperatorEvent.Kind.CHECK_ASKED, actor=operator, release=name)
    release_check_send(release_id=release.pk)
    release.refresh_from_db()
    return release


def release_check_send(*, release_id: uuid.UUID) -> None:
    """Tell a worker, after commit."""
    from diagnosis.tasks import check_release_task  # tasks import services

    check_release_task.delay_on_commit(str(release_id))


def release_check(*, release_id: uuid.UUID | str) -> None:
    """A worker's step: hashes, a pass over each network, and a drawn photo from end to end. Safe to run twice.

    Raises SystemExit after the soft time limit and when memory ran out, as `inference.run_analysis` does.
    """
    release = ModelRelease.objects.filter(pk=release_id, check_state=ModelRelease.Check.WAITING).first()
    if release is None:
        return
    try:
        tried, problem = _try_out(release.name)
    except (SoftTimeLimitExceeded, MemoryError) as error:
        _check_finish(release, None, type(error).__name__)
        raise SystemExit("The check of a release ended this process.") from error
    _check_finish(release, tried, problem)


def _check_finish(release: ModelRelease, tried: Release | None, problem: str) -> None:
    with transaction.atomic():
        changed = ModelRelease.objects.filter(pk=release.pk, check_state=ModelRelease.Check.WAITING).update(
            check_state=ModelRelease.Check.BAD if problem else ModelRelease.Check.GOOD,
            weights_sha256=tried.weights_sha256 if tried else "",
            digest=tried.digest if tried else "",
            problem=problem,
            checked_at=timezone.now(),
        )
        if changed:
            kind = OperatorEvent.Kind.REFUSED if problem else OperatorEvent.Kind.CHECKED
            event_record(kind=kind, release=release.name, reason=problem)


def _try_out(name: str) -> tuple[Release | None, str]:
    """(the release, "") where it works, (None, why not) otherwise."""
    from diagnosis import assessment
    from diagnosis.demo import draw_jpeg

    try:
        release = load_release(name)
        require_permission(release)
        found = assessment.assess([draw_jpeg()], {}, name)
        if found.result.info != release:
            raise ReleaseError(f"Release {name} was changed under its name; give new weights a new name.")
    except (SoftTimeLimitExceeded, MemoryError):
        raise
    except Exception as error:  # whatever a damaged release does, it is the release that is refused
        log.exception("release_refused")
        return None, str(error)[:PROBLEM] or type(error).__name__
    return release, ""


def release_activate(*, name: str, replaces: str, operator: User, reason: str) -> ModelRelease:
    """Make `name` the release that answers from the next case on.

    `replaces` is the one that was active on the operator's page: of two operators one wins. An earlier release that is
    activated again is a roll-back. Raises WrongState with a sentence, ValidationError without a reason.
    """
    operator_only(user=operator)
    if settings.RELEASE_OVERRIDE:
        raise WrongState(_("The setting RELEASE_OVERRIDE holds this installation on one release."))
    try:
        with transaction.atomic():
            return _activate(name, replaces, operator, reason)
    except IntegrityError as error:
        raise WrongState(_("Another operator changed the active release a moment ago. Please look again.")) from error


def _activate(name: str, replaces: str, operator: User, reason: str) -> ModelRelease:
    _lock_all()
    _leave_active(name, replaces)
    release = ModelRelease.objects.filter(name=name).first()
    if release is None or release.check_state != ModelRelease.Check.GOOD:
        raise WrongState(_("A worker has to check this release before it can be activated."))
    _refuse_changed(release)
    ModelRelease.objects.filter(pk=release.pk).update(active=True, shadow_percent=0)
    kind = OperatorEvent.Kind.ROLLED_BACK if is_way_back(name=name, replaces=replaces) else OperatorEvent.Kind.ACTIVATED
    event_record(kind=kind, actor=operator, release=name, replaced=replaces, reason=reason)
    release.refresh_from_db()
    return release


def is_way_back(*, name: str, replaces: str) -> bool:
    """Is `name` what stepped down when `replaces` was activated? Then activating it is a roll-back."""
    last = OperatorEvent.objects.filter(kind=OperatorEvent.Kind.ACTIVATED, release=replaces).first()
    return last is not None and last.replaced == name


def _lock_all() -> None:
    """Every release, always in the same order: of two operators one waits, and neither holds what the other needs."""
    list(ModelRelease.objects.select_for_update().order_by("pk").values_list("pk"))


def _leave_active(name: str, replaces: str) -> None:
    """The old one steps down, if it still is the one that the operator saw."""
    if name == replaces:
        raise WrongState(_("This release is active already."))
    if ModelRelease.objects.filter(active=True).exists():
        left = ModelRelease.objects.filter(name=replaces, active=True).update(active=False)
    else:
        left = replaces == settings.MODEL_RELEASE
        _keep_for_roll_back(replaces)
    if not left:
        raise WrongState(_("Another operator changed the active release a moment ago. Please look again."))


def _keep_for_roll_back(name: str) -> None:
    """The release of the settings served until now: that is its check."""
    try:
        release = release_info(name)
        require_permission(release)
    except ReleaseError:
        return
    good = {
        "check_state": ModelRelease.Check.GOOD,
        "weights_sha256": release.weights_sha256,
        "digest": release.digest,
        "checked_at": timezone.now(),
    }
    ModelRelease.objects.get_or_create(name=name, defaults=good)


def _refuse_changed(release: ModelRelease) -> None:
    try:
        now = release_info(release.name)
        require_permission(now)
    except ReleaseError as error:
        raise WrongState(str(error)) from error
    if now.digest != release.digest:
        raise WrongState(_("This release was changed after it was checked. Please have it checked again."))


@transaction.atomic
def release_shadow_set(*, name: str, percent: int, operator: User) -> None:
    """Let a checked release judge a share of the live cases too, 0 to end that; only one at a time.

    Raises WrongState with a sentence.
    """
    operator_only(user=operator)
    if not 0 <= percent <= 100:
        raise WrongState(_("The share is between 0 and 100 per cent."))
    _lock_all()
    checked = ModelRelease.objects.filter(name=name, active=False, check_state=ModelRelease.Check.GOOD)
    if not checked.exists():
        raise WrongState(_("Only a checked release that is not active can run in shadow."))
    if percent:
        ModelRelease.objects.exclude(name=name).update(shadow_percent=0)
    checked.update(shadow_percent=percent)
    over = ~Q(release=name) if percent else Q(release=name)
    ShadowRun.objects.filter(over, status=ShadowRun.Status.QUEUED).delete()
    event_record(kind=OperatorEvent.Kind.SHADOW, actor=operator, release=name, count=percent)


@transaction.atomic
def release_not_loaded(*, name: str, problem: str) -> None:
    """A worker fell back to the release before. Written down once for each activation, so that operators see it."""
    known = OperatorEvent.objects.filter(release=name)
    last = known.filter(kind__in=[OperatorEvent.Kind.ACTIVATED, OperatorEvent.Kind.ROLLED_BACK]).first()
    told = known.filter(kind=OperatorEvent.Kind.NOT_LOADED)
    if last:
        told = told.filter(at__gt=last.at)
    if not told.exists():
        event_record(kind=OperatorEvent.Kind.NOT_LOADED, release=name, reason=problem[:PROBLEM])
