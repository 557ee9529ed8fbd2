"""The language menu, the language of an account, and what is written without a browser."""

from __future__ import annotations

import uuid

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.language import language_of, language_set
from tests.kit import factories

pytestmark = pytest.mark.django_db
SET = reverse("set_language")


def text(answer) -> str:
    return answer.content.decode()


def test_a_visitor_reads_the_language_of_the_browser(client: Client):
    for wish, language, direction in (("ar-EG,en;q=0.5", "ar", "rtl"), ("hi", "hi", "ltr"), ("fi", "en", "ltr")):
        answer = client.get("/", headers={"accept-language": wish})
        assert f'<html lang="{language}" dir="{direction}">' in text(answer)
        assert answer.headers["Content-Language"] == language


def test_a_visitors_choice_is_kept_on_the_device_and_leads_back_to_the_same_page(client: Client):
    page = f"{reverse('finder_search')}?place=Pune&radius=10000"
    assert f'name="next" value="{page.replace("&", "&amp;")}"' in text(client.get(page))
    answer = client.post(SET, {"language": "ar", "next": page})
    assert (answer.status_code, answer.url) == (302, page)
    assert 'lang="ar" dir="rtl"' in text(client.get(page, headers={"accept-language": "es"}))


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_the_menu_leads_to_no_other_site(client: Client, elsewhere):
    for address in (SET, f"{SET}?again=1"):
        assert client.post(address, {"language": "es", "next": elsewhere}).url == "/"


def test_a_person_reads_the_language_of_the_account_on_every_device(client: Client):
    patient = factories.PatientFactory(language="hi")
    client.force_login(patient)
    assert 'lang="hi"' in text(client.get(reverse("my_data"), headers={"accept-language": "es"}))
    client.post(SET, {"language": "ar", "next": "/"})
    patient.refresh_from_db()
    assert patient.language == "ar"
    other_device = Client()
    other_device.force_login(patient)
    assert 'lang="ar" dir="rtl"' in text(other_device.get(reverse("my_data")))


def test_an_unknown_language_changes_nothing(client: Client):
    patient = factories.PatientFactory(language="hi")
    client.force_login(patient)
    client.post(SET, {"language": "xx", "next": "/"})
    patient.refresh_from_db()
    assert patient.language == "hi"
    with pytest.raises(ValueError, match="not one of"):
        language_set(user=patient, language="xx")
    assert language_of(factories.PatientFactory(language="xx")) == "en"


def test_whoever_chooses_a_language_before_logging_in_keeps_it(client: Client):
    patient = factories.PatientFactory(language="en")
    client.post(SET, {"language": "es", "next": "/"})
    client.post(reverse("account_login"), {"login": patient.email, "password": factories.PASSWORD})
    patient.refresh_from_db()
    assert patient.language == "es"


def test_no_answer_is_lost_when_the_language_changes_in_the_middle_of_a_check(client: Client):
    patient = factories.PatientFactory()
    client.force_login(patient)
    page = reverse("case_create")
    answers = {
        "submission_key": str(uuid.uuid4()), "country": "GB", "red_flags": "none", "screen": "place", "site": "arm",
        "age_band": "40_49", "language": "hi",
    }  # fmt: skip
    answer = client.post(f"{SET}?again=1&next={page}", answers, follow=True)
    assert answer.redirect_chain == [(page, 307)]
    shown = text(answer)
    assert '<html lang="hi"' in shown
    assert answers["submission_key"] in shown
    assert answer.context["screen"] == "place"
    assert answer.context["form"]["site"].value() == "arm"
    assert answer.context["form"]["age_band"].value() == "40_49"
    first = client.post(f"{SET}?again=1&next={page}", {"language": "ar", "country": "IN"}, follow=True)
    assert first.context["form"]["country"].value() == "IN"
    emergency = client.post(
        f"{SET}?again=1&next={page}", {"language": "ar", "country": "IN", "red_flags": "swelling"}, follow=True
    )
    assert "112" in text(emergency)
    assert "اطلب المساعدة الطبية الآن" in text(emergency)


@pytest.mark.parametrize(
    ("language", "words"),
    [("hi", "पासवर्ड"), ("ar", "كلمة المرور"), ("es", "contraseña"), ("en", "password")],
)
def test_an_account_gets_its_e_mails_in_its_language(client: Client, language, words):
    patient = factories.PatientFactory(language=language)
    client.post(reverse("account_reset_password"), {"email": patient.email}, headers={"accept-language": "fr"})
    assert words in f"{mail.outbox[0].subject} {mail.outbox[0].body}"
    assert mail.outbox[0].subject.startswith("[Smart Derma] ")


@pytest.mark.parametrize(("language", "hello"), [("es", "Hola"), ("hi", "नमस्ते"), ("ar", "مرحبًا")])
def test_notices_are_written_by_a_worker_in_the_language_of_their_reader(language, hello):
    from diagnosis.models import NoticeKind
    from diagnosis.notices import notice_mail
    from diagnosis.services import notice_queue

    case = factories.case_done(patient=factories.PatientFactory(language=language))
    notice = notice_queue(user=case.patient, kind=NoticeKind.RESULT_READY, event="1", case=case)
    with translation.override("en"):
        assert hello in notice_mail(notice).body


def test_dates_and_numbers_read_as_people_write_them():
    import datetime

    from django.utils.formats import date_format, number_format

    day = datetime.datetime(2026, 3, 4, 14, 30, tzinfo=datetime.UTC)
    expected = {
        "es": ("4 de marzo de 2026 a las 14:30", "1234,5"),
        "hi": ("4 मार्च 2026, 14:30", "1234.5"),
        "ar": ("4 مارس 2026، 2:30 م", "1234,5"),
    }
    for language, wanted in expected.items():
        with translation.override(language):
            assert (date_format(day, "DATETIME_FORMAT"), number_format(1234.5, 1)) == wanted
