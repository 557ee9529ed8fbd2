"""A candidate beside the active release: what it says is kept apart, and whatever it does, the case does not change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pypdf import PdfReader

from accounts.models import Purpose
from accounts.services import consent_set
from diagnosis import active_release, services, shadow_numbers
from diagnosis.models import Analysis, Case, ModelRelease, OperatorEvent, ShadowRun
from diagnosis.shadow_numbers import Answer, Pair
from diagnosis.tasks import check_release_task, run_analysis_task, run_shadow_task, sweep_operations_task
from ml.serving import engine
from reports.services import report_render
from tests.kit import factories
from tests.kit.releases import write_toy_release
from tests.kit.whole_person import everything_in_the_database

CONSENTS = [Purpose.CARE, Purpose.STORAGE, Purpose.RESEARCH]


@pytest.fixture
def candidate(db, tmp_path, settings, monkeypatch) -> Iterator[str]:
    """`toy` serves, `candidate` judges every case of whoever agreed to research."""
    monkeypatch.setenv("SMARTDERMA_RELEASE_DIR", str(tmp_path))
    settings.MODEL_RELEASE = "toy"
    for name in ("toy", "candidate"):
        write_toy_release(tmp_path, name)
    engine._load_engine.cache_clear()
    monkeypatch.setattr(active_release, "_last_good", "")
    monkeypatch.setattr(active_release, "_refused", {})
    operator = factories.OperatorFactory()
    check_release_task(str(services.release_check_ask(name="candidate", operator=operator).pk))
    services.release_shadow_set(name="candidate", percent=100, operator=operator)
    yield "candidate"
    engine._load_engine.cache_clear()


def judged(patient=None, **options) -> Case:
    case = factories.case_queued(patient=patient or factories.PatientFactory(consents=CONSENTS), **options)
    run_analysis_task(str(case.analyses.get().pk))
    return Case.objects.get(pk=case.pk)


def run(case: Case) -> ShadowRun:
    run_shadow_task(str(ShadowRun.objects.get(analysis__case=case).pk))
    return ShadowRun.objects.get(analysis__case=case)


def state_of(case: Case) -> dict[str, str]:
    """Every value of the database that is not about candidates."""
    return {place: text for place, text in everything_in_the_database() if "ShadowRun" not in place}


def test_a_candidate_judges_the_same_photos_and_changes_nothing(candidate):
    case = judged()
    before = state_of(case)
    shadow = run(case)
    assert (shadow.status, shadow.candidate_answer["release"]) == ("done", "candidate")
    assert shadow.active_answer["release"] == "toy"
    assert shadow.active_answer["top"] == case.analyses.get().top_condition
    assert shadow.candidate_answer["top"] != case.analyses.get().top_condition, "other networks"
    assert shadow.weights_sha256 != case.analyses.get().weights_sha256
    assert state_of(case) == before
    run_shadow_task(str(shadow.pk))
    assert ShadowRun.objects.count() == 1, "safe to run twice"


def test_no_page_report_or_interface_shows_a_candidate(candidate):
    case = judged()
    run(case)
    services.review_request(case=case, actor=case.patient)
    report = report_render(case=Case.objects.get(pk=case.pk), language="en")
    for user in (case.patient, factories.DermatologistFactory()):
        client = Client()
        client.force_login(user)
        for name in ("case_detail", "review_case", "review_related"):
            assert "candidate" not in client.get(reverse(name, args=[case.pk])).content.decode()
        assert client.get(reverse("shadow_comparison", args=["candidate"])).status_code == 404
    with report.file.open("rb") as file:
        assert "candidate" not in "".join(page.extract_text() for page in PdfReader(file).pages)


@pytest.mark.parametrize("why", ["no consent", "partner", "sandbox", "drawn lots", "nobody in shadow"])
def test_who_is_not_judged_by_a_candidate(candidate, why):
    if why == "partner":
        case = factories.case_queued(partner=factories.PartnerFactory())
    else:
        consents = [Purpose.CARE] if why == "no consent" else CONSENTS
        case = factories.case_queued(patient=factories.PatientFactory(consents=consents))
    if why == "sandbox":
        Case.objects.filter(pk=case.pk).update(patient=None, partner=factories.PartnerFactory(), sandbox=True,
                                               expires_at=timezone.now() + timedelta(days=1))  # fmt: skip
    if why == "drawn lots":
        services.release_shadow_set(name=candidate, percent=10, operator=factories.OperatorFactory())
        Analysis.objects.update(id="00000000-0000-4000-8000-0000000003e8")  # 1000 of 10000: the first that is not
    if why == "nobody in shadow":
        services.release_shadow_set(name=candidate, percent=0, operator=factories.OperatorFactory())
    run_analysis_task(str(Analysis.objects.get().pk))
    assert Analysis.objects.get().status == "done"
    assert not ShadowRun.objects.exists()


def test_a_tenth_is_a_tenth():
    import uuid

    from diagnosis.services.shadows import _is_drawn

    ids = [uuid.uuid5(uuid.NAMESPACE_URL, str(number)) for number in range(5000)]
    assert 0.08 < sum(_is_drawn(pk, 10) for pk in ids) / 5000 < 0.12
    assert not any(_is_drawn(pk, 0) for pk in ids)
    assert all(_is_drawn(pk, 100) for pk in ids)


def test_a_broken_candidate_touches_no_case(candidate, tmp_path):
    case = judged()
    ModelRelease.objects.filter(name="candidate").update(name="gone")
    ShadowRun.objects.update(release="gone")
    before = state_of(case)
    assert (run(case).status, run(case).failure) == ("failed", "error")
    assert state_of(case) == before
    (tmp_path / "toy" / "release.json").rename(tmp_path / "moved.json")  # `shadow_ask` itself fails: the case does not
    analysis = Analysis.objects.get()
    found = type("Found", (), {"result": type("R", (), {"release": "toy", "top": "eczema"})(), "triage": None})()
    assert services.shadow_ask(analysis=analysis, assessment=found) is None


def test_withdrawal_and_erasure_take_the_answers_along(candidate, django_capture_on_commit_callbacks):
    first, second, third = judged(), judged(), judged()
    run(first)
    with django_capture_on_commit_callbacks(execute=True):
        consent_set(user=first.patient, purposes=[Purpose.CARE, Purpose.STORAGE], language="en")
    assert not ShadowRun.objects.filter(analysis__case=first).exists()
    services.case_erase(case=second)
    waiting = ShadowRun.objects.get()
    third.patient.consents.filter(purpose=Purpose.RESEARCH).update(withdrawn_at=timezone.now())
    run_shadow_task(str(waiting.pk))
    assert not ShadowRun.objects.exists(), "asked again before the photos are looked at"


def test_dead_workers_and_lost_messages(candidate, django_capture_on_commit_callbacks):
    dead, lost = judged(), judged()
    ShadowRun.objects.claim(ShadowRun.objects.get(analysis__case=dead).pk)
    ShadowRun.objects.filter(analysis__case=dead).update(lease_until=timezone.now() - timedelta(seconds=1))
    ShadowRun.objects.filter(analysis__case=lost).update(queued_at=timezone.now() - timedelta(hours=1))
    with django_capture_on_commit_callbacks() as sent:
        sweep_operations_task()
    assert ShadowRun.objects.get(analysis__case=dead).failure == "crashed"
    assert len(sent) == 1


def test_activating_the_candidate_ends_its_shadow(candidate):
    services.release_activate(name=candidate, replaces="toy", operator=factories.OperatorFactory(), reason="Better.")
    assert ModelRelease.objects.get(active=True).shadow_percent == 0
    judged()
    assert not ShadowRun.objects.exists()


def test_one_candidate_at_a_time(candidate, tmp_path):
    """The database says so too, and what waits for the one before is not judged any more."""
    judged()
    operator = factories.OperatorFactory()
    write_toy_release(tmp_path, "second")
    check_release_task(str(services.release_check_ask(name="second", operator=operator).pk))
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelRelease.objects.filter(name="second").update(shadow_percent=5)
    services.release_shadow_set(name="second", percent=5, operator=operator)
    assert dict(ModelRelease.objects.values_list("name", "shadow_percent")) == {"candidate": 0, "second": 5}
    services.release_shadow_set(name="candidate", percent=0, operator=operator)
    assert ModelRelease.objects.get(name="second").shadow_percent == 5, "ending another leaves it"
    assert not ShadowRun.objects.exists()


# --- the figures ---------------------------------------------------------------------------------------------------
def answer(top="eczema", tier="self_care", **values) -> Answer:
    plain = {"release": "r", "judged": True, "strange": False, "alarm": top == "melanoma", "milliseconds": 80}
    return Answer(top=top, tier=tier, **{**plain, **values})


def test_the_figures_by_hand():
    melanoma, mole = answer("melanoma", "urgent"), answer("moles", "routine", milliseconds=120)
    pairs = [
        *[Pair(answer(), answer(), signed="eczema", skin_type="II")] * 30,
        *[Pair(melanoma, mole, signed="melanoma", skin_type="VI")] * 2,
        *[Pair(mole, melanoma, signed="melanoma", skin_type="V")] * 1,
        *[Pair(answer(judged=False), answer(strange=True, milliseconds=200))] * 7,
    ]
    found = shadow_numbers.compare(pairs)
    assert (found.n, found.signed, found.raised, found.lowered, found.lowered_urgent) == (40, 33, 1, 2, 2)
    assert found.matrix == {("eczema", "eczema"): 37, ("melanoma", "moles"): 2, ("moles", "melanoma"): 1}
    assert found.agreement.value == pytest.approx(37 / 40)
    assert (found.abstained.active.value, found.abstained.candidate.value) == (7 / 40, 0)
    assert (found.strange.active.value, found.strange.candidate.value) == (0, 7 / 40)
    assert (found.accuracy.active.value, found.accuracy.candidate.value) == (32 / 33, 31 / 33)
    assert (found.sensitivity.active.value, found.sensitivity.candidate.value) == (2 / 3, 1 / 3)
    assert found.sensitivity.active.low < 2 / 3 < found.sensitivity.active.high
    assert found.sensitivity.is_small
    assert not found.accuracy.is_small
    assert found.accuracy_by_skin["V-VI"].active.n == 3
    assert found.milliseconds == {"active": (80, 80), "candidate": (80, 200)}
    assert shadow_numbers.compare([]).kappa is None


def test_the_page_says_what_it_knows_and_where_it_is_too_little(candidate):
    run(judged())
    client = Client()
    client.force_login(factories.OperatorFactory())
    page = client.get(reverse("shadow_comparison", args=[candidate]))
    text = page.content.decode()
    assert "1 case" in text
    assert "Too few" in text
    assert str(Case.objects.get().pk) not in text
    assert OperatorEvent.objects.filter(kind="shadow", count=100).exists()
    assert json.dumps(ShadowRun.objects.get().candidate_answer)
