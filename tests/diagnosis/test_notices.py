"""E-mails: which events cause one, once, in the reader's language, with nothing of the case in it."""

from __future__ import annotations

import re
import smtplib
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext

from accounts.models import User
from diagnosis import services
from diagnosis.models import MutedNotice, Notice, NoticeKind
from diagnosis.notices import TEXTS
from diagnosis.tasks import run_analysis_task, send_notice_task, sweep_notices_task
from tests.kit import factories

pytestmark = pytest.mark.django_db


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def deliver() -> list[str]:
    """Send what is queued; gives the subjects."""
    for notice in Notice.objects.filter(status="queued").order_by("queued_at"):
        send_notice_task(str(notice.pk))
    return [message.subject for message in mail.outbox]


def kinds() -> list[str]:
    return sorted(Notice.objects.values_list("kind", flat=True))


# --- which events ----------------------------------------------------------------------------------------------
def test_a_finished_check_is_mailed_once_however_often_the_task_runs(toy_release):
    case = factories.case_queued()
    for _ in range(2):
        run_analysis_task(str(case.analyses.get().pk))
    assert kinds() == ["result_ready"]
    assert deliver() == deliver() == ["[Smart Derma] There is news for you"]
    assert mail.outbox[0].to == [case.patient.email]


def test_a_failed_check_is_news_too():
    factories.case_failed()
    assert kinds() == ["result_ready"]


def test_a_signed_and_a_changed_opinion_are_mailed():
    factories.case_amended()
    assert kinds() == ["review_amended", "review_signed"]


def test_asking_for_photos_is_mailed():
    case = factories.case_in_review()
    services.photos_request(case=case, reader=factories.DermatologistFactory(), missing=["sharp"])
    assert kinds() == ["photos_asked"]


def test_patients_of_partners_get_no_mail():
    factories.case_failed(partner=factories.PartnerFactory())
    assert not Notice.objects.exists()


def test_the_mail_is_sent_after_commit_and_not_before(django_capture_on_commit_callbacks, monkeypatch):
    sent = []
    monkeypatch.setattr("diagnosis.tasks.send_notice_task.delay", sent.append)
    with django_capture_on_commit_callbacks(execute=True):
        factories.case_failed()
        assert sent == []
    assert sent == [str(Notice.objects.get().pk)]


# --- what it says ----------------------------------------------------------------------------------------------
SECRETS = ("skin", "photo", "eczema", "melanoma", "dermatolog", "doctor", "result", "check", "diagnos", "review")


@pytest.mark.parametrize("kind", TEXTS)
def test_no_mail_says_anything_about_health(kind):
    subject, sentence = (str(text).lower() for text in TEXTS[kind])
    assert not [secret for secret in SECRETS if secret in f"{subject} {sentence}"]


def test_the_body_has_a_link_a_way_out_and_no_case_in_words():
    case = factories.case_signed()
    deliver()
    message = mail.outbox[0]
    assert f"http://testserver{reverse('case_detail', args=[case.pk])}" in message.body
    words = re.sub(r"http\S+", "", message.body)
    for secret in (case.reference, "arm", "eczema", "Test Person", case.patient.pseudonym, case.patient.email):
        assert secret not in words
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message.extra_headers["List-Unsubscribe"].strip("<>") in message.body


@pytest.mark.parametrize("language", ["es", "hi", "ar"])
def test_the_mail_is_in_the_readers_language(language):
    factories.case_failed(patient=factories.PatientFactory(language=language))
    deliver()
    with translation.override(language):
        expected = [
            str(text) for text in (*TEXTS["result_ready"], gettext("For your privacy this e-mail says no more."))
        ]
    text = f"{mail.outbox[0].subject}\n{mail.outbox[0].body}"
    assert [part for part in expected if part not in text] == []
    assert translation.get_language() == "en"


def test_an_account_in_a_language_that_is_not_offered_gets_the_default():
    factories.case_failed(patient=factories.PatientFactory(language="xx"))
    assert deliver() == ["[Smart Derma] There is news for you"]


# --- choosing --------------------------------------------------------------------------------------------------
def test_a_kind_that_is_switched_off_is_not_sent_and_can_come_back():
    patient = factories.PatientFactory()
    client = client_of(patient)
    url = reverse("notice_settings")
    assert client.get(url).content.decode().count("checked") == len(NoticeKind)
    client.post(url, {"kind": ["review_signed", "nonsense"]})
    factories.case_failed(patient=patient)
    assert not Notice.objects.exists()
    assert MutedNotice.objects.filter(user=patient).count() == len(NoticeKind) - 1
    client.post(url, {"kind": ["result_ready"]})
    factories.case_failed(patient=patient)
    assert kinds() == ["result_ready"]


def test_switching_off_after_it_was_queued_still_counts():
    case = factories.case_failed()
    services.notices_mute(user=case.patient, kind="result_ready")
    assert deliver() == []


def test_the_link_in_a_mail_stops_its_kind_only_for_its_reader(client):
    case = factories.case_failed()
    deliver()
    link = re.search(r"http://testserver(/stop/\S+)", mail.outbox[0].body).group(1)
    assert "no more e-mails of this kind" in client.get(link).content.decode()
    assert not MutedNotice.objects.exists()
    assert client.post(link).status_code == 200
    assert list(MutedNotice.objects.values_list("user", "kind")) == [(case.patient.pk, "result_ready")]
    assert client.post(link).status_code == 200


def test_a_link_of_an_account_that_is_gone_does_nothing(client):
    case = factories.case_failed()
    deliver()
    link = re.search(r"http://testserver(/stop/\S+)", mail.outbox[0].body).group(1)
    case.patient.delete()
    assert client.post(link).status_code == 200


def test_the_key_in_the_stop_link_is_not_logged():
    from django.test import RequestFactory

    from smartderma.middleware import QuietRequestMiddleware

    request = RequestFactory().get("/stop/SECRET:TOKEN/")
    assert "SECRET" not in QuietRequestMiddleware.format_request(request)


# --- when things break -----------------------------------------------------------------------------------------
class Refusing(EmailBackend):
    """A mail server that is down."""

    def send_messages(self, messages):
        raise smtplib.SMTPServerDisconnected("down")


REFUSING = f"{__name__}.Refusing"


def test_a_mail_server_that_is_down_is_asked_again(settings):
    factories.case_failed()
    working, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, REFUSING
    assert deliver() == []
    notice = Notice.objects.get()
    assert (notice.status, notice.attempts) == ("queued", 1)
    settings.EMAIL_BACKEND = working
    assert len(deliver()) == 1


def test_after_many_attempts_it_is_given_up(settings):
    factories.case_failed()
    settings.EMAIL_BACKEND = REFUSING
    for _ in range(settings.NOTICE_MAX_ATTEMPTS):
        deliver()
    assert Notice.objects.get().status == "failed"


def test_what_a_dead_worker_or_a_lost_message_left_is_brought_back(monkeypatch):
    sent = []
    monkeypatch.setattr("diagnosis.tasks.send_notice_task.delay_on_commit", sent.append)
    for _ in range(2):
        factories.case_failed()
    died, lost = Notice.objects.order_by("queued_at")
    assert Notice.objects.claim(died.pk)
    assert Notice.objects.claim(died.pk) is None
    long_ago = timezone.now() - timedelta(hours=1)
    Notice.objects.filter(pk=died.pk).update(lease_until=long_ago)
    Notice.objects.filter(pk=lost.pk).update(queued_at=long_ago)
    sent.clear()
    sweep_notices_task()
    assert sent == [str(lost.pk)]
    assert set(Notice.objects.values_list("status", flat=True)) == {"queued"}


def test_old_mails_are_forgotten():
    factories.case_failed()
    deliver()
    Notice.objects.update(queued_at=timezone.now() - timedelta(days=31))
    sweep_notices_task()
    assert not Notice.objects.exists()
