"""The numbers page: figures of cases that the services made, who may see them, what leaves the house."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccessLog, DermatologistProfile
from diagnosis import services
from diagnosis.demo_history import history_create
from diagnosis.models import Case, Read, Review
from diagnosis.numbers import inputs
from diagnosis.numbers.files import csv_lines, harmless
from diagnosis.numbers.inputs import weekly_table
from diagnosis.numbers.model import matrix_table
from diagnosis.numbers.pages import PAGES, page_tables
from diagnosis.numbers.scope import PATIENTS, Scope
from diagnosis.numbers.tables import Share
from tests.kit import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy_release")]

CEILING = 12
TODAY = datetime.now(UTC).date()
QUARTER = Scope(TODAY - timedelta(days=89), TODAY)


def figures(page: str, scope: Scope = QUARTER) -> dict[str, dict[str, tuple]]:
    """The values of every row of every table of a page, by table and first cell."""
    return {
        table.key: {row[0].shown: tuple(value for cell in row[1:] for value in cell.values) for row in table.rows}
        for table in page_tables(page, scope)
    }


def sign(case: Case, reader, diagnosis: str = "eczema", tier: str = "routine", **more):
    text = {"diagnosis_text": "Lichen planus"} if diagnosis == "other" else {}
    return services.review_sign(
        case=case, reviewer=reader, diagnosis=diagnosis, tier=tier, note_to_patient="Hello.", **text, **more
    )


def read_blind(case: Case, reader, first: str, then: str, **more):
    services.first_opinion_store(case=case, reader=reader, diagnosis=first, tier="routine")
    change = {"change_reason": "The model showed me."} if first != then else {}
    return sign(case, reader, then, **change, **more)


def signed_after(case: Case, **waited) -> None:
    """The first version of a case was signed so long after the request."""
    at = Case.objects.get(pk=case.pk).review_requested_at + timedelta(**waited)
    Review.objects.filter(case=case).update(signed_at=at)


@pytest.fixture
def readers():
    return [factories.DermatologistFactory() for _ in range(3)]


@pytest.fixture
def history(readers):
    """A hundred cases of one partner."""
    partner = factories.PartnerFactory()
    history_create(partner=partner, readers=readers, now=timezone.now(), count=100)
    return partner


def test_turnaround_counts_from_the_request_against_the_deadline_of_the_tier(readers):
    hours = (1, 2, 3, 100)
    for waited in hours:
        case = factories.case_in_review()
        Case.objects.filter(pk=case.pk).update(
            tier="urgent", tier_rank=3, review_requested_at=timezone.now() - timedelta(days=30)
        )
        sign(case, readers[0])
        signed_after(case, hours=waited)
    assert figures("work")["turnaround"]["Urgent"][:5] == (4, 2.17, 100.17, 24.0, 75.0)  # ends of steps of 10 minutes
    assert figures("work")["turnaround"]["All"][0] == 4


def test_a_flagged_case_has_no_longer_than_the_deadline_for_flagged_cases(readers):
    for flagged in (True, False):
        case = factories.case_in_review()
        sent = timezone.now() - timedelta(days=20)
        Case.objects.filter(pk=case.pk).update(
            tier="routine", tier_rank=1, review_requested_at=sent, needs_review=flagged
        )
        sign(case, readers[0])
        signed_after(case, days=5)
    assert figures("work")["turnaround"]["Routine"][4] == 50.0


def test_backlog_by_age(readers):
    for days in (0, 2, 5, 12):
        case = factories.case_in_review()
        sent = timezone.now() - timedelta(days=days)
        Case.objects.filter(pk=case.pk).update(
            tier="soon", tier_rank=2, review_requested_at=sent, review_due_at=sent + timedelta(days=3)
        )
    factories.case_asked()
    factories.case_signed()
    tables = figures("work")["backlog"]
    assert tables["Soon"] == (1, 1, 1, 1, 4, 2, 0)
    assert tables["All"] == (1, 1, 1, 1, 4, 2, 1)


def test_agreement_with_the_model(readers):
    """Ten cases: the model says eczema nine times and does not answer once."""
    for diagnosis in ("eczema", "eczema", "eczema", "acne", "acne", "other", "cannot_judge"):
        sign(factories.case_in_review(skin_type="V"), readers[0], diagnosis)
    for diagnosis in ("acne", "eczema"):
        sign(factories.case_in_review(top="acne"), readers[0], diagnosis, override_reason="photo")
    case = factories.case_inconclusive()
    services.review_request(case=case, actor=case.patient)
    sign(case, readers[0])
    tables = figures("model")
    n, same, _low, _high, top3, *_rest = tables["agreement"]["Signed diagnosis"]
    assert (n, same) == (8, 50.0)
    assert top3 == 50.0
    assert tables["agreement_by_skin_type"]["Type V"][0] == 6
    assert tables["agreement_by_skin_type"]["Type II"][0] == 2
    assert list(tables["agreement_by_release"]) == ["toy"]
    assert tables["overrides"]["The photo misled the model"][0] == 2
    assert tables["overrides"]["No reason given"][0] == 3
    assert tables["matrix"]["Eczema"] == (3, 1, 1)  # eczema, acne, no answer
    assert figures("inputs")["abstention"]["First readers: cannot be judged"][:2] == (1, 10)
    assert figures("inputs")["abstention"]["Model: cannot be judged"][:2] == (1, 10)


def test_rank_of_a_diagnosis_in_the_models_list(readers):
    case = factories.case_in_review()
    analysis = case.analyses.get()
    for condition, chance in (("acne", 0.2), ("moles", 0.1)):
        analysis.predictions.filter(condition=condition).update(probability=chance)
    sign(case, readers[0], "moles")
    assert Read.objects.get().model_rank == 3
    assert figures("model")["agreement"]["Signed diagnosis"][4] == 100.0
    sign(factories.case_in_review(), readers[0], "other")
    assert Read.objects.get(diagnosis="other").model_rank is None


def test_changes_after_the_model_was_shown(readers, settings):
    settings.BLIND_FIRST_READ = True
    for first, then in (("acne", "eczema"), ("eczema", "acne"), ("acne", "moles"), ("eczema", "eczema")):
        read_blind(factories.case_in_review(), readers[0], first, then)
    changes = figures("model")["changes"]
    assert [row[0] for row in changes.values()] == [1, 0, 1, 1, 1]
    assert figures("model")["agreement"]["Blind first opinion"][:2] == (4, 50.0)
    assert not any(row[0] for row in figures("model")["changes_that_helped"].values())


def test_two_readers_and_a_third(readers, settings):
    settings.BLIND_FIRST_READ = True
    first, second, third = readers
    agreed, decided = factories.case_in_review(), factories.case_in_review()
    read_blind(agreed, first, "acne", "acne", second_read=True)
    read_blind(agreed, second, "eczema", "acne")
    read_blind(decided, first, "acne", "eczema", second_read=True)
    read_blind(decided, second, "acne", "acne")
    assert figures("work")["adjudication"]["A third has not read yet"][0] == 1
    read_blind(decided, third, "acne", "acne")
    tables = figures("work")
    assert [row[0] for row in tables["adjudication"].values()] == [1, 0, 1, 0, 0]
    assert tables["readers"]["Diagnosis"][:2] == (2, 50.0)
    assert tables["readers"]["Urgency"][:2] == (2, 100.0)
    led = figures("model")["changes_that_helped"]
    assert [row[0] for row in led.values()] == [1, 1, 0]


def test_what_is_outside_the_period_or_of_somebody_else_is_not_counted(readers, history):
    for _case in range(3):  # counts of one group are rounded to the nearest 5
        sign(factories.case_in_review(), readers[0])
    year = Scope(TODAY - timedelta(days=364), TODAY)
    assert figures("work", year)["turnaround"]["All"][0] == 103
    mine = Scope(QUARTER.first, TODAY, PATIENTS)
    assert figures("work", mine)["turnaround"]["All"][0] == 5
    assert figures("model", Scope(QUARTER.first, TODAY, release="r0"))["agreement"]["Signed diagnosis"][0] == 0
    before = Scope(TODAY - timedelta(days=400), TODAY - timedelta(days=300))
    assert figures("work", before)["turnaround"]["All"][0] == 0


def test_counts_of_one_partner_are_coarse(history):
    tables = figures("model", Scope(QUARTER.first, TODAY, str(history.pk)))
    counts = [value for row in tables["matrix"].values() for value in row]
    assert counts
    assert not [n for n in counts if n % 5]
    small = [row for row in tables["agreement_by_skin_type"].values() if row[0] < 20]
    assert small
    assert {row[1:] for row in small} == {("",) * 9}


def test_nobody_can_be_singled_out_by_a_row_or_a_column():
    """One case more or less, of a kind that nobody else has: the same table."""
    many = Counter({("eczema", "eczema"): 30, ("acne", "eczema"): 10})
    one = many + Counter({("melanoma", "moles"): 1})
    before, after = (_matrix(cells).coarse() for cells in (many, one))
    assert list(before.lines()) == list(after.lines())
    assert len(before.rows) == 2
    assert [column.label for column in before.columns] == ["Signed", "Eczema"]


def _matrix(cells):
    return matrix_table(
        {"diagnosis": signed, "model": model, "outcome": "assessed", "n": n} for (signed, model), n in cells.items()
    )


def test_a_week_stays_and_a_kind_of_two_people_does_not(history):
    scope = Scope(TODAY - timedelta(days=20), TODAY)
    groups = [
        {"week": week, "now": 1, "kind": kind, "n": n} for week in scope.weeks for kind, n in (("a", 40), ("b", 2))
    ]
    table = weekly_table("key", "Title", {"a": "A", "b": "B", "c": "C"}, groups, scope).coarse()
    assert [column.label for column in table.columns] == ["Week from", "All", "A", "Stability index"]
    assert [row[2].values for row in table.rows] == [(40,)] * len(scope.weeks)
    assert [table.columns[number].label for number in table.charted] == ["A"]


def test_shares_of_one_partner_do_not_undo_the_rounding():
    shares = {Share(part, whole).coarse().values for part in (8, 9, 10, 11, 12) for whole in (38, 39, 40, 41, 42)}
    assert shares == {(25, "", "")}
    assert {Share(part, 40).coarse().note for part in (8, 12)} == {""}
    assert Share(11, 22).coarse().values == ("", "", "")


def test_all_without_the_patients_is_not_the_exact_table_of_the_partner(history):
    assert Scope(TODAY, TODAY, PATIENTS).is_coarse
    assert not Scope(TODAY, TODAY).is_coarse
    history.cases.all().delete()
    history.delete()
    assert not Scope(TODAY, TODAY, PATIENTS).is_coarse


def test_drift_of_conditions_compares_answers_with_answers(monkeypatch):
    said = {"per_class": {"acne": {"n": 9}, "eczema": {"n": 1}}, "confusion": [[3, 6], [0, 1]]}
    info = type("Info", (), {"document": {"metrics": {"test": said}}})()
    monkeypatch.setattr(inputs, "release_info", lambda _name: info)
    assert inputs._release_mixes(QUARTER)["Likeliest condition"] == {"acne": 3, "eczema": 7}


def test_an_erased_case_leaves_the_numbers(readers):
    case = factories.case_in_review()
    sign(case, readers[0])
    services.case_erase(case=Case.objects.get(pk=case.pk))
    tables = {key: rows for page in PAGES for key, rows in figures(page).items() if key != "drift"}
    assert not [key for key, rows in tables.items() for row in rows.values() if row[0]]


def test_weeks_and_drift(history):
    tables = figures("inputs", Scope(TODAY - timedelta(days=41), TODAY))
    assert 6 <= len(tables["quality_by_week"]) <= 7
    assert sum(row[0] for row in tables["quality_by_week"].values()) > 10
    for key in ("quality_by_week", "skin_by_week", "conditions_by_week"):
        assert all(row[0] == sum(row[1:-1]) for row in tables[key].values())
    drift = tables["drift"]
    assert drift["Skin type, against the same time before"][4] == "No more than by chance"
    assert drift["Likeliest condition, against the test photos of the release"][3] == ""  # the toy has none


def test_charts_draw_what_their_columns_say(history):
    tables = {table.key: table for page in PAGES for table in page_tables(page, QUARTER)}
    drawn = {key: [table.columns[number].label for number in table.charted] for key, table in tables.items()}
    assert drawn["drift"] == ["Stability index"]
    assert drawn["turnaround"] == ["Half within", "9 of 10 within"]
    assert drawn["backlog"] == ["Up to 1 day", "1 to 3 days", "3 to 7 days", "Over 7 days"]
    assert drawn["agreement"] == ["Same diagnosis", "Among its first three"] == drawn["agreement_by_skin_type"]
    shares = {"readers", "adjudication", "overrides", "changes", "changes_that_helped", "abstention", "photo_requests"}
    assert all(tables[key].columns[tables[key].charted[0]].unit == "%" for key in shares)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("who", ["operator", "dermatologist"])
def test_few_questions_to_the_database(client, history, who, page, django_assert_max_num_queries):
    user = factories.OperatorFactory() if who == "operator" else factories.DermatologistFactory()
    client.force_login(user)
    with django_assert_max_num_queries(CEILING):
        answer = client.get(reverse("numbers_page", args=[page]))
    assert answer.status_code == 200
    assert len(answer.content) < 200_000
    text = answer.content.decode()
    assert "style=" not in text
    assert not [name for name in DermatologistProfile.objects.values_list("full_name", flat=True) if name in text]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"first": "2026-02-30"}, 422),
        ({"first": "2026-03-01", "last": "2026-02-01"}, 422),
        ({"first": "2020-01-01", "last": "2026-01-01"}, 422),
        ({"last": "9999-12-31", "first": "9999-12-01"}, 422),
        ({"partner": "nobody"}, 422),
        ({"first": "2026-01-01", "last": "2026-02-01", "partner": PATIENTS, "nonsense": "1"}, 200),
    ],
    ids=str,
)
def test_filters(client, query, status):
    client.force_login(factories.OperatorFactory())
    assert client.get(reverse("numbers"), query).status_code == status


def test_a_dermatologist_cannot_ask_for_one_partner(client, history):
    client.force_login(factories.DermatologistFactory())
    answer = client.get(reverse("numbers"), {"partner": str(history.pk)})
    assert "partner" not in answer.context["form"].fields
    assert answer.context["scope"].partner == ""


def test_every_table_can_be_taken_and_the_log_says_who(client, history):
    user = factories.DermatologistFactory()
    client.force_login(user)
    for page in PAGES:
        for one in client.get(reverse("numbers_page", args=[page])).context["figures"]:
            answer = client.get(reverse("numbers_table", args=[page, one.table.key]))
            text = b"".join(answer.streaming_content).decode("utf-8-sig")
            rows = list(csv.reader(io.StringIO(text)))
            assert len(rows) == len(one.table.rows) + 1
            assert {len(row) for row in rows} == {len(rows[0])}
            entry = AccessLog.objects.first()
            assert (entry.actor, entry.action, entry.object_type) == (user, "numbers", "NumbersTable")
            assert entry.object_id.startswith(one.table.key)
    assert "attachment" in answer["Content-Disposition"]
    assert client.get(reverse("numbers_table", args=["work", "nothing"])).status_code == 404


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_a_cell_cannot_be_a_formula(text):
    assert harmless(text) == f"'{text}"
    assert harmless(-0.25) == -0.25
    lines = "".join(csv_lines([["name"], [text], [-0.25], ['a "quoted", name']]))
    rows = list(csv.reader(io.StringIO(lines.removeprefix("\ufeff"), newline="")))
    assert rows == [["name"], [f"'{text}"], ["-0.25"], ['a "quoted", name']]
