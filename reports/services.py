"""Making and keeping reports. Keyword-only, safe to run twice; earlier versions are never overwritten."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.utils import translation
from django.utils.translation import gettext as _

from diagnosis.facts import CaseFacts, facts_of_case
from diagnosis.models import Case, WebhookEvent
from diagnosis.services import event_publish
from reports.context import report_context
from reports.models import Report
from reports.rendering import render_pdf

# Readers of bytes, not facts; the photos themselves are named by id and never change.
NOT_FACTS = ("read", "read_heatmap")
WAITING = ("none", "queued", "running")


class ReportNotReady(Exception):
    """There is nothing to report yet; the message says so in plain words."""


def report_render(*, case: Case, language: str | None = None) -> Report:
    """The report of a case as it stands now, made if it is not there yet; `language` defaults to the case's.

    Raises ReportNotReady while the photos are being checked, `ml.photo.PhotoError` when a stored photo is damaged.
    """
    language = supported_language(language or case.language)
    facts = facts_of_case(case)
    refuse_unless_ready(facts, language)
    fields = {
        "case": case,
        "version": facts.review.version if facts.review else 0,
        "language": language,
        "facts_sha256": facts_digest(facts),
    }
    return _found(fields) or _report_create(fields, facts)


def pdf_from_facts(facts: CaseFacts, language: str) -> bytes:
    """The PDF of any facts, stored or not. Raises `ml.photo.PhotoError` when a photo is damaged."""
    language = supported_language(language)
    with translation.override(language):
        context = report_context(facts)
    return render_pdf(context, language)


def supported_language(language: str) -> str:
    """The installation's nearest language, else its default."""
    try:
        return translation.get_supported_language_variant(language)
    except LookupError:
        return settings.LANGUAGE_CODE


def refuse_unless_ready(facts: CaseFacts, language: str) -> None:
    """Raises ReportNotReady, in `language`, while nobody has said anything about the photos."""
    if facts.status in WAITING and facts.review is None:
        with translation.override(language):
            raise ReportNotReady(_("Your photos are still being checked. The report will be ready after that."))


def facts_digest(facts: CaseFacts) -> str:
    """SHA-256 (hex) of everything a report is made from, photos by their ids."""
    values = asdict(facts)
    values["photos"] = [_without_readers(photo) for photo in values["photos"]]
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def _without_readers(photo: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in photo.items() if key not in NOT_FACTS}


def _found(fields: Mapping[str, Any]) -> Report | None:
    return Report.objects.filter(**fields).first()


def _report_create(fields: Mapping[str, Any], facts: CaseFacts) -> Report:
    """Store the file, then the row; whoever comes second gets the row of the first, and no file is left behind."""
    pdf = pdf_from_facts(facts, fields["language"])
    report = Report(**fields, standing=facts.standing, sha256=hashlib.sha256(pdf).hexdigest())
    report.file.save("report.pdf", ContentFile(pdf), save=False)
    try:
        with transaction.atomic():
            report.full_clean(validate_constraints=False)
            report.save(force_insert=True)
            event_publish(event=WebhookEvent.REPORT_READY, case=report.case, report_id=report.pk)
    except BaseException as error:
        report.file.delete(save=False)
        earlier = _found(fields) if isinstance(error, IntegrityError) else None
        if earlier is None:
            raise
        return earlier
    return report
