"""Warning signs that count for one class: asked in the intake, applied when the photo may show that class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diagnosis.triage.facts import Answers, FiredRule, PredictionFacts, Rule, has
from ml.tiers import HIGH_RISK_SITES

FACE_SITES = ("face", "beard", "eyelid", "nose", "ear", "lip")
HEAD_AND_NECK = (*FACE_SITES, "scalp", "neck")
OVER_40 = ("40_49", "50_59", "60_69", "70_79", "80_plus")
UP_TO_A_YEAR = ("under_1_week", "1_4_weeks", "1_3_months", "3_12_months")
OVER_A_MONTH = ("1_3_months", "3_12_months", "over_1_year", "childhood")
OVER_12_WEEKS = ("3_12_months", "over_1_year", "childhood")

# NCCN, basal cell skin cancer, risk by size: 20 mm on trunk and limbs, 10 mm on head and neck.
LARGE_MM_BODY = 20
LARGE_MM_HEAD = 10


@dataclass(frozen=True)
class ClassFlag:
    """If ``slug`` is possible and ``when(answers)`` holds, the case is at least ``tier``."""

    slug: str
    code: str
    tier: str
    when: Callable[[Answers], bool]


def vitiligo_active(a: Answers) -> bool:
    return has(a, "changes", "spreading") or has(a, "site", "eyelid") or has(a, "whole_body", "low_mood")


def psoriasis_pustules(a: Answers) -> bool:
    return has(a, "texture", "pustules") and has(a, "whole_body", "fever", "chills")


def psoriasis_joints(a: Answers) -> bool:
    return has(a, "whole_body", "joint_pain")


def keratosis_warning(a: Answers) -> bool:
    return has(a, "changes", "thicker") or has(a, "symptoms", "pain", "bleeding")


def carcinoma_site(a: Answers) -> bool:
    return has(a, "site", *HIGH_RISK_SITES)


def carcinoma_large(a: Answers) -> bool:
    limit = LARGE_MM_HEAD if has(a, "site", *HEAD_AND_NECK) else LARGE_MM_BODY
    return a.get("size_mm", 0) >= limit


def carcinoma_came_back(a: Answers) -> bool:
    return has(a, "treatment", "came_back")


def eczema_infected(a: Answers) -> bool:
    return has(a, "texture", "weeping", "blisters") and has(a, "symptoms", "pain", "hot")


def eczema_infected_fever(a: Answers) -> bool:
    sore = has(a, "texture", "weeping", "pustules") or has(a, "symptoms", "pain", "hot")
    return sore and has(a, "whole_body", "fever", "chills")


def eczema_uncontrolled(a: Answers) -> bool:
    return has(a, "whole_body", "sleep_lost") or has(a, "treatment", "no_better") or has(a, "age_band", "under_2")


def sun_damage_change(a: Answers) -> bool:
    change = has(a, "changes", "new", "size", "shape", "colour", "thicker", "surface", "different")
    return change or has(a, "symptoms", "bleeding")


def acne_with_fever(a: Answers) -> bool:
    # Acne fulminans: NICE NG198 asks for a hospital team on the same day.
    return has(a, "whole_body", "fever") and has(a, "whole_body", "joint_pain")


def acne_severe(a: Answers) -> bool:
    return has(a, "texture", "deep_lumps", "scars") or has(a, "whole_body", "low_mood")


def acne_not_improving(a: Answers) -> bool:
    stuck = has(a, "treatment", "no_better") and has(a, "duration", *OVER_12_WEEKS)
    return stuck or has(a, "pregnancy", "yes", "not_sure")


def normal_but_changing(a: Answers) -> bool:
    change = has(
        a, "changes", "new", "size", "shape", "colour", "thicker", "surface", "different", "many_new", "spreading"
    )
    return change or has(a, "symptoms", "bleeding", "pain")


def keratosis_unlike_others(a: Answers) -> bool:
    uneven = has(a, "seven_point", "irregular_shape", "irregular_colour") or has(a, "changes", "different", "many_new")
    return uneven or has(a, "symptoms", "bleeding")


def mole_change(a: Answers) -> bool:
    abcde = has(a, "changes", "size", "shape", "colour", "thicker", "different")
    points = has(a, "seven_point", "change_size", "irregular_shape", "irregular_colour")
    itch_with_change = has(a, "symptoms", "itch") and has(a, "changes", "surface")
    return abcde or points or itch_with_change or has(a, "symptoms", "bleeding")


def mole_new_after_40(a: Answers) -> bool:
    return has(a, "age_band", *OVER_40) and (has(a, "changes", "new") or has(a, "duration", *UP_TO_A_YEAR))


def mole_family(a: Answers) -> bool:
    return has(a, "skin_cancer", "self", "family_melanoma")


def tinea_hair(a: Answers) -> bool:
    return has(a, "site", "scalp", "beard")


def tinea_nail(a: Answers) -> bool:
    return has(a, "site", "nail")


def tinea_boggy(a: Answers) -> bool:
    return has(a, "site", "scalp") and has(a, "texture", "boggy")


def tinea_risk(a: Answers) -> bool:
    weak = a.get("diabetes") is True or has(a, "immunosuppression", "yes", "not_sure")
    return weak or has(a, "treatment", "steroid_worse")


def tinea_lasting(a: Answers) -> bool:
    return has(a, "treatment", "no_better") or (has(a, "changes", "spreading") and has(a, "duration", *OVER_A_MONTH))


def wart_place(a: Answers) -> bool:
    return has(a, "site", *FACE_SITES, "genitals") or has(a, "texture", "nail_damage")


def wart_warning(a: Answers) -> bool:
    return has(a, "pigmented", "yes") or has(a, "symptoms", "bleeding")


def wart_risk(a: Answers) -> bool:
    infant = has(a, "age_band", "under_2") and a.get("many_spots") is True
    return infant or has(a, "immunosuppression", "yes", "not_sure")


CLASS_FLAGS: tuple[ClassFlag, ...] = (
    ClassFlag("vitiligo", "vitiligo_active", "soon", vitiligo_active),
    ClassFlag("psoriasis", "psoriasis_pustules", "emergency", psoriasis_pustules),
    ClassFlag("psoriasis", "psoriasis_joints", "soon", psoriasis_joints),
    ClassFlag("actinic-keratosis", "keratosis_warning", "urgent", keratosis_warning),
    ClassFlag("basal-cell-carcinoma", "carcinoma_site", "urgent", carcinoma_site),
    ClassFlag("basal-cell-carcinoma", "carcinoma_large", "urgent", carcinoma_large),
    ClassFlag("basal-cell-carcinoma", "carcinoma_came_back", "urgent", carcinoma_came_back),
    ClassFlag("eczema", "eczema_infected_fever", "emergency", eczema_infected_fever),
    ClassFlag("eczema", "eczema_infected", "urgent", eczema_infected),
    ClassFlag("eczema", "eczema_uncontrolled", "routine", eczema_uncontrolled),
    ClassFlag("sun-damage", "sun_damage_change", "soon", sun_damage_change),
    ClassFlag("acne", "acne_with_fever", "emergency", acne_with_fever),
    ClassFlag("acne", "acne_severe", "urgent", acne_severe),
    ClassFlag("acne", "acne_not_improving", "routine", acne_not_improving),
    ClassFlag("normal", "normal_but_changing", "routine", normal_but_changing),
    ClassFlag("seborrheic-keratosis", "keratosis_unlike_others", "urgent", keratosis_unlike_others),
    ClassFlag("moles", "mole_change", "urgent", mole_change),
    ClassFlag("moles", "mole_new_after_40", "urgent", mole_new_after_40),
    ClassFlag("moles", "mole_family", "soon", mole_family),
    ClassFlag("tinea", "tinea_hair", "soon", tinea_hair),
    ClassFlag("tinea", "tinea_nail", "routine", tinea_nail),
    ClassFlag("tinea", "tinea_boggy", "urgent", tinea_boggy),
    ClassFlag("tinea", "tinea_risk", "soon", tinea_risk),
    ClassFlag("tinea", "tinea_lasting", "routine", tinea_lasting),
    ClassFlag("warts", "wart_place", "soon", wart_place),
    ClassFlag("warts", "wart_warning", "urgent", wart_warning),
    ClassFlag("warts", "wart_risk", "soon", wart_risk),
)


def class_rule(flag: ClassFlag) -> Rule:
    """The flag as a rule like any other."""

    def rule(answers: Answers, facts: PredictionFacts | None) -> tuple[FiredRule, ...]:
        if facts is None or flag.slug not in facts.possible or not flag.when(answers):
            return ()
        return (FiredRule(flag.code, flag.tier, flag.slug),)

    rule.__name__ = flag.code
    return rule


CLASS_RULES: tuple[Rule, ...] = tuple(class_rule(flag) for flag in CLASS_FLAGS)
