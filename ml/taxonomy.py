"""The 13 conditions: the one table of classes and codes. Nothing else in the project may state a code; a release that
was trained on further classes brings their names along (`add_conditions`).

Order, labels and codes follow ICD-10 (WHO), ICD-10-CM and SNOMED CT International; an empty string means that the
vocabulary has no honest match. Tier names rise: self_care, routine, soon, urgent, emergency.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

TIERS = ("self_care", "routine", "soon", "urgent", "emergency")


@dataclass(frozen=True)
class Condition:
    """One class of the model.

    ``kind`` is ``malignant``, ``precursor`` or ``benign``. ``tier`` is the default urgency of the class (one of
    ``TIERS``). ``snomed_qualified``/``icd10_qualified`` hold the code of the common subtype where clinicians
    usually mean it (atopic eczema, tinea corporis), ``icd10_cm`` the US code where it differs.
    """

    index: int
    slug: str
    label: str
    icd10: str
    snomed: str
    tier: str
    kind: str = "benign"
    icd10_cm: str = ""
    icd10_qualified: str = ""
    snomed_qualified: str = ""

    @property
    def is_cancer_class(self) -> bool:
        """True for the classes whose probability is compared with a threshold chosen for sensitivity."""
        return self.kind != "benign"


CONDITIONS: tuple[Condition, ...] = (
    Condition(0, "vitiligo", "Vitiligo", "L80", "56727007", "routine"),
    Condition(1, "psoriasis", "Psoriasis", "L40.9", "9014002", "routine"),
    Condition(2, "actinic-keratosis", "Actinic keratosis", "L57.0", "201101007", "soon", kind="precursor"),
    Condition(
        3, "basal-cell-carcinoma", "Basal cell carcinoma", "C44.9", "254701007", "soon",
        kind="malignant", icd10_cm="C44.91",
    ),
    Condition(
        4, "eczema", "Eczema", "L30.9", "43116000", "self_care", icd10_qualified="L20.9", snomed_qualified="24079001"
    ),
    Condition(5, "sun-damage", "Sun damage", "L57.8", "", "self_care"),
    Condition(6, "acne", "Acne", "L70.0", "88616000", "self_care"),
    Condition(7, "normal", "Normal skin", "", "", "self_care"),
    Condition(8, "seborrheic-keratosis", "Seborrheic keratosis", "L82", "394726009", "self_care", icd10_cm="L82.1"),
    Condition(9, "melanoma", "Melanoma", "C43.9", "93655004", "urgent", kind="malignant"),
    Condition(10, "moles", "Moles (melanocytic naevus)", "D22.9", "400010006", "routine"),
    Condition(
        11, "tinea", "Tinea (ringworm)", "B35.9", "47382004", "self_care",
        icd10_qualified="B35.4", snomed_qualified="84849002",
    ),
    Condition(12, "warts", "Warts", "B07", "1296960002", "self_care", icd10_cm="B07.9"),
)  # fmt: skip

KINDS = ("benign", "precursor", "malignant")
NEW_TIER = "soon"  # of a class that a release brings along without saying how urgent it is
SLUGS: tuple[str, ...] = tuple(condition.slug for condition in CONDITIONS)
BY_SLUG: dict[str, Condition] = {condition.slug: condition for condition in CONDITIONS}


def describe_new(classes: Iterable[str], given: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """``conditions`` of release.json: every class of ``classes`` beyond the 13, as ``given`` or with cautious values.

    Raises ValueError for a slug, tier or kind that cannot be.
    """
    return {slug: _describe(slug, given.get(slug, {})) for slug in classes if slug not in SLUGS}


def add_conditions(entries: Mapping[str, Mapping[str, str]]) -> None:
    """Make the classes that a release brings along known to this process; the 13 stay as they are.

    Raises ValueError for a slug, tier or kind that cannot be.
    """
    for slug, entry in describe_new(entries, entries).items():
        index = BY_SLUG[slug].index if slug in BY_SLUG else len(BY_SLUG)
        BY_SLUG[slug] = Condition(index, slug, **entry)


def _describe(slug: str, entry: Mapping[str, str]) -> dict[str, str]:
    label = slug.replace("-", " ").capitalize()
    known = {"label": label, "icd10": "", "snomed": "", "tier": NEW_TIER, "kind": "benign"}
    described = known | {name: entry[name] for name in known if entry.get(name)}
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug):
        raise ValueError(f"{slug!r} is no name of a class: small letters, digits and hyphens")
    if described["tier"] not in TIERS or described["kind"] not in KINDS:
        raise ValueError(f"{slug}: tier is one of {', '.join(TIERS)}, kind one of {', '.join(KINDS)}")
    return described
