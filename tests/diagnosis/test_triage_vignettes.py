"""Golden cases: what a dermatologist would expect. Each rule must be needed by one of them."""

from dataclasses import dataclass, field

import pytest

from diagnosis.questions import clean_answers
from diagnosis.triage import REVIEW_REASONS, RULES, PredictionFacts, assess, assessing
from ml.taxonomy import SLUGS, TIERS

THRESHOLDS = {"melanoma": 0.1, "basal-cell-carcinoma": 0.15, "actinic-keratosis": 0.2}
BASE = {"country": "IN", "red_flags": ["none"], "age_band": "30_39", "site": "arm"}
SKIN_TESTED = {"I-II": {"n": 400, "recall": 0.8}, "V-VI": {"n": 120, "recall": 0.75}}
SKIN_UNTESTED = {"I-II": {"n": 400, "recall": 0.8}, "V-VI": {"n": 12, "recall": 0.8}}


def saw(*slugs, outcome="assessed", reasons=(), skin=SKIN_UNTESTED, **probabilities):
    """What the model gave: the prediction set, and the probabilities that matter (underscores for hyphens)."""
    return PredictionFacts(
        outcome=outcome,
        probabilities={slug.replace("_", "-"): value for slug, value in probabilities.items()},
        prediction_set=slugs,
        reasons=reasons,
        thresholds=THRESHOLDS,
        trained_classes=SLUGS,
        fitzpatrick_evidence=skin,
    )


@dataclass(frozen=True)
class Vignette:
    id: str
    answers: dict
    facts: PredictionFacts | None
    tier: str
    review: tuple[str, ...] = field(default=())


V = Vignette
VIGNETTES = [
    # Things people can look after at home
    V("plain acne, teenager's first spots, adult", {"site": "face", "texture": ["pustules"]},
      saw("acne"), "self_care"),
    V("dry itchy elbow, months", {"symptoms": ["itch"], "duration": "1_3_months"}, saw("eczema"), "self_care"),
    V("ringworm on the arm, two weeks", {"duration": "1_4_weeks", "symptoms": ["itch"]},
      saw("tinea"), "self_care"),
    V("one wart on the hand", {"site": "hand", "texture": ["rough"]}, saw("warts"), "self_care"),
    V("old waxy spot, no change", {"age_band": "70_79", "pigmented": "yes", "duration": "over_1_year"},
      saw("seborrheic-keratosis"), "self_care"),
    V("freckled hands, no change", {"age_band": "60_69", "site": "hand", "changes": ["none"]},
      saw("sun-damage"), "self_care"),
    V("healthy skin, nothing noticed", {"changes": ["none"]}, saw("normal"), "self_care"),
    V("eczema or ringworm, small melanoma probability", {"symptoms": ["itch"]},
      saw("eczema", "tinea", melanoma=0.04), "self_care"),
    V("eczema in a dark patch, itchy and wide", {"pigmented": "no", "symptoms": ["itch"], "size_mm": 60},
      saw("eczema"), "self_care"),
    # A visit when it suits
    V("stable mole since youth", {"pigmented": "yes", "duration": "over_1_year", "changes": ["none"]},
      saw("moles"), "routine"),
    V("stable mole, 6 mm, itches a little", {"pigmented": "yes", "size_mm": 6, "symptoms": ["itch"]},
      saw("moles"), "routine"),
    V("vitiligo on the hands, stable", {"site": "hand", "changes": ["none"]}, saw("vitiligo"), "routine"),
    V("psoriasis on the elbows", {"texture": ["rough"]}, saw("psoriasis"), "routine"),
    V("eczema or psoriasis", {"symptoms": ["itch"]}, saw("eczema", "psoriasis"), "routine"),
    V("eczema that costs sleep", {"whole_body": ["sleep_lost"]}, saw("eczema"), "routine"),
    V("eczema in a baby", {"age_band": "under_2"}, saw("eczema"), "routine", ("under_18",)),
    V("acne, no better after months", {"site": "face", "duration": "3_12_months", "treatment": ["no_better"]},
      saw("acne"), "routine"),
    V("acne in pregnancy", {"site": "face", "sex": "female", "pregnancy": "yes"},
      saw("acne"), "routine", ("pregnancy",)),
    V("nail fungus", {"site": "nail", "pigmented": "no"}, saw("tinea"), "routine"),
    V("ringworm that spreads for months", {"duration": "1_3_months", "changes": ["spreading"]},
      saw("tinea"), "routine"),
    V("looks normal, but a spot has come up", {"changes": ["new"]}, saw("normal"), "routine"),
    # Within a month
    V("rough patch on a bald scalp", {"age_band": "70_79", "site": "scalp", "texture": ["rough"]},
      saw("actinic-keratosis"), "soon"),
    V("pearly bump on the back", {"age_band": "60_69", "site": "back", "size_mm": 6},
      saw("basal-cell-carcinoma"), "soon"),
    V("eczema likely, rodent ulcer over its threshold", {"site": "leg"},
      saw("eczema", basal_cell_carcinoma=0.15), "soon"),
    V("vitiligo that spreads", {"changes": ["spreading"]}, saw("vitiligo"), "soon"),
    V("psoriasis with stiff fingers", {"whole_body": ["joint_pain"]}, saw("psoriasis"), "soon"),
    V("new rough spot among sun damage", {"age_band": "60_69", "changes": ["surface"]},
      saw("sun-damage"), "soon"),
    V("stable mole, mother had melanoma", {"pigmented": "yes", "skin_cancer": ["family_melanoma"]},
      saw("moles"), "soon"),
    V("ringworm in the beard", {"site": "beard"}, saw("tinea"), "soon"),
    V("ringworm and diabetes", {"diabetes": True}, saw("tinea"), "soon"),
    V("wart on the lip", {"site": "lip"}, saw("warts"), "soon"),
    V("warts after a transplant", {"site": "hand", "immunosuppression": "yes"},
      saw("warts"), "soon", ("immunosuppression",)),
    # Within two weeks
    V("melanoma first", {"pigmented": "yes"}, saw("melanoma", melanoma=0.8), "urgent"),
    V("mole first, melanoma over its threshold", {"pigmented": "yes"},
      saw("moles", moles=0.7, melanoma=0.1), "urgent"),
    V("waxy spot, melanoma in the set", {"pigmented": "yes"},
      saw("seborrheic-keratosis", "melanoma", melanoma=0.09), "urgent"),
    V("dark spot scores 3, photo looks like ringworm", {"pigmented": "yes", "seven_point": ["change_size", "oozing"]},
      saw("tinea"), "urgent"),
    V("sore on the lip that will not heal", {"site": "lip", "changes": ["not_healing"]},
      saw("eczema"), "urgent"),
    V("lump on the ear, grown in weeks", {"site": "ear", "changes": ["fast_growth"]}, saw("acne"), "urgent"),
    V("new dark streak in a nail", {"site": "nail", "pigmented": "yes", "changes": ["new"], "skin_type": "V"},
      saw("tinea", skin=SKIN_TESTED), "urgent"),
    V("dark spot and lumps in the groin", {"site": "leg", "pigmented": "yes", "whole_body": ["lumps"]},
      saw("seborrheic-keratosis"), "urgent"),
    V("thick, tender sun patch", {"age_band": "70_79", "site": "hand", "changes": ["thicker"], "symptoms": ["pain"]},
      saw("actinic-keratosis"), "urgent"),
    V("pearly bump at the eyelid", {"age_band": "60_69", "site": "eyelid"},
      saw("basal-cell-carcinoma"), "urgent"),
    V("pearly plaque of 25 mm on the back", {"site": "back", "size_mm": 25},
      saw("basal-cell-carcinoma"), "urgent"),
    V("rodent ulcer that came back", {"site": "back", "treatment": ["came_back"]},
      saw("basal-cell-carcinoma"), "urgent"),
    V("wet, painful eczema", {"texture": ["weeping"], "symptoms": ["pain"]}, saw("eczema"), "urgent"),
    V("deep acne lumps", {"site": "back", "texture": ["deep_lumps"]}, saw("acne"), "urgent"),
    V("bleeding waxy spot", {"age_band": "60_69", "symptoms": ["bleeding"]},
      saw("seborrheic-keratosis"), "urgent"),
    V("mole with a new colour", {"changes": ["colour"]}, saw("moles"), "urgent"),
    V("mole that is new at 55", {"age_band": "50_59", "duration": "3_12_months"}, saw("moles"), "urgent"),
    V("child with a boggy scalp", {"age_band": "2_11", "site": "scalp", "texture": ["boggy"]},
      saw("tinea"), "urgent", ("under_18",)),
    V("dark bleeding wart", {"site": "foot", "symptoms": ["bleeding"]}, saw("warts"), "urgent"),
    # Now
    V("swollen tongue, normal photo", {"red_flags": ["swelling"]}, saw("normal"), "emergency"),
    V("thoughts of self-harm with acne", {"site": "face", "red_flags": ["self_harm"]},
      saw("acne"), "emergency"),
    V("spots that stay under a glass, before any photo", {"red_flags": ["fever_spots_stay"]}, None, "emergency"),
    V("fever and blisters", {"texture": ["blisters"], "whole_body": ["fever"]}, saw("tinea"), "emergency"),
    V("hot painful leg with fever", {"site": "leg", "symptoms": ["pain", "hot"], "whole_body": ["fever"]},
      saw("sun-damage"), "emergency"),
    V("pustules on psoriasis with chills", {"texture": ["pustules"], "whole_body": ["chills"]},
      saw("psoriasis"), "emergency"),
    V("weeping eczema with fever", {"texture": ["weeping"], "whole_body": ["fever"]},
      saw("eczema"), "emergency"),
    V("acne with fever and sore joints", {"site": "chest", "whole_body": ["fever", "joint_pain"]},
      saw("acne"), "emergency"),
    # Where a person must look
    V("blurred photo", {}, saw(outcome="inconclusive", reasons=("poor_image",)), "routine", ("poor_image",)),
    V("a coffee cup", {},
      saw(outcome="inconclusive", reasons=("not_skin",), melanoma=0.02), "routine", ("not_skin",)),
    V("blurred dark mole, melanoma over its threshold", {"pigmented": "yes"},
      saw(outcome="inconclusive", reasons=("poor_image",), melanoma=0.3), "urgent", ("poor_image",)),
    V("unlike anything learned", {},
      saw(outcome="inconclusive", reasons=("out_of_distribution",)), "routine", ("out_of_distribution",)),
    V("four classes possible", {},
      saw("acne", "eczema", "tinea", "warts", outcome="inconclusive", reasons=("wide_prediction_set",)),
      "routine", ("wide_prediction_set",)),
    V("the networks disagree", {},
      saw("eczema", reasons=("members_disagree",)), "routine", ("members_disagree",)),
    V("teenager with acne", {"age_band": "12_17", "site": "face"}, saw("acne"), "self_care", ("under_18",)),
    V("eczema, may be pregnant", {"pregnancy": "not_sure"}, saw("eczema"), "self_care", ("pregnancy",)),
    V("eczema, weak immune system", {"immunosuppression": "yes"},
      saw("eczema"), "self_care", ("immunosuppression",)),
    V("dark brown skin, release tested on few", {"skin_type": "VI"},
      saw("eczema"), "self_care", ("skin_type_untested",)),
    V("brown skin, release tested well", {"skin_type": "V"}, saw("eczema", skin=SKIN_TESTED), "self_care"),
    V("skin type not known", {"skin_type": "unknown"}, saw("eczema"), "self_care"),
    V("answers before the photo", {"symptoms": ["itch"]}, None, "self_care"),
    V("photo could not be used", {}, saw(outcome="unusable"), "routine", ("poor_image",)),
]  # fmt: skip


def run(vignette):
    triage = assess(answers=clean_answers({**BASE, **vignette.answers}), prediction=vignette.facts)
    return triage.tier, triage.review_reasons


@pytest.mark.parametrize("vignette", VIGNETTES, ids=lambda vignette: vignette.id)
def test_vignette(vignette):
    assert run(vignette) == (vignette.tier, vignette.review)


def test_vignettes_cover_every_tier_and_every_review_reason():
    counts = {tier: sum(v.tier == tier for v in VIGNETTES) for tier in TIERS}
    assert min(counts.values()) >= 6
    assert {reason for v in VIGNETTES for reason in v.review} == set(REVIEW_REASONS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_is_needed(rule, monkeypatch):
    monkeypatch.setattr(assessing, "RULES", tuple(one for one in RULES if one is not rule))
    assert any(run(vignette) != (vignette.tier, vignette.review) for vignette in VIGNETTES)


@pytest.mark.parametrize("tier", ["self_care", "urgent"])
def test_a_constant_answer_fails(tier):
    assert sum(vignette.tier != tier for vignette in VIGNETTES) > 30
