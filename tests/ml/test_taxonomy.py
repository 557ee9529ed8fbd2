"""The table of classes: order, codes that check, no other place that states a code."""

import re
from pathlib import Path

import pytest

from ml.taxonomy import BY_SLUG, CONDITIONS, SLUGS, TIERS

ROOT = Path(__file__).parents[2]
SOURCE_FOLDERS = (
    "smartderma",
    "accounts",
    "diagnosis",
    "reports",
    "finder",
    "ml",
    "templates",
    "static",
    "deploy",
    "docs",
)
TEXT_SUFFIXES = {".py", ".html", ".txt", ".toml", ".json", ".js", ".css", ".md", ".po", ".yml", ".yaml", ".csv"}
LARGEST = 2_000_000

# Melanoma of any site, clear-cell carcinoma, another concept used for keratosis, an id with a bad check digit.
WRONG_CODES = ("372244006", "254652000", "92564006", "254788002")

# One row of the clinical brief for each class: slug, ICD-10, SNOMED CT, default tier.
BRIEF = """
vitiligo               L80    56727007   routine
psoriasis              L40.9  9014002    routine
actinic-keratosis      L57.0  201101007  soon
basal-cell-carcinoma   C44.9  254701007  soon
eczema                 L30.9  43116000   self_care
sun-damage             L57.8  -          self_care
acne                   L70.0  88616000   self_care
normal                 -      -          self_care
seborrheic-keratosis   L82    394726009  self_care
melanoma               C43.9  93655004   urgent
moles                  D22.9  400010006  routine
tinea                  B35.9  47382004   self_care
warts                  B07    1296960002 self_care
"""

# Verhoeff 1969: multiplication in the dihedral group D5 and the permutation of each position.
D5 = [[(i + j) % 5 if i < 5 and j < 5 else (i + j) % 5 + 5 if i < 5 else (i - j) % 5 + 5 if j < 5 else (i - j) % 5
       for j in range(10)] for i in range(10)]  # fmt: skip
STEP = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def verhoeff_holds(number):
    check = 0
    for position, digit in enumerate(reversed(number)):
        value = int(digit)
        for _ in range(position % 8):
            value = STEP[value]
        check = D5[check][value]
    return check == 0


def snomed_ids():
    return [code for condition in CONDITIONS for code in (condition.snomed, condition.snomed_qualified) if code]


def source_files():
    for folder in SOURCE_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in TEXT_SUFFIXES and path.is_file() and path.stat().st_size < LARGEST:
                yield path


def test_the_table_is_the_brief():
    rows = [row.split() for row in BRIEF.strip().splitlines()]
    table = [[c.slug, c.icd10 or "-", c.snomed or "-", c.tier] for c in CONDITIONS]
    assert table == rows


def test_order_and_names():
    assert [condition.index for condition in CONDITIONS] == list(range(13))
    assert tuple(BY_SLUG) == SLUGS
    assert {condition.tier for condition in CONDITIONS} <= set(TIERS)
    assert [c.slug for c in CONDITIONS if c.is_cancer_class] == [
        "actinic-keratosis",
        "basal-cell-carcinoma",
        "melanoma",
    ]


@pytest.mark.parametrize(
    ("number", "holds"), [("2363", True), ("2364", False), ("73211009", True), ("254788002", False)]
)
def test_verhoeff_itself(number, holds):
    assert verhoeff_holds(number) is holds


@pytest.mark.parametrize("code", snomed_ids())
def test_snomed_ids_have_a_valid_check_digit(code):
    assert verhoeff_holds(code)
    assert code[-3:-1] == "00"  # a concept of the international release


def test_codes_are_not_shared():
    icd10 = [condition.icd10 for condition in CONDITIONS if condition.icd10]
    assert len(set(snomed_ids())) == len(snomed_ids())
    assert len(set(icd10)) == len(icd10)


@pytest.mark.parametrize("condition", CONDITIONS, ids=SLUGS)
def test_icd_codes_have_the_right_form(condition):
    for code in (condition.icd10, condition.icd10_cm, condition.icd10_qualified):
        assert re.fullmatch(r"([A-Z]\d\d(\.\d{1,2})?)?", code)
        assert code[:3] in (condition.icd10[:3], "L20", "")  # a subtype stays in its family; atopic eczema is L20


def test_the_other_codes_of_the_brief():
    assert (BY_SLUG["eczema"].icd10_qualified, BY_SLUG["eczema"].snomed_qualified) == ("L20.9", "24079001")
    assert (BY_SLUG["tinea"].icd10_qualified, BY_SLUG["tinea"].snomed_qualified) == ("B35.4", "84849002")
    american = {condition.slug: condition.icd10_cm for condition in CONDITIONS if condition.icd10_cm}
    assert american == {"basal-cell-carcinoma": "C44.91", "seborrheic-keratosis": "L82.1", "warts": "B07.9"}


def test_source_files_are_found():
    assert ROOT / "ml" / "taxonomy.py" in set(source_files())


def test_known_wrong_codes_stand_nowhere():
    pattern = re.compile(r"\b(" + "|".join(WRONG_CODES) + r")\b")
    assert not [path for path in source_files() if pattern.search(path.read_text(encoding="utf-8", errors="replace"))]


def test_no_other_code_file_states_a_snomed_id():
    pattern = re.compile(r"\b(" + "|".join(snomed_ids()) + r")\b")
    places = [
        path
        for path in source_files()
        if path.suffix in {".py", ".html", ".toml"} and pattern.search(path.read_text("utf-8"))
    ]
    assert places == [ROOT / "ml" / "taxonomy.py"]
