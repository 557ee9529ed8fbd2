"""What stands on the screen of one case for one reader."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from accounts.models import User
from diagnosis import access, blind
from diagnosis.facts import CaseFacts, facts_of_case
from diagnosis.models import Analysis, Case, Read, ReviewState
from diagnosis.names import condition_label
from diagnosis.presentation import member_name, present

# Diameters in millimetres as the mints publish them, to measure against.
COINS = (
    (lazy("1 euro"), 23.25),
    (lazy("1 US quarter"), 24.26),
    (lazy("1 British penny"), 20.3),
    (lazy("10 Indian rupees"), 27.0),
    (lazy("10 mm on a ruler"), 10.0),
)


def review_context(user: User, case: Case) -> dict[str, Any]:
    """The values of templates/diagnosis/review_case.html but for the forms."""
    is_open = blind.model_is_open(user=user, case=case)
    facts = facts_of_case(case)
    analysis = case.latest_analysis if is_open else None
    held = case.is_held_by(user)
    reads = list(case.reads.select_related("first_opinion"))
    return {
        "case": case,
        "view": present(facts if is_open else blind.without_model(facts)),
        "panel_open": is_open,
        "held": held,
        "held_by_other": not held and not case.lease_is_over,
        "may_read": case.review_state not in ReviewState.OTHER_EYES or not _own(user, reads),
        "panel": _panel(analysis, facts) if analysis else None,
        "maps": _member_maps(analysis) if analysis and analysis.outcome else {},
        "reviews": case.reviews.all() if case.review_state == ReviewState.DONE else [],
        "reads": reads if blind.reads_are_open(user=user, case=case) else _own(user, reads),
        "notes": note_texts(user, case.language) if held and is_open else [],
        "coins": COINS,
        "keep_seconds": max(settings.REVIEW_LEASE_SECONDS // 5, 1),
    }


def _own(user: User, reads: list[Read]) -> list[Read]:
    """Readers do not see each other before they have read; the third sees both, everybody once it is signed."""
    return [read for read in reads if read.reader_id == user.pk]


def _panel(analysis: Analysis, facts: CaseFacts) -> dict[str, Any]:
    """The numbers behind the model's answer, for a clinician."""
    return {
        "prediction_set": [condition_label(slug) for slug in analysis.named_set],
        "disagreement": analysis.disagreement,
        "ood_score": analysis.ood_score,
        "quality": [
            {"number": photo.number, "band": photo.quality.get("band", ""), "outcome": photo.outcome}
            for photo in facts.photos
        ],
    }


def _member_maps(analysis: Analysis) -> dict[str, list[dict[str, Any]]]:
    """The heat maps of each photo by network, by the photo's id."""
    return {
        str(finding.image_id): [
            {"finding": finding.pk, "member": name, "label": member_name(name)} for name in finding.map_names
        ]
        for finding in analysis.findings.all()
    }


def note_texts(user: User, language: str) -> list[tuple[str, str]]:
    """(title, text) to start a note from: those of the house and of this person, in the patient's language first."""
    own = [(one.language, one.title, one.text) for one in access.note_templates(user)]
    own.sort(key=lambda one: one[0] != language)
    with translation.override(language):
        return [*((title, text) for _language, title, text in own), *_starters()]


def _starters() -> list[tuple[str, str]]:
    """Texts that come with the program, in the active language: the note is read by the patient."""
    return [
        (
            _("Looks harmless now, keep watching"),
            _(
                "I looked at your photos and answers. I see no sign that worries me today. Please take a photo of the "
                "spot with a coin beside it every month. Come back if it grows, changes colour or shape, bleeds or "
                "hurts. A photo check can miss things."
            ),
        ),
        (
            _("Should be seen in person"),
            _(
                "I looked at your photos and answers. I would like a clinician to look at this spot in person, because "
                "a photo cannot show everything. Please book a visit and show this report."
            ),
        ),
        (
            _("Needs a quick check"),
            _(
                "I looked at your photos and answers. Please see a skin clinic within two weeks and show this report. "
                "Most people who are sent for a check do not have cancer, but it is safer to look soon."
            ),
        ),
        (
            _("Care at home"),
            _(
                "I looked at your photos and answers. You can look after this at home. Use a moisturiser without "
                "perfume two to four times a day, and wash with lukewarm water. Come back if it spreads, gets sore or "
                "wet, or is no better after four weeks."
            ),
        ),
    ]
