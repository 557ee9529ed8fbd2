"""Photos before a check is sent, through their addresses: faces covered, cut or kept; poor photos; nothing doubled."""

from __future__ import annotations

import io
import re
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from PIL import Image
from skimage import data

from accounts.models import User
from diagnosis import services
from diagnosis.models import Case, IntakePhoto, PendingDeletion
from diagnosis.tasks import expire_uploads_task, find_faces_task
from tests.kit import factories, photos

pytestmark = pytest.mark.django_db
URL = "/cases/new/"
KEY = uuid.UUID("7d1c1f4e-5a52-4f0d-9a55-0c6a4d1d2f10")


def portrait() -> bytes:
    """A public photo of NASA's that scikit-image ships; nobody's patient photo."""
    return photos.encode(Image.fromarray(data.astronaut()))


def file(content: bytes | None = None, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, photos.skin() if content is None else content, "image/jpeg")


def form(**changes) -> dict:
    return {"submission_key": str(KEY), "screen": "photos", **factories.ANSWERS, **changes}


def text_of(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def pixels(photo: IntakePhoto) -> Image.Image:
    return Image.open(io.BytesIO(services.intake.photo_read(photo))).convert("RGB")


def looked_at(patient: User, content: bytes, shot: str = "close_up") -> IntakePhoto:
    photo = services.photo_take_in(patient=patient, submission_key=KEY, shot=shot, data=content)
    find_faces_task(str(photo.pk))
    photo.refresh_from_db()
    return photo


# --- one screen at a time, without JavaScript ----------------------------------------------------------------------
def screen_of(page: str) -> str:
    (shown,) = re.findall(r'data-screen="(\w+)" aria-labelledby="[\w-]+">', page)
    return shown


def test_every_screen_is_a_request_and_keeps_what_was_answered(portal, patient):
    answers = {"submission_key": str(KEY), "country": "GB", "red_flags": "none"}
    page = text_of(portal.post(URL, {**answers, "screen": "photos", "step": "next", "photo_close_up": file()}))
    assert screen_of(page) == "photos"  # first we say what we think of the photo
    assert "Received. Sharp and bright enough." in page
    page = text_of(portal.post(URL, {**answers, "screen": "photos", "step": "next"}))
    assert screen_of(page) == "you"
    refused = portal.post(URL, {**answers, "screen": "you", "step": "next", "sex": "female"})
    assert (refused.status_code, screen_of(text_of(refused))) == (422, "you")
    assert text_of(refused).count("Please answer this question.") == 2  # in the summary and at the age; nothing more
    answers |= {"sex": "female", "age_band": "40_49"}
    page = text_of(portal.post(URL, {**answers, "screen": "you", "step": "next"}))
    assert screen_of(page) == "place"
    assert re.search(r'value="40_49"[^>]* checked', page)
    page = text_of(portal.post(URL, {**answers, "screen": "place", "step": "back"}))
    assert (screen_of(page), "Please answer" in page) == ("you", False)
    answers |= {"site": "arm"}
    for screen, following in (("place", "look"), ("look", "feel"), ("feel", "feel")):
        page = text_of(portal.post(URL, {**answers, "screen": screen, "step": "next"}))
        assert screen_of(page) == following
    answer = portal.post(URL, {**answers, "screen": "feel", "step": "send"})
    case = Case.objects.get()
    assert answer["Location"] == reverse("case_detail", args=[case.pk])
    assert (case.patient, case.answers["sex"], case.images.count()) == (patient, "female", 1)
    assert not IntakePhoto.objects.exists()


def test_the_place_is_a_list_of_radio_buttons_with_drawings_beside_it(portal):
    page = text_of(portal.post(URL, form(screen="place", step="back")))
    radios = set(re.findall(r'<input type="radio" name="site" value="(\w+)"', page))
    drawn = set(re.findall(r'data-site="(\w+)"', page))
    assert drawn <= radios
    assert radios - drawn == {"many"}


def test_a_send_with_open_questions_shows_the_first_of_their_screens(portal):
    answer = portal.post(URL, form(step="send", site="moon", photo_close_up=file()))
    assert (answer.status_code, screen_of(text_of(answer))) == (422, "place")
    answer = portal.post(URL, {"submission_key": "x", "step": "send", "screen": "nonsense"})
    assert (answer.status_code, screen_of(text_of(answer))) == (422, "photos")


# --- faces ---------------------------------------------------------------------------------------------------------
def test_a_face_must_be_decided_on_before_the_check_is_sent(portal, patient):
    looked_at(patient, portrait())
    answer = portal.post(URL, form(step="send"))
    page = text_of(answer)
    assert (answer.status_code, screen_of(page)) == (422, "photos")
    assert "Photo 1: a face can be seen." in page
    assert "Cover the face" in page
    assert 'class="face-box"' in page
    assert not Case.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("action", "again"), [("cover", 0), ("eyes", None)])
def test_covering_changes_the_stored_pixels_and_deletes_the_old_ones(portal, patient, action, again):
    photo = looked_at(patient, portrait())
    before, old = pixels(photo), photo.file.name
    (eye, _other), face = photo.faces[0]["eyes"], photo.faces[0]
    answer = portal.post(URL, form(photo_action=f"{action}:{photo.pk}"))
    assert (answer.status_code, screen_of(text_of(answer))) == (200, "photos")
    photo.refresh_from_db()
    after = pixels(photo)
    spot = round(eye[0] * before.width), round(eye[1] * before.height)
    assert max(abs(value - 96) for value in after.getpixel(spot)) < 12  # painted over
    chin = (
        round((face["left"] + face["width"] / 2) * before.width),
        round((face["top"] + 0.9 * face["height"]) * before.height),
    )
    assert (max(abs(value - 96) for value in after.getpixel(chin)) < 12) == (action == "cover")
    assert after.getpixel((20, 20)) == pytest.approx(before.getpixel((20, 20)), abs=12)
    assert not default_storage.exists(old)
    assert not PendingDeletion.objects.exists()
    find_faces_task(str(photo.pk))
    photo.refresh_from_db()
    assert again is None or len(photo.faces) == again
    assert not photo.shows_face
    assert portal.post(URL, form(step="send")).status_code == 302
    sent = Case.objects.get().images.get()
    with sent.file.open("rb") as stored:
        assert Image.open(stored).getpixel(spot) == after.getpixel(spot)


def test_a_face_may_stay_when_the_person_says_so(portal, patient):
    photo = looked_at(patient, portrait())
    page = text_of(portal.post(URL, form(photo_action=f"keep:{photo.pk}")))
    assert "The face stays in the photo." in page
    assert portal.post(URL, form(step="send")).status_code == 302


def test_a_face_can_be_cut_off(portal, patient):
    photo = looked_at(patient, portrait())
    data = form(photo_action=f"cut:{photo.pk}", **{f"{photo.pk}-top": "60"})
    assert portal.post(URL, data).status_code == 200
    photo.refresh_from_db()
    assert (photo.width, photo.height, pixels(photo).size) == (512, 205, (512, 205))
    find_faces_task(str(photo.pk))
    photo.refresh_from_db()
    assert photo.faces == []


@pytest.mark.parametrize(
    ("edges", "sentence"),
    [
        ({"top": "90", "bottom": "90"}, "too little of the photo"),
        ({"left": "80"}, "too little of the photo"),
        ({"top": "-1"}, "whole numbers from 0 to 90"),
        ({"top": "half"}, "whole numbers from 0 to 90"),
    ],
)
def test_a_cut_that_cannot_be_made_says_why_and_changes_nothing(portal, patient, edges, sentence):
    photo = looked_at(patient, portrait())
    data = {"photo_action": "cut", **{f"{photo.pk}-{edge}": value for edge, value in edges.items()}}
    answer = portal.post(reverse("intake_photo", args=[photo.pk]), data)
    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert IntakePhoto.objects.get().sha256 == photo.sha256


def test_a_button_that_does_not_exist_is_not_found(portal, patient):
    photo = looked_at(patient, photos.skin())
    assert portal.post(reverse("intake_photo", args=[photo.pk]), {"photo_action": "print"}).status_code == 404
    assert portal.post(URL, form(photo_action=f"print:{photo.pk}")).status_code == 404
    assert portal.post(URL, form(photo_action=f"cover:{uuid.uuid4()}")).status_code == 404


def test_sending_waits_for_the_worker_that_looks_for_faces_but_not_for_ever(portal, patient, settings):
    settings.FACE_WAIT_SECONDS = 20
    services.photo_take_in(patient=patient, submission_key=KEY, shot="close_up", data=photos.skin())
    assert screen_of(text_of(portal.post(URL, form(step="next")))) == "you"  # nobody waits on the way
    answer = portal.post(URL, form(step="send"))
    assert answer.status_code == 422
    assert "We are still looking at your photos." in text_of(answer)
    script = portal.post(URL, form(step="send"), headers={"hx-request": "true"})
    assert (script.status_code, script["Retry-After"]) == (409, "2")
    IntakePhoto.objects.update(asked_at=timezone.now() - timedelta(seconds=21))
    assert portal.post(URL, form(step="send")).status_code == 302


def test_a_photo_that_was_changed_meanwhile_is_not_called_free_of_faces(patient, monkeypatch):
    photo = looked_at(patient, portrait())
    IntakePhoto.objects.update(faces=None)

    def cover_first(_picture):
        IntakePhoto.objects.update(sha256="0" * 64)
        return []

    monkeypatch.setattr("ml.faces.find_faces", cover_first)
    find_faces_task(str(photo.pk))
    assert IntakePhoto.objects.get().faces is None
    find_faces_task(str(uuid.uuid4()))  # erased meanwhile


# --- poor photos ---------------------------------------------------------------------------------------------------
def test_a_poor_photo_says_what_to_do_and_may_be_sent_to_a_dermatologist(portal):
    factories.DermatologistFactory()
    page = text_of(portal.post(URL, form(step="next", photo_close_up=file(photos.blurred()))))
    assert "The photo is blurred." in page
    assert "Hold the camera still" in page
    assert "Send it anyway and ask a dermatologist" in page
    assert portal.post(URL, form(step="send", ask_dermatologist="on")).status_code == 302
    assert Case.objects.get().review_requested_at is not None


def test_a_new_close_up_takes_the_place_of_the_old_one(portal, patient):
    first = looked_at(patient, photos.blurred())
    second = looked_at(patient, photos.skin())
    third = looked_at(patient, photos.skin(seed=2), shot="angle")
    assert set(IntakePhoto.objects.all()) == {second, third}
    assert first.pk != second.pk
    portal.post(reverse("intake_photo", args=[third.pk]), {"photo_action": "remove"})
    assert IntakePhoto.objects.get() == second


# --- limits, ends --------------------------------------------------------------------------------------------------
def test_limits_hold_for_a_check_and_for_a_person(patient, settings):
    for number in range(5):
        looked_at(patient, photos.skin(size=(200, 160), seed=number), shot="other")
    with pytest.raises(services.intake.ValidationError, match="at most five"):
        looked_at(patient, photos.skin(), shot="angle")
    settings.MAX_OPEN_UPLOADS = 5
    with pytest.raises(services.intake.ValidationError, match="Too many photos are waiting"):
        services.photo_take_in(patient=patient, submission_key=uuid.uuid4(), shot="angle", data=photos.skin())
    assert IntakePhoto.objects.count() == 5


def test_a_check_that_was_sent_takes_no_more_photos_and_is_not_sent_twice(portal):
    places = {portal.post(URL, form(step="send", photo_close_up=file()))["Location"] for _ in range(3)}
    assert len(places) == Case.objects.count() == 1
    assert Case.objects.get().images.count() == 1
    assert not IntakePhoto.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_photos_that_were_never_sent_are_swept_with_their_files(patient):
    old, young = looked_at(patient, photos.skin()), looked_at(patient, photos.skin(), shot="angle")
    IntakePhoto.objects.filter(pk=old.pk).update(expires_at=timezone.now())
    expire_uploads_task()
    assert not default_storage.exists(old.file.name)
    assert default_storage.exists(young.file.name)
    services.intake_erase(patient=patient)
    assert not default_storage.exists(young.file.name)
    assert Path(young.file.name).parts[0] == "intake"


def test_the_file_of_a_waiting_photo_carries_no_place_and_is_never_cached(portal, patient):
    photo = looked_at(patient, photos.with_gps())
    answer = portal.get(reverse("intake_photo_file", args=[photo.pk]))
    assert answer["Cache-Control"] == "no-store, private"
    assert not Image.open(io.BytesIO(answer.getvalue())).getexif()


def test_a_photo_that_was_sent_a_moment_ago_is_not_covered_any_more(portal, patient):
    photo = looked_at(patient, portrait())
    answer = portal.post(reverse("intake_photo", args=[photo.pk]), {"photo_action": f"keep:{photo.pk}"})
    assert answer.status_code == 200
    assert portal.post(reverse("case_create"), form(step="send")).status_code == 302
    with pytest.raises(ValidationError, match="sent or removed already"):
        services.photo_cover_faces(photo=photo)
    assert not IntakePhoto.objects.exists()
