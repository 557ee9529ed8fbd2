"""The patient's pages through their addresses: what creates a case, what is refused, and what each state shows."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from diagnosis.models import Case, CaseImage, IntakePhoto
from ml.evaluation.studies import add_study
from tests.kit import factories, photos
from tests.kit.releases import write_toy_release

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy_release")]
URL = "/cases/new/"


def photo(data: bytes | None = None, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, photos.skin() if data is None else data, "image/jpeg")


def form(**changes) -> dict:
    data = {**factories.ANSWERS, "step": "send", "submission_key": str(uuid.uuid4()), "photo_close_up": photo()}
    return {key: value for key, value in {**data, **changes}.items() if value is not None}


def stored_files() -> set[Path]:
    return {path for path in Path(django_settings.PRIVATE_ROOT).rglob("*") if path.is_file()}


def text_of(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def detail(portal: Client, case: Case) -> str:
    answer = portal.get(reverse("case_detail", args=[case.pk]))
    assert answer.status_code == 200
    return text_of(answer)


# --- warning signs first -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("country", "number"), [("IN", "112"), ("GB", "999"), ("US", "911"), ("DE", "112")])
def test_an_emergency_shows_the_number_of_the_country_before_any_upload(portal, country, number):
    page = text_of(portal.post(URL, {"step": "check", "country": country, "red_flags": ["swelling"]}))
    assert f'href="tel:{number}"' in page
    assert 'type="file"' not in page


def test_an_emergency_shows_at_once_even_before_a_country_is_chosen(portal):
    page = text_of(portal.post(URL, {"step": "watch", "red_flags": ["fever_rash"]}, headers={"hx-request": "true"}))
    assert 'href="tel:112"' in page
    assert "or your local emergency number" in page


def test_no_emergency_is_shown_without_a_warning_sign(portal):
    answer = portal.post(URL, {"step": "watch", "country": "GB", "red_flags": ["none"]})
    assert text_of(answer).strip() == ""


def test_the_first_page_asks_only_about_the_emergency(portal):
    page = text_of(portal.get(URL))
    assert 'name="red_flags"' in page
    assert 'type="file"' not in page


def test_the_check_must_be_answered(portal):
    answer = portal.post(URL, {"step": "check", "country": "GB"})
    assert answer.status_code == 422
    assert "Please answer this question." in text_of(answer)


def test_after_the_check_come_photos_and_questions_with_the_first_answers_kept(portal):
    page = text_of(portal.post(URL, {"step": "check", "country": "GB", "red_flags": ["none"]}))
    assert '<input type="hidden" name="country" value="GB"' in page
    assert '<input type="hidden" name="red_flags" value="none"' in page
    assert page.count('type="file"') == 4


# --- sending -------------------------------------------------------------------------------------------------------
def test_a_case_is_stored_with_photos_and_answers(portal, patient):
    data = form(photo_angle=photo(photos.skin("PNG")), photo_other=[photo(photos.skin("HEIF"), "photo.heic")])
    answer = portal.post(URL, data)
    case = Case.objects.get()
    assert answer["Location"] == reverse("case_detail", args=[case.pk])
    assert (case.patient, case.country, case.body_site) == (patient, "GB", "arm")
    assert list(case.images.values_list("shot", flat=True)) == ["close_up", "angle", "other"]
    assert case.analyses.get().status == "queued"


def test_htmx_is_sent_to_the_result(portal):
    answer = portal.post(URL, form(), headers={"hx-request": "true"})
    assert answer["HX-Redirect"] == reverse("case_detail", args=[Case.objects.get().pk])


def test_sending_twice_makes_one_case(portal):
    key = str(uuid.uuid4())
    places = {portal.post(URL, form(submission_key=key))["Location"] for _click in range(2)}
    assert len(places) == Case.objects.count() == CaseImage.objects.count() == 1


TEXT = b"this is no photo"
REFUSED = {
    "no photo": ({"photo_close_up": None}, "Please add at least one photo."),
    "not an image": ({"photo_close_up": photo(TEXT)}, "Photo 1: "),
    "truncated": ({"photo_close_up": photo(photos.skin()[:4000])}, "damaged or cut off"),
    "empty": ({"photo_close_up": photo(b"")}, "Photo 1: This file is empty."),
    "too small": ({"photo_close_up": photo(photos.skin(size=(127, 300)))}, "too small"),
    "too large": ({"photo_close_up": photo(photos.skin() + bytes(20 * 1024 * 1024))}, "larger than 20 MB"),
    "six photos": ({"photo_other": [photo() for _ in range(5)]}, "at most five photos"),
    "second one bad": ({"photo_other": [photo(TEXT)]}, "Photo 2: "),
    "no age": ({"age_band": None}, "Please answer this question."),
    "unknown answer": ({"site": "moon"}, "Please choose one of the answers shown."),
    "contradiction": ({"symptoms": ["itch", "none"]}, "cannot be chosen together"),
    "no key": ({"submission_key": "x"}, "Please look at this again"),
}


@pytest.mark.parametrize(("changes", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_says_why_keeps_the_answers_and_makes_no_case(portal, changes, sentence):
    """Good photos wait for the next try; of a refused one nothing stays."""
    before = stored_files()
    for value in changes.values():
        for file in value if isinstance(value, list) else [value]:
            if isinstance(file, SimpleUploadedFile):
                file.seek(0)
    answer = portal.post(URL, form(duration="1_4_weeks", **changes))
    page = text_of(answer)
    assert answer.status_code == 422
    assert sentence in page
    assert re.search(r'value="1_4_weeks"[^>]* checked', page)
    assert not Case.objects.exists()
    waiting = {Path(django_settings.PRIVATE_ROOT) / photo.file.name for photo in IntakePhoto.objects.all()}
    assert stored_files() - before == waiting


def test_without_consent_to_care_nothing_is_taken_in():
    client = Client()
    client.force_login(factories.PatientFactory(consents=[]))
    for answer in (client.get(URL), client.post(URL, form())):
        assert answer["Location"].startswith(reverse("consent_edit"))
    assert not Case.objects.exists()


# --- the result page in every state --------------------------------------------------------------------------------
def test_waiting_page_asks_again_and_the_fragment_ends_by_itself(portal, patient):
    case = factories.case_queued(patient=patient)
    status = reverse("case_status", args=[case.pk])
    assert f'hx-get="{status}"' in detail(portal, case)
    assert f'hx-get="{status}"' in text_of(portal.get(status, headers={"hx-request": "true"}))
    done = factories.case_done(patient=patient)
    status = reverse("case_status", args=[done.pk])
    assert portal.get(status, headers={"hx-request": "true"})["HX-Refresh"] == "true"
    assert "hx-get" not in text_of(portal.get(status))


def test_assessed_result_says_how_urgent_before_what_it_may_be(portal, patient):
    page = detail(portal, factories.case_done(patient=patient, top="eczema"))
    order = ["You can look after this at home", "AI draft, not checked by a dermatologist", "What it may be", "Advice"]
    assert [page.find(text) for text in order] == sorted(page.find(text) for text in order)
    assert -1 not in [page.find(text) for text in order]
    for text in ("70 %", "How each model voted", "Come back, or see a clinician", "Model release toy", "squamous cell"):
        assert text.lower() in page.lower(), text


def test_an_installation_without_dermatologists_points_to_the_finder(portal, patient):
    page = detail(portal, factories.case_done(patient=patient))
    assert "This installation has no dermatologist" in page
    assert "Ask a dermatologist" not in page
    factories.DermatologistFactory()
    assert "Ask a dermatologist" in detail(portal, Case.objects.get())


@pytest.mark.parametrize("make", [factories.case_inconclusive, factories.case_failed])
def test_what_nobody_judged_names_no_condition_and_does_not_say_self_care(portal, patient, make):
    factories.DermatologistFactory()
    page = detail(portal, make(patient=patient))
    assert "What it may be" not in page
    assert "at home" not in page
    assert "We cannot say how urgent this is" in page
    assert "Ask a dermatologist" in page


def test_failed_check_can_be_started_again(portal, patient):
    case = factories.case_failed(patient=patient)
    assert "The check could not be finished" in detail(portal, case)
    portal.post(reverse("case_retry", args=[case.pk]))
    assert case.analyses.count() == 2
    assert "We are checking your photos" in detail(portal, case)


def test_retry_of_a_finished_check_is_refused_in_words(portal, patient):
    case = factories.case_done(patient=patient)
    answer = portal.post(reverse("case_retry", args=[case.pk]), follow=True)
    assert "has not failed" in text_of(answer)
    assert case.analyses.count() == 1


def test_a_dermatologist_can_be_asked_while_the_computer_still_looks(portal, patient):
    case = factories.case_queued(patient=patient)
    action = reverse("case_review_request", args=[case.pk])
    assert action not in detail(portal, case)  # nobody works here
    factories.DermatologistFactory()
    assert f'action="{action}"' in detail(portal, case)
    portal.post(action)
    page = detail(portal, Case.objects.get(pk=case.pk))
    assert "A dermatologist of this service will look at your photos by" in page
    assert action not in page


def test_emergency_answers_stand_above_everything(portal, patient):
    page = detail(portal, factories.case_queued(patient=patient, red_flags=["swelling"]))
    assert 'href="tel:999"' in page


def test_asking_a_dermatologist_says_by_when(portal, patient):
    factories.DermatologistFactory()
    case = factories.case_done(patient=patient)
    page = text_of(portal.post(reverse("case_review_request", args=[case.pk]), follow=True))
    assert "A dermatologist of this service will look at your photos by" in page
    assert ">Ask a dermatologist<" not in page


def test_signed_opinion_replaces_the_draft_banner(portal, patient):
    page = detail(portal, factories.case_signed(patient=patient))
    assert "Checked and signed by a dermatologist" in page
    assert "Use the cream twice a day." in page
    assert "AI draft" not in page


def test_deleting_asks_first(portal, patient):
    case = factories.case_done(patient=patient)
    address = reverse("case_delete", args=[case.pk])
    assert "Delete for good" in text_of(portal.get(address))
    assert Case.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_deleted_files_are_gone(toy_release):
    patient = factories.PatientFactory()
    client = Client()
    client.force_login(patient)
    before = stored_files()
    case = factories.case_done(patient=patient)
    assert stored_files() != before
    assert "/account/erased/" in client.post(reverse("case_delete", args=[case.pk]))["Location"]
    assert not Case.objects.exists()
    assert stored_files() == before


# --- cost and privacy ----------------------------------------------------------------------------------------------
def test_list_needs_at_most_twelve_queries(portal, patient, django_assert_max_num_queries):
    for make in (factories.case_queued, factories.case_failed, *[factories.case_done] * 6, factories.case_signed):
        make(patient=patient)
    with django_assert_max_num_queries(12):
        page = text_of(portal.get(reverse("case_list")))
    assert page.count("C-") == 9


def test_result_needs_few_queries(portal, patient, django_assert_max_num_queries):
    case = factories.case_signed(patient=patient)
    with django_assert_max_num_queries(20):
        detail(portal, case)


def test_pages_of_a_patient_are_never_kept_in_a_cache(portal, patient):
    case = factories.case_done(patient=patient)
    for url in (reverse("case_list"), reverse("case_detail", args=[case.pk])):
        assert "no-store" in portal.get(url)["Cache-Control"]


def test_pages_have_no_inline_code(portal, patient):
    """The content security policy allows none: an inline handler or style would be dead."""
    case = factories.case_done(patient=patient)
    step = portal.post(URL, {"step": "check", "country": "GB", "red_flags": ["none"]})
    for page in (detail(portal, case), text_of(portal.get(reverse("home"))), text_of(step)):
        assert not re.search(r"\sstyle=|\son[a-z]+=|<script(?![^>]*\bsrc=)", page)


def test_model_card_shows_intervals_and_limits(client):
    page = text_of(client.get(reverse("release_card")))
    assert "50 %" in page
    assert "(40–60)" in page
    assert "not a medical device" in page.lower()


def test_model_card_sets_each_network_beside_the_same_one_trained_plainly(client, tmp_path, monkeypatch):
    release = write_toy_release(tmp_path)
    monkeypatch.setenv("SMARTDERMA_RELEASE_DIR", str(tmp_path))
    title = "Against the same network trained plainly"
    assert "Not measured for this release" in text_of(client.get(reverse("release_card"))).split(f"<h3>{title}")[1]
    found = {"value": 0.61, "low": 0.57, "high": 0.66, "n": 700}
    both = {"control": {**found, "value": 0.523}, "member": found, "difference": {**found, "value": 0.087}}
    rows = [{"member": "densenet121", "architecture": "densenet121", "parts": {"val": both, "test": both}}]
    add_study(release / "release.json", "plain_controls", {"rows": rows})
    page = text_of(client.get(reverse("release_card"))).split(f"<h3>{title}")[1].split("</table>")[0]
    assert re.findall(r"<strong>(\d+) %</strong>", page) == ["61", "52"]
    assert "densenet121" in page


@pytest.mark.parametrize(("methods", "shown"), [(("ours",), "15"), (("ours", "vote"), "31")])
def test_model_card_says_how_the_vote_does_on_sources_never_seen(client, tmp_path, monkeypatch, methods, shown):
    release = write_toy_release(tmp_path)
    monkeypatch.setenv("SMARTDERMA_RELEASE_DIR", str(tmp_path))
    values = {"ours": 0.15, "vote": 0.31}
    found = {name: {"value": values[name], "low": 0.1, "high": 0.4, "n": 733} for name in methods}
    study = {"sources": [{"source": "a", "photos": 733, "found": found}]}
    add_study(release / "release.json", "leave_source_out", study)
    page = (
        text_of(client.get(reverse("release_card"))).split("<h3>On sources it had never seen")[1].split("</table>")[0]
    )
    assert re.findall(r"<strong>(\d+) %</strong>", page) == [shown]
    harder = {"sources": [{"source": "all of a", "photos": 800, "found": {"vote": {**found["ours"], "value": 0.12}}}]}
    add_study(release / "release.json", "leave_family_out", harder)
    page = text_of(client.get(reverse("release_card")))
    assert "all of a" in page
    assert f"<strong>{shown} %</strong>" not in page.split("<h3>On sources it had never seen")[1].split("</table>")[0]


def test_model_card_without_a_release_says_so(client, settings):
    settings.MODEL_RELEASE = "no-such-release"
    assert "No model release is installed" in text_of(client.get(reverse("release_card")))


def test_error_pages_are_calm_and_lead_back(portal):
    missing = portal.get(reverse("case_detail", args=[uuid.uuid4()]))
    assert missing.status_code == 404
    assert "This page does not exist" in text_of(missing)
    forged = Client(enforce_csrf_checks=True).post(reverse("account_login"), {"login": "a@example.org"})
    assert forged.status_code == 403
    assert "This page is not open to you" in text_of(forged)
    flood = {f"extra{number}": photo(b"x") for number in range(25)}
    refused = portal.post(URL, {**form(), **flood})
    assert refused.status_code == 400
    assert "We could not read that request" in text_of(refused)


def test_a_crash_page_needs_nothing(rf):
    from django.views.defaults import server_error

    page = server_error(rf.get("/")).content.decode()
    assert "Something went wrong on our side" in page
