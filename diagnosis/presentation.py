"""Facts into words: what the result page, the PDF and the command line say, in the active language.

`present` gives plain values only. Tier and next step come first, a likelihood is worded against the truth, and
where the photo cannot be judged no condition is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from diagnosis import triage
from diagnosis.active_release import active_release
from diagnosis.content import advice_for, message_for
from diagnosis.emergency import emergency_call
from diagnosis.facts import CaseFacts, PhotoFacts
from diagnosis.likelihood import likelihood
from diagnosis.names import condition_label
from diagnosis.questions import answers_summary
from diagnosis.what_if import clearer_with, more_urgent_if
from ml.releases.loader import Release, ReleaseError, release_info, unknown_release
from ml.taxonomy import BY_SLUG, TIERS

TOP = 3
MIN_SPECIFICITY = 0.5  # below it a release says that it cannot screen for melanoma

STANDING_TEXTS = {
    "preliminary": lambda: _("AI draft, not checked by a dermatologist"),
    "final": lambda: _("Checked and signed by a dermatologist"),
    "amended": lambda: _("Changed and signed again by a dermatologist"),
}
MEMBER_NAMES = {
    "mobilenetv3": "MobileNetV3",
    "densenet121": "DenseNet121",
    "efficientnet_b3": "EfficientNet-B3",
    "efficientnet_lite2": "EfficientNet-Lite2",
    "efficientnet_lite2_stages": "EfficientNet-Lite2, frozen",
}


def member_name(member: str) -> str:
    """How a network is called; a second one of its architecture carries the name of its training run."""
    architecture, _dash, run = member.partition("-")
    name = MEMBER_NAMES.get(architecture, architecture)
    return f"{name} ({run.replace('_', ' ')})" if run else name


def present(facts: CaseFacts) -> dict[str, Any]:
    """Everything that is said of a case. Keys are those that templates/diagnosis and templates/reports name."""
    info = _release_of(facts)
    judged = is_judged(facts)
    return {
        "reference": facts.reference,
        "created_at": facts.created_at,
        "pseudonym": facts.pseudonym,
        "standing": facts.standing,
        "standing_text": STANDING_TEXTS[facts.standing](),
        "sandbox_text": _("TEST of a program, not a result: nobody's photos, nobody's opinion")
        if facts.sandbox
        else "",
        "status": facts.status,
        "outcome": facts.outcome,
        "judged": judged,
        "tier": _tier(_standing_tier(facts)) if _urgency_known(facts) else _unknown_tier(),
        "computed_tier": _tier(facts.tier),
        "emergency": _emergency(facts),
        "why": _why(facts),
        "tier_note": _tier_note(facts),
        "message": _message(facts),
        "reasons": [_reason_text(code) for code in _image_reasons(facts)],
        "retake": _retake(facts.photos),
        "differential": _differential(facts, info) if judged else [],
        "members": _members(facts) if judged else [],
        "changes": _changes(facts),
        "photos": [_photo(photo) for photo in facts.photos],
        "advice": [advice for slug in _advised(facts, info) if (advice := _advice(slug))["blocks"]],
        "review": _review(facts),
        "opinion": _opinion(facts),
        "safety_net": [str(text) for text in triage.safety_net()],
        "not_covered": [condition_label(s) for s in info["classes"] if s not in info["trained_classes"]],
        "not_known_text": message_for("not_covered", get_language() or "en").text,
        "cannot_recognise": [str(text) for text in triage.unrecognised()],
        "tested_on": tested_on(info),
        "answers": answers_summary(facts.answers),
        "release": _release(info, facts),
        "limits": limits(info),
    }


def _release_of(facts: CaseFacts) -> Release:
    """The release that answered; before an answer the active one. A release that was taken away says nothing of itself.

    The web has to show what is stored without any release, too.
    """
    try:
        return release_info(facts.release or active_release())
    except ReleaseError:
        return unknown_release(facts.release)


def is_judged(facts: CaseFacts) -> bool:
    """May conditions be named? Not where the image or the uncertainty says that this cannot be judged."""
    return facts.status == "done" and facts.outcome == "assessed"


def is_urgency_known(tier: str, *, judged: bool, signed: bool) -> bool:
    """Answers that raise nothing beside photos that nobody judged are no reason to say "at home"."""
    return judged or signed or tier != TIERS[0]


def _urgency_known(facts: CaseFacts) -> bool:
    return is_urgency_known(facts.tier, judged=is_judged(facts), signed=facts.review is not None)


def _unknown_tier() -> dict[str, Any]:
    return {
        "code": TIERS[0],
        "known": False,
        "label": _("We cannot say how urgent this is"),
        "next_step": _(
            "Nothing in your answers points to an emergency, but nobody has judged your photos yet. If you worry, or "
            "if it changes, see a clinician."
        ),
        "rank": 0,
    }


def _tier(code: str) -> dict[str, Any]:
    return {
        "code": code,
        "known": True,
        "label": str(triage.tier_label(code)),
        "next_step": str(triage.next_step(code)),
        "rank": TIERS.index(code),
    }


def _standing_tier(facts: CaseFacts) -> str:
    """A signed opinion stands above the rules."""
    return facts.review.tier if facts.review else facts.tier


def _emergency(facts: CaseFacts) -> dict[str, str] | None:
    if _standing_tier(facts) != "emergency":
        return None
    call = emergency_call(facts.country)
    return {"number": call.number, "text": call.sentence}


def _why(facts: CaseFacts) -> list[str]:
    """One sentence per rule that spoke, the most urgent first, none twice."""
    return list(dict.fromkeys(_rule_text(rule, unjudged=_is_unjudged(facts)) for rule in facts.fired))


def _rule_text(rule: Mapping[str, str], *, unjudged: bool) -> str:
    """A rule about what the photo may show says less where the photo could not be judged."""
    if unjudged and rule["code"] == "cancer_threshold":
        return _("The photo is unclear, but the computer could not rule out something that needs a check soon.")
    if unjudged and rule["code"] == "prediction_set":
        return _(
            "The computer could not rule out something that a clinician should see, although the photo is unclear."
        )
    return str(triage.rule_text(rule["code"], rule.get("detail", "")))


def _is_unjudged(facts: CaseFacts) -> bool:
    """The check is over and names nothing."""
    return facts.status == "done" and not is_judged(facts)


def _tier_note(facts: CaseFacts) -> str:
    """Why an urgency stands although no condition is named: from the answers, or from what a photo left open."""
    if not _is_unjudged(facts) or facts.review or not _urgency_known(facts):
        return ""
    codes = {rule["code"] for rule in facts.fired if rule["tier"] == facts.tier}
    if codes & triage.PHOTO_RULES:
        return _(
            "We name no condition, because the photo cannot be judged. But the computer could not rule out something "
            "that should be seen, and we do not take back a warning because a photo is poor. So this says how soon to "
            "be seen, not what it is. A better photo may give a calmer answer."
        )
    if codes == {"not_judged"}:
        return _("This is not from the photo, which we cannot judge. It is the least that is safe without one.")
    if not codes:
        return _("This comes from an earlier check of this case. A later photo does not take a warning back.")
    return _("This comes from your answers, not from the photo, which we cannot judge.")


def _message(facts: CaseFacts) -> dict[str, str] | None:
    """What stands in place of a condition, or above the list where the photo looks like healthy skin."""
    key = ""
    if _is_unjudged(facts):
        key = "not_covered" if _is_strange(facts) else "inconclusive"
    elif is_judged(facts) and _ranked(facts.probabilities)[:1] and _ranked(facts.probabilities)[0][0] == "normal":
        key = "normal"
    if not key:
        return None
    message = message_for(key, get_language() or "en")
    return {"key": key, "title": message.title, "text": message.text}


def _is_strange(facts: CaseFacts) -> bool:
    """Good photos of something else than the release has learned."""
    reasons = set(_image_reasons(facts))
    return "out_of_distribution" in reasons and not reasons & {"poor_image", "not_skin"}


def _changes(facts: CaseFacts) -> dict[str, Any] | None:
    """What would change the answer; nothing once a dermatologist has signed, or in an emergency."""
    tier = _standing_tier(facts)
    if facts.review or facts.status != "done" or tier == "emergency":
        return None
    return {"urgent": more_urgent_if(facts, tier), "clearer": clearer_with(facts, _retake(facts.photos))}


def _image_reasons(facts: CaseFacts) -> list[str]:
    return [code for code in triage.IMAGE_REASONS if code in {*facts.reasons, *facts.review_reasons}]


def _reason_text(code: str) -> str:
    if code == "analysis_failed":
        return _("The check of your photos could not be finished.")
    return str(triage.review_reason_text(code))


def _retake(photos: Sequence[PhotoFacts]) -> list[str]:
    advice = [_issue_advice(issue) for photo in photos for issue in photo.quality.get("issues", [])]
    return list(dict.fromkeys(advice))


def _issue_advice(issue: Mapping[str, str]) -> str:
    return photo_advice()[issue["advice_code"]]


def photo_advice() -> dict[str, str]:
    """What to do about a photo, by `advice_code` of `ml.quality`."""
    return {
        "hold_still": _("Hold the camera still, tap the screen on the spot to focus, and take the photo again."),
        "more_light": _("Go near a window or switch on a light, and take the photo again."),
        "less_light": _("Turn the flash off, step out of direct sun, and take the photo again."),
        "plain_light": _("Wipe the lens, use even daylight, and take the photo again."),
        "come_closer": _("Send the original photo, or go closer: about 10 to 15 cm from the skin."),
        "fill_frame": _("Go closer, so that skin fills most of the picture."),
        "show_skin": _("We could not find skin in this photo. Take a photo of the skin problem itself."),
    }


def photo_issues() -> dict[str, str]:
    """What is wrong with a photo, by `code` of `ml.quality`."""
    return {
        "blurred": _("The photo is blurred."),
        "too_dark": _("The photo is too dark."),
        "too_bright": _("The photo is too bright."),
        "low_contrast": _("The photo shows little contrast."),
        "too_small": _("The photo is small."),
        "little_skin": _("The photo shows little skin."),
        "not_skin": _("We found no skin in the photo."),
    }


def focus_texts() -> dict[str, str]:
    """Where the model looked, by the code of `ml.explain`."""
    return {
        "centre": _("The computer looked mostly at the middle of this photo."),
        "top": _("The computer looked mostly at the top of this photo."),
        "bottom": _("The computer looked mostly at the bottom of this photo."),
        "left": _("The computer looked mostly at the left of this photo."),
        "right": _("The computer looked mostly at the right of this photo."),
        "upper_left": _("The computer looked mostly at the upper left of this photo."),
        "upper_right": _("The computer looked mostly at the upper right of this photo."),
        "lower_left": _("The computer looked mostly at the lower left of this photo."),
        "lower_right": _("The computer looked mostly at the lower right of this photo."),
        "spread": _("The computer looked at many parts of this photo."),
    }


def _photo(photo: PhotoFacts) -> dict[str, Any]:
    issues = photo.quality.get("issues", [])
    return {
        "number": photo.number,
        "image_id": photo.image_id,
        "finding_id": photo.finding_id,
        "outcome": photo.outcome,
        "band": photo.quality.get("band", ""),
        "issues": [{"text": photo_issues()[i["code"]], "advice": _issue_advice(i)} for i in issues],
        "focus_text": focus_texts().get(photo.focus, ""),
        "width": photo.width,
        "height": photo.height,
        "facts": photo,
    }


def _ranked(probabilities: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(probabilities.items(), key=lambda pair: -pair[1])


def percent(probability: float) -> int:
    """Whole per cent, never 0 or 100: a model is never certain."""
    return min(max(round(100 * probability), 1), 99)


def _differential(facts: CaseFacts, info: Release) -> list[dict[str, Any]]:
    """The top three, and below them any cancer class whose probability reached the release's threshold."""
    ranked = _ranked(facts.probabilities)
    over = [(s, p) for s, p in ranked[TOP:] if s in info["thresholds"] and p >= info["thresholds"][s]]
    return [_likely(slug, probability, info) for slug, probability in [*ranked[:TOP], *over]]


def _likely(slug: str, probability: float, info: Release) -> dict[str, Any]:
    label = condition_label(slug)
    worded = likelihood(probability=probability, reliability=info.get("reliability", []), condition=label)
    return {
        "slug": slug,
        "label": label,
        "icd10": BY_SLUG[slug].icd10 if slug in BY_SLUG else "",
        "probability": probability,
        "percent": percent(probability),
        "likelihood_text": worded.wording,
        "few_photos": worded.in_ten is None,
        "dots": [] if worded.in_ten is None else [dot < worded.in_ten for dot in range(10)],
    }


def _members(facts: CaseFacts) -> list[dict[str, Any]]:
    return [
        {
            "name": member["name"],
            "label": member_name(member["name"]),
            "weight_percent": round(100 * member["weight"]),
            "rows": [
                {"label": condition_label(slug), "percent": percent(probability)}
                for slug, probability in _ranked(member["probabilities"])[:TOP]
            ],
        }
        for member in facts.members
    ]


def _advised(facts: CaseFacts, info: Release) -> list[str]:
    """What the dermatologist signed, and nothing else; before that every condition that the result names."""
    if facts.review:
        return [facts.review.diagnosis] if facts.review.diagnosis in BY_SLUG else []
    return [item["slug"] for item in _differential(facts, info)] if is_judged(facts) else []


def _advice(slug: str) -> dict[str, Any]:
    return {"slug": slug, "label": condition_label(slug), "blocks": _blocks(slug)}


def _blocks(slug: str) -> list[dict[str, str]]:
    return [
        {
            "key": block.key,
            "title": str(block.title),
            "text": block.text,
            "source_url": block.source_url,
            "reviewed_text": _reviewed_text(block.clinically_reviewed_by),
        }
        for block in advice_for(slug, get_language() or "en")
    ]


def _reviewed_text(name: str) -> str:
    if name:
        return _("Reviewed by %(name)s") % {"name": name}
    return _("Not yet reviewed by a clinician")


def _review(facts: CaseFacts) -> dict[str, Any]:
    return {
        "needed": facts.needs_review,
        "reasons": [_reason_text(code) for code in facts.review_reasons],
        "requested": facts.review_requested_at is not None,
        "due_at": facts.review_due_at,
        "overdue": bool(facts.review_due_at and facts.review_due_at < timezone.now() and not facts.review),
        "who_next_text": _who_next(facts),
    }


def _who_next(facts: CaseFacts) -> str:
    """Who looks next and by when; nobody is left waiting without a way out."""
    if facts.review:
        return ""
    if facts.review_due_at:
        when = formats.date_format(timezone.localtime(facts.review_due_at), "DATETIME_FORMAT")
        return _(
            "A dermatologist of this service will look at your photos by %(when)s at the latest. If you have not heard "
            "from us by then, or if it gets worse, see a clinician and show this result."
        ) % {"when": when}
    if not facts.dermatologists:
        return _(
            "This installation has no dermatologist who could look at your photos. Use the finder to see one near you."
        )
    return _("You can ask a dermatologist of this service to look at your photos.")


def _opinion(facts: CaseFacts) -> dict[str, Any] | None:
    review = facts.review
    if review is None:
        return None
    return {
        "name": review.name,
        "licence": review.licence,
        "diagnosis_label": review.diagnosis_text or condition_label(review.diagnosis),
        "tier_label": str(triage.tier_label(review.tier)),
        "note": review.note,
        "signed_at": review.signed_at,
        "version": review.version,
        "amendment_reason": review.amendment_reason,
        "confirmed_text": _("Read by a second dermatologist too: %(name)s.") % {"name": review.confirmed_by}
        if review.confirmed_by
        else "",
        "follow_up_text": _follow_up(review.follow_up_weeks),
    }


def _follow_up(weeks: int | None) -> str:
    if weeks is None:
        return ""
    text = ngettext(
        "Please have it looked at again after %(n)s week.", "Please have it looked at again after %(n)s weeks.", weeks
    )
    return text % {"n": weeks}


def _release(info: Release, facts: CaseFacts) -> dict[str, Any]:
    return {
        "name": info["name"],
        "weights_sha256": facts.weights_sha256,
        "weights_short": facts.weights_sha256[:12],
        "accuracy_text": accuracy_text(info),
        "non_commercial": info["licence"]["non_commercial"],
    }


def accuracy_text(info: Release) -> str:
    """How often the release was right on its own test photos, with the interval."""
    found = info["metrics"].get("test", {}).get("accuracy")
    if not found:
        return _("This release has not been tested on separate photos.")
    return _("Right first time in %(value)s %% of %(n)s test photos (95 %% interval %(low)s to %(high)s %%).") % {
        "value": round(100 * found["value"]),
        "n": found["n"],
        "low": round(100 * found["low"]),
        "high": round(100 * found["high"]),
    }


def tested_on(info: Release) -> list[str]:
    """For which cameras and skin types this release was tested, with counts."""
    test = info["metrics"].get("test", {})
    sentences = []
    for key, text in (
        ("clinical", _("ordinary photos from a phone or camera: %(n)s")),
        ("dermoscopic", _("photos through a skin microscope: %(n)s")),
    ):
        sentences.append(text % {"n": test.get(key, {}).get("accuracy", {}).get("n", 0)})
    groups = test.get("fitzpatrick", {})
    for group in ("I-II", "III-IV", "V-VI"):
        sentences.append(
            _("skin type %(group)s: %(n)s photos") % {"group": group, "n": groups.get(group, {}).get("n", 0)}
        )
    sentences.append(_("skin type not known: %(n)s photos") % {"n": groups.get("unknown", {}).get("n", 0)})
    return sentences


def screens_for_melanoma(info: Release) -> bool:
    """False where finding melanoma costs more than half of the other clinical photos (specificity below 0.5)."""
    points = info.get("operating_points", {}).get("melanoma", {}).get("clinical", {})
    return points.get("specificity", {}).get("value", 0.0) >= MIN_SPECIFICITY


def limits(info: Release) -> list[str]:
    """What nobody should expect of a result."""
    sentences = [
        _("This is not a medical device and not a diagnosis. Only a clinician who examines you can make one."),
        _("It looks at photos only. It cannot feel the skin, and it misses some skin cancers."),
        _("It was tested on few photos of brown and black skin, so its answers may be less reliable there."),
    ]
    if not screens_for_melanoma(info):
        sentences.append(
            _("It cannot screen for melanoma: to miss few of them it also asks to check most harmless spots.")
        )
    if info["licence"]["non_commercial"]:
        sentences.append(_("This model release is for research and other non-commercial use."))
    return sentences
