"""The questions themselves, after the public SCIN intake schema and the NICE NG12 seven-point list.

Red flags come first, so that an emergency shows before any photo is taken.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from diagnosis.questions.countries import country_codes, lazy_country_name
from diagnosis.questions.schema import Option, Question, ShownWhen

SCREENS = {
    "emergency": _("First, check for an emergency"),
    "you": _("About you"),
    "place": _("Where and how long"),
    "look": _("How it looks"),
    "feel": _("How it feels"),
}

YES_NO_UNSURE = (Option("yes", _("Yes")), Option("no", _("No")), Option("not_sure", _("Not sure")))

RED_FLAGS = (
    Option("fever_rash", _("Fever together with a rash on large parts of the body")),
    Option("fever_spots_stay", _("Fever with spots that do not fade when you press a glass on them")),
    Option("fever_blisters", _("Fever with blisters or peeling skin, or with sores in the mouth or eyes")),
    Option("swelling", _("Swelling of the face, lips, tongue or throat, or trouble breathing")),
    Option("hot_spreading", _("Hot, sore skin that is spreading fast, within hours or a day")),
    Option("severe_pain", _("Pain that is much worse than the skin looks")),
    Option("red_all_over", _("Skin red, or darker than usual, nearly all over, with chills or shivering")),
    Option("black_skin", _("Skin that is turning black or looks dead")),
    Option("confusion", _("Confusion, fainting or being very hard to wake")),
    Option("eczema_blisters", _("Eczema with groups of painful blisters, together with fever")),
    Option("self_harm", _("Thoughts of harming yourself")),
    Option("none", _("None of these")),
)

AGE_BANDS = (
    Option("under_2", _("Under 2 years")),
    Option("2_11", _("2 to 11 years")),
    Option("12_17", _("12 to 17 years")),
    Option("18_29", _("18 to 29 years")),
    Option("30_39", _("30 to 39 years")),
    Option("40_49", _("40 to 49 years")),
    Option("50_59", _("50 to 59 years")),
    Option("60_69", _("60 to 69 years")),
    Option("70_79", _("70 to 79 years")),
    Option("80_plus", _("80 years or older")),
)

SKIN_TYPES = (
    Option("I", _("Always burns, never tans")),
    Option("II", _("Burns easily, tans a little")),
    Option("III", _("Sometimes burns, then tans")),
    Option("IV", _("Rarely burns, tans easily")),
    Option("V", _("Very rarely burns; my skin is naturally brown")),
    Option("VI", _("Never burns; my skin is naturally dark brown or black")),
    Option("unknown", _("I do not know")),
)

SITES = (
    Option("scalp", _("Scalp")),
    Option("face", _("Forehead, cheek or chin")),
    Option("beard", _("Beard area")),
    Option("eyelid", _("Eyelid or close to the eye")),
    Option("nose", _("Nose")),
    Option("ear", _("Ear")),
    Option("lip", _("Lip")),
    Option("neck", _("Neck")),
    Option("chest", _("Chest")),
    Option("belly", _("Belly")),
    Option("back", pgettext_lazy("part of the body", "Back")),
    Option("armpit", _("Armpit")),
    Option("arm", _("Arm or shoulder")),
    Option("hand", _("Back of the hand or fingers")),
    Option("palm", _("Palm of the hand")),
    Option("nail", _("Fingernail or toenail")),
    Option("groin", _("Groin")),
    Option("genitals", _("Genitals or around the anus")),
    Option("buttocks", _("Buttocks")),
    Option("leg", _("Leg")),
    Option("foot", _("Top of the foot or toes")),
    Option("sole", _("Sole of the foot")),
    Option("many", _("Many places")),
)

DURATIONS = (
    Option("under_1_week", _("Less than a week")),
    Option("1_4_weeks", _("1 to 4 weeks")),
    Option("1_3_months", _("1 to 3 months")),
    Option("3_12_months", _("3 to 12 months")),
    Option("over_1_year", _("More than a year")),
    Option("childhood", _("Since childhood or birth")),
    Option("unknown", _("I do not know")),
)

CHANGES = (
    Option("new", _("It is a new spot")),
    Option("size", _("It has become bigger")),
    Option("fast_growth", _("It is one spot or lump that has grown fast, within weeks")),
    Option("shape", _("Its shape has changed")),
    Option("colour", _("Its colour has changed")),
    Option("thicker", _("It has become thicker or raised")),
    Option("surface", _("Its surface has become rough, scaly or crusty")),
    Option("not_healing", _("It is one sore that has not healed for 4 weeks or more")),
    Option("different", _("It looks different from my other spots")),
    Option("many_new", _("Many new spots have come up within weeks")),
    Option("spreading", _("It is spreading to more places")),
    Option("none", _("Nothing has changed")),
)

TEXTURES = (
    Option("flat", _("Flat")),
    Option("raised", _("Raised or bumpy")),
    Option("rough", _("Rough, scaly or flaky")),
    Option("weeping", _("Wet, weeping or with yellow crusts")),
    Option("blisters", _("Blisters filled with fluid")),
    Option("pustules", _("Spots filled with pus")),
    Option("deep_lumps", _("Deep, painful lumps under the skin")),
    Option("boggy", _("Soft, swollen and spongy")),
    Option("scars", _("Scars or dents")),
    Option("nail_damage", _("A nail that is damaged or lifted")),
)

SEVEN_POINT = (
    Option("change_size", _("It has changed in size")),
    Option("irregular_shape", _("Its shape or edge is uneven")),
    Option("irregular_colour", _("It has more than one colour or an uneven colour")),
    Option("wide", _("It is 7 mm wide or more (about a pencil's width)")),
    Option("inflamed", _("It is sore and inflamed")),
    Option("oozing", _("It oozes, bleeds or crusts")),
    Option("sensation", _("It feels different, for example it itches or hurts")),
    Option("none", _("None of these")),
)

SYMPTOMS = (
    Option("itch", _("Itching")),
    Option("pain", _("Pain or soreness")),
    Option("bleeding", _("Bleeding without being hurt")),
    Option("burning", _("Burning")),
    Option("hot", _("The skin feels hot")),
    Option("none", _("None of these")),
)

WHOLE_BODY = (
    Option("fever", _("Fever")),
    Option("chills", _("Chills or shivering")),
    Option("fatigue", _("Feeling very tired")),
    Option("joint_pain", _("Joint pain, or stiff or swollen joints")),
    Option("mouth_sores", _("Sores in the mouth")),
    Option("lumps", _("New lumps in the neck, armpit or groin")),
    Option("sleep_lost", _("Losing sleep because of the skin")),
    Option("low_mood", _("Feeling very low or upset because of the skin")),
    Option("none", _("None of these")),
)

TREATMENTS = (
    Option("moisturiser", _("Moisturiser")),
    Option("steroid_cream", _("Steroid cream")),
    Option("steroid_worse", _("Steroid cream, and it got worse")),
    Option("antifungal", _("Cream against fungus")),
    Option("other", _("Another cream or medicine")),
    Option("no_better", _("I have used a treatment as advised and it is no better")),
    Option("came_back", _("It was removed before and has come back")),
    Option("none", _("Nothing so far")),
)

SKIN_CANCER = (
    Option("self", _("I have had skin cancer")),
    Option("family_melanoma", _("A parent, brother, sister or child has had melanoma")),
    Option("none", _("Neither")),
    Option("unknown", _("I do not know")),
)

PIGMENTED = ShownWhen("pigmented", frozenset({"yes", "not_sure"}))

QUESTIONS: tuple[Question, ...] = (
    Question(
        "country", _("Which country are you in now?"), "single", "emergency",
        tuple(Option(code, lazy_country_name(code)) for code in country_codes()), required=True,
        help=_("We use it to show the right emergency number."),
    ),
    Question(
        "red_flags", _("Do you have any of these right now?"), "multi", "emergency", RED_FLAGS, required=True,
        exclusive="none", help=_("If you do, get help now. Never wait for this service."),
    ),
    Question("age_band", _("How old is the person with the skin problem?"), "single", "you", AGE_BANDS, required=True),
    Question(
        "sex", _("Sex"), "single", "you",
        (Option("female", _("Female")), Option("male", _("Male")), Option("other", _("Other")),
         Option("not_said", _("I would rather not say"))),
    ),
    Question(
        "skin_type", _("After an hour of summer sun without protection, my skin ..."), "single", "you", SKIN_TYPES,
        help=_("It tells us how well this service was tested on skin like yours."),
    ),
    Question(
        "pregnancy", _("Are you pregnant, or could you be?"), "single", "you", YES_NO_UNSURE,
        shown_when=ShownWhen("sex", frozenset({"female", "other", "not_said"})),
    ),
    Question(
        "immunosuppression", _("Do you have an illness or take a medicine that makes your immune system weak?"),
        "single", "you", YES_NO_UNSURE,
        help=_("For example a transplant, chemotherapy, HIV, or tablets or injections that calm the immune system."),
    ),
    Question("diabetes", _("Do you have diabetes?"), "bool", "you"),
    Question("skin_cancer", _("Have you or your close family had skin cancer?"), "multi", "you", SKIN_CANCER),
    Question("site", _("Where on the body is it?"), "single", "place", SITES, required=True),
    Question("duration", _("How long have you had it?"), "single", "place", DURATIONS),
    Question("changes", _("What has changed?"), "multi", "place", CHANGES, exclusive="none"),
    Question("texture", _("How does its surface look or feel?"), "multi", "look", TEXTURES),
    Question(
        "size_mm", _("How wide is it at its widest point?"), "int", "look", minimum=1, maximum=500, unit=_("mm"),
        help=_("A guess is fine. A pencil is about 7 mm wide."),
    ),
    Question("many_spots", _("Are there many spots of this kind?"), "bool", "look"),
    Question(
        "pigmented", _("Is it a mole or a spot that is darker than the skin around it?"), "single", "look",
        YES_NO_UNSURE,
    ),
    Question(
        "seven_point", _("What is true for this mole or dark spot?"), "multi", "look", SEVEN_POINT, exclusive="none",
        shown_when=PIGMENTED,
    ),
    Question("symptoms", _("Does it cause any of these?"), "multi", "feel", SYMPTOMS, exclusive="none"),
    Question("whole_body", _("Do you also have any of these?"), "multi", "feel", WHOLE_BODY, exclusive="none"),
    Question("treatment", _("What have you tried so far?"), "multi", "feel", TREATMENTS, exclusive="none"),
)  # fmt: skip

BY_KEY: dict[str, Question] = {question.key: question for question in QUESTIONS}
