"""Photos of a check that is still being filled in: taken in, looked at, covered, made into a case, or forgotten."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from PIL import Image

from accounts.models import User
from accounts.services_own_data import OnHold, hold_refuse
from diagnosis import covering
from diagnosis.images import InspectedPhoto, inspect_upload, normalise
from diagnosis.models import Case, FaceChoice, IntakePhoto, PendingDeletion, Shot, Upload
from diagnosis.services.cases import case_submit
from diagnosis.services.files import files_delete_pending, files_vanish_on_failure
from diagnosis.services.reviews import review_request
from diagnosis.services.uploads import UploadError, upload_erase, upload_join
from ml import quality
from ml.photo import MIN_SIDE, open_photo

SHOTS = list(Shot.values)


def upload_take_in(*, upload: Upload, submission_key: uuid.UUID, shot: str) -> IntakePhoto:
    """Make a photo of a whole upload; the upload is gone afterwards, also when its content is refused.

    Raises ValidationError for what is no usable photo, UploadError `incomplete` when bytes are missing (it stays then).
    """
    assert upload.patient is not None, "partners have resources of their own"
    try:
        data = upload_join(upload=upload)
        photo = photo_take_in(
            patient=upload.patient, submission_key=submission_key, shot=shot, data=data, source=upload.pk
        )
    except UploadError as error:
        if error.code == "incomplete":
            raise
        upload_erase(upload=upload)
        raise ValidationError(str(error), code=error.code) from error
    except ValidationError:
        upload_erase(upload=upload)
        raise
    upload_erase(upload=upload)
    return photo


def photo_take_in(
    *, patient: User, submission_key: uuid.UUID, shot: str, data: bytes, source: uuid.UUID | None = None
) -> IntakePhoto:
    """Decode, clean, measure and keep a photo until its check is sent; another one of the same `shot` gives way.

    The same `source` gives the same photo. Raises ValidationError with one plain sentence; nothing is stored then.
    While a legal hold stands the earlier photo stays as it is, and this one is refused.
    """
    source = source or uuid.uuid4()
    clean = inspect_upload(data, shot=shot)
    with files_vanish_on_failure() as stored, transaction.atomic():
        User.objects.select_for_update().get(pk=patient.pk)  # one at a time: the limits hold
        mine = IntakePhoto.objects.owned_by(patient)
        earlier = mine.filter(source=source).first()
        if earlier:
            return earlier
        _refuse_too_many(patient, submission_key, shot)
        if shot != Shot.OTHER:
            _photos_give_way(mine.filter(submission_key=submission_key, shot=shot), patient)
        photo = IntakePhoto(
            patient=patient,
            submission_key=submission_key,
            source=source,
            shot=shot,
            expires_at=timezone.now() + timedelta(hours=settings.UPLOAD_HOURS),
        )
        _photo_fill(photo, clean, stored)
    return photo


def _photos_give_way(photos, patient: User) -> None:
    if photos.exists():
        _hold_refuse(patient)
        _photos_forget(photos)


def _hold_refuse(patient: User) -> None:
    """A hold as a plain refusal of the photo: what takes photos in knows no other."""
    try:
        hold_refuse(user=patient)
    except OnHold as hold:
        raise ValidationError(hold.sentence, code="on_hold") from hold


def _refuse_too_many(patient: User, submission_key: uuid.UUID, shot: str) -> None:
    if Case.objects.filter(patient=patient, submission_key=submission_key).exists():
        raise ValidationError(_("This check has been sent already. Please start a new one."), code="sent")
    mine = IntakePhoto.objects.owned_by(patient).alive()
    others = mine.of_submission(submission_key)
    if shot != Shot.OTHER:
        others = others.exclude(shot=shot)
    if others.count() >= settings.MAX_PHOTOS:
        raise ValidationError(_("Please send at most five photos."), code="too_many_photos")
    if mine.count() >= settings.MAX_OPEN_UPLOADS:
        raise ValidationError(_("Too many photos are waiting. Please send or remove some first."), code="too_many")


def _photo_fill(photo: IntakePhoto, clean: InspectedPhoto, stored: list[str]) -> None:
    """Write the pixels of `clean` as a new file, with all that is known of them, and ask a worker to look for faces."""
    photo.file.save("photo.jpg", ContentFile(clean.jpeg), save=False)
    stored.append(str(photo.file.name))
    photo.sha256, photo.pixel_sha256 = clean.sha256, clean.pixel_sha256
    photo.width, photo.height = clean.width, clean.height
    photo.quality = asdict(quality.assess(open_photo(clean.jpeg)))
    photo.faces, photo.asked_at = None, timezone.now()
    photo.full_clean()
    photo.save()
    _faces_ask(photo)


def _faces_ask(photo: IntakePhoto) -> None:
    from diagnosis.tasks import find_faces_task  # tasks import services

    find_faces_task.delay_on_commit(str(photo.pk))


def photo_read(photo: IntakePhoto) -> bytes:
    with photo.file.open("rb") as file:
        return file.read()


def photo_find_faces(*, photo_id: uuid.UUID | str) -> None:
    """A worker's step: write down which faces the photo shows. A photo that was changed meanwhile is left alone."""
    from ml.faces import find_faces

    photo = IntakePhoto.objects.filter(pk=photo_id, faces__isnull=True).first()
    if photo:
        faces = [asdict(face) for face in find_faces(open_photo(photo_read(photo)))]
        IntakePhoto.objects.filter(pk=photo.pk, sha256=photo.sha256).update(faces=faces)


def photo_cover_faces(*, photo: IntakePhoto) -> IntakePhoto:
    """Paint over every face that was found. The old pixels are deleted."""
    return _photo_repaint(photo, lambda picture, faces: covering.cover_faces(picture, faces))


def photo_cover_eyes(*, photo: IntakePhoto) -> IntakePhoto:
    """Paint a band over the eyes: for a skin problem that is on the face itself."""
    return _photo_repaint(photo, lambda picture, faces: covering.cover_eyes(picture, faces), FaceChoice.EYES)


def photo_cut(*, photo: IntakePhoto, top: int, bottom: int, left: int, right: int) -> IntakePhoto:
    """Cut off these per cent of each edge. Raises ValidationError when hardly anything would be left."""
    sides = photo.width * (100 - left - right) / 100, photo.height * (100 - top - bottom) / 100
    if min(top, bottom, left, right) < 0 or min(sides) < MIN_SIDE:
        raise ValidationError(_("This would leave too little of the photo. Please cut off less."), code="too_small")
    edges = {"top": top, "bottom": bottom, "left": left, "right": right}
    return _photo_repaint(photo, lambda picture, _faces: covering.cut(picture, **edges))


def photo_keep_face(*, photo: IntakePhoto) -> IntakePhoto:
    """The person wants the face to stay, for example because the skin problem is there."""
    IntakePhoto.objects.filter(pk=photo.pk).update(face_choice=FaceChoice.KEPT)
    photo.face_choice = FaceChoice.KEPT
    return photo


def _photo_repaint(
    photo: IntakePhoto,
    change: Callable[[Image.Image, list[dict[str, Any]]], Image.Image],
    choice: str = "",
) -> IntakePhoto:
    with files_vanish_on_failure() as stored, transaction.atomic():
        User.objects.select_for_update().get(pk=photo.patient_id)  # never while the check is being sent
        waiting = IntakePhoto.objects.select_for_update().filter(pk=photo.pk).first()
        if waiting is None:
            raise ValidationError(_("This photo was sent or removed already."), code="gone")
        photo = waiting
        _hold_refuse(photo.patient)  # the old pixels would go
        old = str(photo.file.name)
        picture = change(open_photo(photo_read(photo), max_side=None), photo.faces or [])
        photo.face_choice = choice
        _photo_fill(photo, normalise(picture, shot=photo.shot), stored)
        _files_forget([old])
    return photo


@transaction.atomic
def photo_forget(*, photo: IntakePhoto) -> None:
    """Remove one waiting photo with its file. Raises OnHold. Asking locks the person: never while the check is sent."""
    hold_refuse(user=photo.patient)
    _photos_forget(IntakePhoto.objects.filter(pk=photo.pk))


@transaction.atomic
def _photos_forget(photos) -> None:
    names = [str(photo.file.name) for photo in photos]
    photos.delete()
    _files_forget(names)


def _files_forget(names: list[str]) -> None:
    PendingDeletion.objects.bulk_create(PendingDeletion(key=name) for name in names)
    transaction.on_commit(files_delete_pending)


def intake_submit(
    *, patient: User, submission_key: uuid.UUID, answers: Mapping[str, Any], language: str, ask: bool = False
) -> Case:
    """Make a case of the waiting photos and the answers. `ask`: a dermatologist is asked at once.

    Sending again gives the same case. Raises ValidationError `no_photo` when nothing waits under this key.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=patient.pk)  # one check of a person at a time
        photos = IntakePhoto.objects.owned_by(patient).of_submission(submission_key)
        ordered = sorted(photos, key=lambda photo: SHOTS.index(photo.shot))
        sent = Case.objects.filter(patient=patient, submission_key=submission_key).exists()
        if not (ordered or sent):
            raise ValidationError(_("Please add at least one photo."), code="no_photo")
        case = case_submit(
            patient=patient,
            photos=[_as_inspected(photo) for photo in ordered],
            answers=answers,
            language=language,
            submission_key=submission_key,
        )
        _photos_forget(photos)
        if ask and not sent:
            review_request(case=case, actor=patient)
    return case


def _as_inspected(photo: IntakePhoto) -> InspectedPhoto:
    return InspectedPhoto(
        jpeg=photo_read(photo),
        sha256=photo.sha256,
        pixel_sha256=photo.pixel_sha256,
        width=photo.width,
        height=photo.height,
        shot=photo.shot,
        face=photo.face,
    )


def intake_erase(*, patient: User) -> None:
    """Forget every photo that a person has not sent."""
    _photos_forget(IntakePhoto.objects.owned_by(patient))


def intake_expire() -> int:
    """Erase photos that were never sent; returns how many went."""
    free = IntakePhoto.objects.expired().filter(patient__legal_holds=None)
    expired = IntakePhoto.objects.filter(pk__in=list(free.values_list("pk", flat=True)[:500]))
    count = expired.count()
    _photos_forget(expired)
    return count
