"""A legal hold stops every deletion of a person's data, small ones too, and says so."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.services import consent_set
from accounts.services_own_data import hold_place
from diagnosis import services
from diagnosis.models import IntakePhoto, Lesion, Shot, Upload
from tests.kit import factories, photos

pytestmark = pytest.mark.django_db
REASON = "Court order 7"


@pytest.fixture
def person():
    """Somebody with a spot, a note, a photo that was not sent and a hold."""
    person = factories.PatientFactory()
    lesion = services.lesion_create(patient=person, body_site="arm")
    services.note_create(lesion=lesion, text="It itches.")
    services.photo_take_in(patient=person, submission_key=uuid.uuid4(), shot=Shot.CLOSE_UP, data=photos.skin())
    services.upload_start(owner=person, length=10, sha256="0" * 64)
    hold_place(user=person, reason=REASON, operator=factories.OperatorFactory())
    return person


@pytest.fixture
def portal(person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def left(person) -> list[int]:
    lesions = Lesion.objects.filter(patient=person)
    notes = sum(lesion.notes.count() for lesion in lesions)
    return [lesions.count(), notes, person.intake_photos.count(), person.uploads.count()]


def test_spot_and_note_stay_and_the_page_says_why(portal, person):
    lesion = person.lesions.get()
    for address in (
        reverse("lesion_delete", args=[lesion.pk]),
        reverse("note_delete", args=[lesion.pk, lesion.notes.get().pk]),
    ):
        assert REASON in portal.post(address, follow=True).content.decode()
    assert left(person) == [1, 1, 1, 1]


def test_a_photo_that_was_not_sent_stays(portal, person):
    photo = person.intake_photos.get()
    answer = portal.post(reverse("intake_photo", args=[photo.pk]), {"photo_action": f"remove:{photo.pk}"})
    assert (answer.status_code, REASON in answer.content.decode()) == (422, True)
    assert left(person) == [1, 1, 1, 1]


@pytest.mark.parametrize("action", ["cover", "eyes", "cut"])
def test_the_pixels_of_a_photo_stay_as_they_are(portal, person, action):
    photo = person.intake_photos.get()
    edges = {f"{photo.pk}-{edge}": "10" for edge in ("top", "bottom", "left", "right")}
    answer = portal.post(reverse("intake_photo", args=[photo.pk]), {"photo_action": f"{action}:{photo.pk}", **edges})
    assert (answer.status_code, REASON in answer.content.decode()) == (422, True)
    kept = person.intake_photos.get()
    assert (kept.file.name, kept.sha256) == (photo.file.name, photo.sha256)
    assert default_storage.exists(photo.file.name)


def test_no_other_photo_takes_its_place(person):
    photo = person.intake_photos.get()
    with pytest.raises(ValidationError, match=REASON):
        services.photo_take_in(
            patient=person, submission_key=photo.submission_key, shot=photo.shot, data=photos.skin(seed=2)
        )
    assert person.intake_photos.get() == photo
    assert default_storage.exists(photo.file.name)


def test_consent_is_taken_back_all_the_same_but_nothing_is_erased(person):
    consent_set(user=person, purposes=[], language="en")
    assert left(person) == [1, 1, 1, 1]


def test_time_erases_nothing_until_the_hold_ends(person):
    past = timezone.now() - timedelta(seconds=1)
    for rows in (IntakePhoto.objects, Upload.objects):
        rows.update(expires_at=past)
    assert services.uploads_expire() + services.intake_expire() == 0
    person.legal_holds.all().delete()
    assert services.uploads_expire() + services.intake_expire() == 2
