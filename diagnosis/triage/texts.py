"""What the page says about a tier, a rule, a review and the limits of the service. Reading age 12, no disease names
in the reasons: they also stand where the photo could not be judged."""

from __future__ import annotations

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from diagnosis.questions.schema import Text
from diagnosis.questions.table import BY_KEY

TIER_LABELS: dict[str, Text] = {
    "self_care": _("You can look after this at home"),
    "routine": _("Show it to a clinician when you can"),
    "soon": _("See a clinician within about a month"),
    "urgent": _("See a clinician within 2 weeks"),
    "emergency": _("Get medical help now"),
}

NEXT_STEPS: dict[str, Text] = {
    "self_care": _(
        "Most people can look after this at home. Read the advice below. Get help sooner if it changes or you worry."
    ),
    "routine": _("Book a normal visit with a doctor or nurse and show them this result. It does not need to be today."),
    "soon": _("Book a visit with a doctor within about a month. Bring this result with you."),
    "urgent": _(
        "Call a doctor or a skin clinic today or tomorrow and ask to be seen within 2 weeks. "
        "Show them this result. Most people who are sent for a check do not have cancer, but it is safer to look soon."
    ),
    "emergency": _(
        "Get medical help now. Call the emergency number or go to the nearest emergency department. "
        "Do not wait for an answer from this service."
    ),
}

RULE_TEXTS: dict[str, Text] = {
    "red_flag": _("You told us about a sign that needs help now."),
    "fever_with_rash": _("You have a fever together with a rash, blisters or sores in the mouth."),
    "fever_with_hot_skin": _("You have a fever or chills, and the skin is hot and painful."),
    "seven_point": _("Your answers about the dark spot add up to 3 points or more on a list that doctors use."),
    "not_healing": _("A sore that has not healed for 4 weeks needs a check."),
    "fast_growth": _("A spot or lump that grows fast needs a check."),
    "dark_nail_palm_sole": _("A new or changing dark spot on a nail, palm or sole needs a check."),
    "lumps_with_dark_spot": _("You have a dark spot and new lumps in the neck, armpit or groin."),
    "cancer_threshold": _("The photo shows signs that should be checked to rule out skin cancer."),
    "prediction_set": _("One of the things that the photo may show should be seen by a clinician."),
    "not_judged": _("We could not judge a photo, so we cannot say that care at home is enough."),
    "vitiligo_active": _("The patches are spreading, are close to the eye, or make you feel low."),
    "psoriasis_pustules": _("You have spots filled with pus, together with fever or chills."),
    "psoriasis_joints": _("Your joints are painful, stiff or swollen."),
    "keratosis_warning": _("The patch is thicker, painful or bleeding."),
    "carcinoma_site": _("The spot is on the eyelid, nose, ear or lip, where treatment should not wait."),
    "carcinoma_large": _("The spot is large."),
    "carcinoma_came_back": _("The spot was removed before and has come back."),
    "eczema_infected_fever": _("The skin is sore, wet or hot, and you have a fever or chills."),
    "eczema_infected": _("The skin is wet or blistered, and it is painful or hot. It may be infected."),
    "eczema_uncontrolled": _("The itch costs sleep, treatment does not help, or the child is under 2."),
    "sun_damage_change": _("A spot on skin that has had a lot of sun is new, has changed or bleeds."),
    "acne_with_fever": _("You have a fever and painful joints together with spots."),
    "acne_severe": _("You have deep lumps or scars, or the skin makes you feel very low."),
    "acne_not_improving": _("Treatment has not helped for 12 weeks, or you are or may be pregnant."),
    "normal_but_changing": _("The photo shows little, but you told us that something has changed, hurts or bleeds."),
    "keratosis_unlike_others": _("The spot is uneven, bleeds, looks unlike your others, or many came up at once."),
    "mole_change": _("The mole has changed, is uneven, bleeds or looks unlike your others."),
    "mole_new_after_40": _("A mole that is new after the age of 40 needs a check."),
    "mole_family": _("You or your close family have had skin cancer, so a check of all moles is wise."),
    "tinea_hair": _("On the scalp or beard a cream is often not enough. A clinician should see it."),
    "tinea_nail": _("On a nail a cream is often not enough. A clinician should see it."),
    "tinea_boggy": _("The scalp is soft and swollen. It may scar if it is not treated soon."),
    "tinea_risk": _("You have diabetes or a weak immune system, or a steroid cream made it worse."),
    "tinea_lasting": _("It is spreading or did not get better with treatment."),
    "wart_place": _("It is on the face, the genitals or a nail, where you should not treat it yourself."),
    "wart_warning": _("The growth is dark or bleeds."),
    "wart_risk": _("Your immune system is weak, or a child under 2 has many growths."),
}

REVIEW_TEXTS: dict[str, Text] = {
    "poor_image": _("The photo is too blurred, too dark or too small to judge."),
    "not_skin": _("We could not find enough skin in the photo."),
    "out_of_distribution": _("The photo looks unlike the photos that this service has learned from."),
    "wide_prediction_set": _("Too many things are possible, so we cannot narrow it down."),
    "members_disagree": _("The parts of the service do not agree with each other."),
    "under_18": _("The skin of children and teenagers should be judged by a person."),
    "pregnancy": _("In pregnancy, skin problems and their treatment should be judged by a person."),
    "immunosuppression": _("With a weak immune system, skin problems can be more serious than they look."),
    "skin_type_untested": _("This service has not been tested well enough on skin like yours."),
}

SAFETY_NET: tuple[Text, ...] = (
    _("A photo check misses some skin cancers. Trust a change that you see more than this result."),
    _("See a clinician if a spot grows, changes its shape or colour, bleeds, itches or hurts."),
    _("See a clinician about a sore that has not healed after 4 weeks."),
    _("See a clinician about a spot that looks different from all your others."),
    _("Get help now if you have a fever with a rash, a swollen face, or skin that gets hot and sore fast."),
)

UNRECOGNISED: tuple[Text, ...] = (
    _("Squamous cell carcinoma (the second most common skin cancer)"),
    _("Merkel cell carcinoma and other rare skin cancers"),
    _("Lymphoma of the skin"),
    _("Melanoma without dark colour"),
    _("Infection deep in the skin (cellulitis)"),
    _("Blood poisoning or meningitis with a rash"),
    _("Severe skin reactions to a medicine"),
    _("Shingles"),
    _("Leprosy, syphilis and other infections that show on the skin"),
)


def tier_label(tier: str) -> Text:
    """The tier as a heading. Raises KeyError for an unknown tier."""
    return TIER_LABELS[tier]


def next_step(tier: str) -> Text:
    """What to do now. Raises KeyError for an unknown tier."""
    return NEXT_STEPS[tier]


def rule_text(code: str, detail: str = "") -> Text:
    """Why a rule raised the tier; for ``red_flag`` with the sign that was ticked. Raises KeyError if unknown."""
    if code == "red_flag" and detail:
        return format_lazy("{} {}", RULE_TEXTS[code], BY_KEY["red_flags"].by_code[detail].label)
    return RULE_TEXTS[code]


def review_reason_text(code: str) -> Text:
    """Why a person should look at the case. Raises KeyError for an unknown code."""
    return REVIEW_TEXTS[code]


def safety_net() -> tuple[Text, ...]:
    """Which change should bring the person back; shown with every result below urgent."""
    return SAFETY_NET


def unrecognised() -> tuple[Text, ...]:
    """Serious diseases that no release can recognise, the most common first."""
    return UNRECOGNISED
