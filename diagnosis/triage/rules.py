"""The rules, in the order of the clinical brief: answers, seven-point score, cancer thresholds, classes.

A rule can only ask for a tier, never take one away.
"""

from __future__ import annotations

from diagnosis.triage.class_rules import CLASS_FLAGS, CLASS_RULES
from diagnosis.triage.facts import LOWEST, Answers, FiredRule, PredictionFacts, Rule, has
from ml.taxonomy import BY_SLUG
from ml.tiers import tier_from_probabilities

# NICE NG12, recommendation 1.7.1: weighted seven-point checklist, 3 points or more.
MAJOR_POINTS = ("change_size", "irregular_shape", "irregular_colour")
MINOR_POINTS = ("wide", "inflamed", "oozing", "sensation")
SUSPICIOUS_SCORE = 3
WIDE_MM = 7

# The same sign given as the answer to another question counts too, once it is known to be a dark spot.
SAME_SIGN = {
    "change_size": (("changes", ("size", "fast_growth")),),
    "irregular_shape": (("changes", ("shape",)),),
    "irregular_colour": (("changes", ("colour",)),),
    "oozing": (("symptoms", ("bleeding",)), ("texture", ("weeping",))),
    "sensation": (("symptoms", ("itch", "pain", "burning")),),
}


def red_flags(answers: Answers, _facts: PredictionFacts | None) -> tuple[FiredRule, ...]:
    """Rule 1: each emergency sign that the person ticked."""
    flags = (flag for flag in answers.get("red_flags", ()) if flag != "none")
    return tuple(FiredRule("red_flag", "emergency", flag) for flag in flags)


def fever_with_rash(answers: Answers, _facts: PredictionFacts | None) -> tuple[FiredRule, ...]:
    """Rule 1 again, from the later questions: fever with a widespread rash, blisters or a sore mouth."""
    rash = (
        has(answers, "site", "many") or has(answers, "texture", "blisters") or has(answers, "whole_body", "mouth_sores")
    )
    return _fired("fever_with_rash", "emergency", rash and has(answers, "whole_body", "fever"))


def fever_with_hot_skin(answers: Answers, _facts: PredictionFacts | None) -> tuple[FiredRule, ...]:
    """Rule 1 again: hot, painful skin with fever may be an infection under the skin that spreads within hours."""
    hot = has(answers, "symptoms", "hot") and has(answers, "symptoms", "pain")
    return _fired("fever_with_hot_skin", "emergency", hot and has(answers, "whole_body", "fever", "chills"))


def seven_point(answers: Answers, _facts: PredictionFacts | None) -> tuple[FiredRule, ...]:
    """Rule 2: the weighted score of a dark spot."""
    score = seven_point_score(answers)
    return _fired("seven_point", "urgent", score >= SUSPICIOUS_SCORE, str(score))


def seven_point_score(answers: Answers) -> int:
    """NICE NG12 weighted score, 0 to 10: major signs count 2, minor ones 1."""
    majors = sum(2 for point in MAJOR_POINTS if _has_point(answers, point))
    return majors + sum(1 for point in MINOR_POINTS if _has_point(answers, point))


def _has_point(answers: Answers, point: str) -> bool:
    if has(answers, "seven_point", point):
        return True
    if not has(answers, "pigmented", "yes"):
        return False
    if point == "wide":
        return answers.get("size_mm", 0) >= WIDE_MM
    return any(has(answers, key, *codes) for key, codes in SAME_SIGN.get(point, ()))


def not_healing(answers: Answers, _facts: PredictionFacts | None) -> tuple[FiredRule, ...]:
    """A sore that does not heal may be a squamous cell carcinoma, which the model cannot recognise (NG12 1.7.4)."""
    return _fired("not_healing", "urgent", has(answers, "changes", "not_healing"))


def fast_growth(answers: Answers, _facts: PredictionFacts | None) -> tuple[FiredRule, ...]:
    """A single lump that grows within weeks: a red flag of four classes, and of cancers that are not among them."""
    return _fired("fast_growth", "urgent", has(answers, "changes", "fast_growth"))


def dark_nail_palm_sole(answers: Answers, _facts: PredictionFacts | None) -> tuple[FiredRule, ...]:
    """New or changing dark streak or spot where melanoma is found late, above all on darker skin."""
    place = has(answers, "site", "nail", "palm", "sole") and has(answers, "pigmented", "yes")
    change = has(answers, "changes", "new", "size", "shape", "colour", "thicker", "different")
    return _fired("dark_nail_palm_sole", "urgent", place and change)


def lumps_with_dark_spot(answers: Answers, _facts: PredictionFacts | None) -> tuple[FiredRule, ...]:
    """A dark spot together with new lumps in neck, armpit or groin."""
    lumps = has(answers, "whole_body", "lumps") and has(answers, "pigmented", "yes")
    return _fired("lumps_with_dark_spot", "urgent", lumps)


def cancer_threshold(_answers: Answers, facts: PredictionFacts | None) -> tuple[FiredRule, ...]:
    """Rule 3: a cancer class at or above its threshold, whatever ranks first and whatever the photo is worth."""
    slugs = facts.over_threshold if facts else ()
    return tuple(FiredRule("cancer_threshold", BY_SLUG[slug].tier, slug) for slug in slugs)


def prediction_set(_answers: Answers, facts: PredictionFacts | None) -> tuple[FiredRule, ...]:
    """Rule 4: the tier of every class in the prediction set, not only of the first."""
    slugs = facts.prediction_set if facts else ()
    tiers = ((slug, tier_from_probabilities({}, (slug,), {})) for slug in slugs)
    return tuple(FiredRule("prediction_set", tier, slug) for slug, tier in tiers if tier != LOWEST)


def not_judged(_answers: Answers, facts: PredictionFacts | None) -> tuple[FiredRule, ...]:
    """A photo that could not be judged never means that looking after it at home is enough.

    Silent while there is no model result at all: a case keeps its highest tier, and the photo is still to come.
    """
    return _fired("not_judged", "routine", facts is not None and not facts.judged)


def _fired(code: str, tier: str, fires: bool, detail: str = "") -> tuple[FiredRule, ...]:
    return (FiredRule(code, tier, detail),) if fires else ()


RULES: tuple[Rule, ...] = (
    red_flags,
    fever_with_rash,
    fever_with_hot_skin,
    seven_point,
    not_healing,
    fast_growth,
    dark_nail_palm_sole,
    lumps_with_dark_spot,
    cancer_threshold,
    prediction_set,
    not_judged,
    *CLASS_RULES,
)
# Rules that speak of what the photo may show, with or without answers.
PHOTO_RULES = frozenset({"cancer_threshold", "prediction_set", *(flag.code for flag in CLASS_FLAGS)})
