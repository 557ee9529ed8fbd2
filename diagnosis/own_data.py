"""This app's part of a person's rights over the own data; registered with `accounts.registry` at start.

Not in a download: working records of dermatologists (private notes, first opinions, single reads). What they published
stands in the opinions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.files.storage import default_storage

from accounts.models import User
from accounts.registry import ExportFile, OwnData
from accounts.services_export import bytes_file, json_file
from diagnosis.facts import facts_of_case
from diagnosis.models import Case, Lesion, Message
from diagnosis.presentation import present
from diagnosis.services.erasure import cases_leave, consents_withdraw, person_erase
from diagnosis.services.training_exports import research_erase, research_leave, research_withdraw


def own_data() -> OwnData:
    """What `accounts` calls; see `accounts.registry`."""
    return OwnData(export=person_files, leave=cases_leave, erase=person_erase, withdraw=consents_withdraw)


def research_data() -> OwnData:
    """What follows from consent to research. A download holds none of it: candidates' answers are nobody's result."""
    return OwnData(
        export=lambda **_who: iter(()), leave=research_leave, erase=research_erase, withdraw=research_withdraw
    )


def person_files(*, user: User) -> Iterator[ExportFile]:
    """Everything of a person as files: one folder per check, then spots, then e-mails."""
    for pk in Case.objects.filter(patient=user).order_by("created_at", "pk").values_list("pk", flat=True):
        yield from _case_files(pk)
    for number, photo in enumerate(user.intake_photos.order_by("created_at"), start=1):
        yield _stored(f"not-sent/photo-{number}.jpg", str(photo.file.name))
    yield json_file("spots.json", [_lesion(lesion) for lesion in user.lesions.select_related("reminder")])
    yield json_file("e-mails.json", _mails(user))


def _case_files(pk: object) -> Iterator[ExportFile]:
    from diagnosis.access import case_for_task  # access knows the reports, which know this app
    from reports.fhir import bundle

    case = case_for_task(str(pk))
    if case is None:  # erased while the file is being made
        return
    folder = f"checks/{case.created_at:%Y-%m-%d}-{case.reference}"
    facts = facts_of_case(case)
    messages = list(case.messages.prefetch_related("attachments"))
    yield json_file(f"{folder}/check.json", _case(case, present(facts), messages))
    yield json_file(f"{folder}/fhir.json", bundle(facts))
    yield from _pictures(folder, case)
    for report in case.reports.all():
        yield _stored(
            f"{folder}/report-v{report.version}-{report.language}-{report.pk.hex[:6]}.pdf", str(report.file.name)
        )
    for number, attachment in enumerate((one for message in messages for one in message.attachments.all()), start=1):
        yield _stored(f"{folder}/message-photo-{number}.jpg", str(attachment.file.name))


def _pictures(folder: str, case: Case) -> Iterator[ExportFile]:
    for image in case.images.all():
        yield _stored(f"{folder}/photo-{image.position + 1}.jpg", str(image.file.name))
    for analysis in case.analyses.all():
        for finding in analysis.findings.all():
            name = f"{folder}/colours-{finding.image.position + 1}-{analysis.pk.hex[:6]}"
            if finding.heatmap:
                yield _stored(f"{name}.png", str(finding.heatmap.name))
            for one in finding.member_maps.all():
                yield bytes_file(f"{name}-{one.member}.png", bytes(one.png))


def _stored(path: str, key: str) -> ExportFile:
    return ExportFile(path, lambda: default_storage.open(key, "rb"))


def _case(case: Case, view: dict[str, Any], messages: list[Message]) -> dict[str, Any]:
    """A check in words, as its pages show it, with the codes beside it."""
    return {
        "reference": case.reference,
        "sent_at": case.created_at,
        "language": case.language,
        "country": case.country,
        "answers": {"codes": case.answers, "words": {str(q): str(a) for q, a in view["answers"]}},
        "urgency": {
            "code": view["tier"]["code"] if view["tier"]["known"] else None,
            "words": str(view["tier"]["label"]),
            "rules": case.fired_rules,
        },
        "sent_to_dermatologists_at": case.review_requested_at,
        "results": [_analysis(analysis) for analysis in case.analyses.all()],
        "opinions": [_review(review) for review in case.reviews.all()],
        "photo_requests": [_photo_request(request) for request in case.photo_requests.all()],
        "messages": [_message(message) for message in messages],
        "diary": [{"at": event.at, "what": event.get_kind_display()} for event in case.events.all()],
    }


def _analysis(analysis) -> dict[str, Any]:
    names = ("status", "queued_at", "finished_at", "release", "weights_sha256", "outcome", "reasons", "prediction_set")
    return {**_values(analysis, names), "probabilities": analysis.probabilities, "members": analysis.members}


def _review(review) -> dict[str, Any]:
    who = ("version", "signed_at", "reviewer_name", "reviewer_licence", "confirmed_by_name", "amendment_reason")
    what = ("diagnosis", "diagnosis_text", "icd10", "differential", "severity", "tier")
    return _values(review, (*who, *what, "plan", "follow_up_weeks", "note_to_patient"))


def _photo_request(request) -> dict[str, Any]:
    return {"missing": request.missing_texts, **_values(request, ("note", "asked_at", "answered_at"))}


def _message(message: Message) -> dict[str, Any]:
    who = "you" if message.from_patient else message.author_name
    return {"from": who, **_values(message, ("text", "sent_at", "read_at")), "photos": message.attachments.count()}


def _lesion(lesion: Lesion) -> dict[str, Any]:
    reminder = getattr(lesion, "reminder", None)
    return {
        **_values(lesion, ("name", "body_site", "created_at")),
        "checks": [case.reference for case in lesion.cases.order_by("created_at")],
        "notes": [_values(note, ("text", "created_at")) for note in lesion.notes.all()],
        "reminder": _values(reminder, ("months", "due_at", "stopped_at")) if reminder else None,
    }


def _mails(user: User) -> dict[str, Any]:
    sent = [_values(notice, ("kind", "status", "queued_at", "sent_at")) for notice in user.notices.all()]
    return {"sent_in_the_last_days": sent, "not_wanted": sorted(user.muted_notices.values_list("kind", flat=True))}


def _values(row: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
