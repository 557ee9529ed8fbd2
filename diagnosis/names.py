"""The names of the conditions in the reader's language. Codes stay in ml/taxonomy.py."""

from django.utils.translation import gettext as _

from ml.taxonomy import BY_SLUG


def condition_label(slug: str) -> str:
    """The name of a class; a class of a newer release that has no translation yet keeps its own name."""
    names = {
        "vitiligo": _("Vitiligo"),
        "psoriasis": _("Psoriasis"),
        "actinic-keratosis": _("Actinic keratosis"),
        "basal-cell-carcinoma": _("Basal cell carcinoma"),
        "eczema": _("Eczema"),
        "sun-damage": _("Sun damage"),
        "acne": _("Acne"),
        "normal": _("Normal skin"),
        "seborrheic-keratosis": _("Seborrheic keratosis"),
        "melanoma": _("Melanoma"),
        "moles": _("Moles (melanocytic naevus)"),
        "tinea": _("Tinea (ringworm)"),
        "warts": _("Warts"),
        "other": _("Another condition"),
        "cannot_judge": _("Cannot be judged from these photos"),
    }
    return names.get(slug) or (BY_SLUG[slug].label if slug in BY_SLUG else slug.replace("-", " ").capitalize())
