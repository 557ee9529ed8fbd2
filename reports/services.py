"""Making, signing and keeping reports. Keyword-only, safe to run twice; earlier versions are never overwritten."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from diagnosis.facts import CaseFacts, facts_of_case
from diagnosis.models import Analysis, Case, Review, WebhookEndpoint, WebhookEvent
from diagnosis.services import event_publish
from diagnosis.services.files import files_vanish_on_failure
from diagnosis.services.steps import report_owners
from reports.certificates import Identity, signing_identity
from reports.context import report_context, usual_paper
from reports.models import Report, SigningCertificate, verification_code
from reports.rendering import render_pdf
from reports.signing import sign_pdf

# Readers of bytes, not facts; the photos themselves are named by id and never change.
NOT_FACTS = ("read", "read_heatmap")
# Raise it when words or layout change: cases then get a new PDF, and the earlier one stays as what it was.
LAYOUT = 3
WAITING = ("none", "queued", "running")


# A report that a lost message or a dead worker left unmade is made within minutes; what fails for longer is made, or
# fails with a sentence, when somebody asks for it.
SWEEP_AFTER, SWEEP_FOR, SWEPT_AT_ONCE = timedelta(minutes=2), timedelta(hours=1), 100


class ReportNotReady(Exception):
    """There is nothing to report yet; the message says so in plain words."""


def report_render(
    *, case: Case, language: str | None = None, paper: str | None = None, person_name: str = ""
) -> Report:
    """The signed report of a case as it stands now, made if it is not there yet.

    `language` defaults to the case's, `paper` to that of its country; `person_name` is printed as it is given, which
    only the patient may ask for. Raises ReportNotReady while the photos are being checked or once the case is deleted,
    `ml.photo.PhotoError` when a stored photo is damaged, `CertificateProblem` where nothing can be signed.
    """
    facts = facts_of_case(case)
    wish = _wish(case, facts, language, paper, person_name)
    refuse_unless_ready(facts, wish["language"])
    return _found(wish) or _report_create(wish, facts)


def report_bytes(*, report: Report) -> bytes:
    """The stored file. Raises FileNotFoundError where it is gone."""
    with report.file.open("rb") as file:
        return file.read()


def reports_missing() -> list[uuid.UUID]:
    """Cases with news of the last hour, a result or a signed opinion, that have no report since and await one."""
    now, owners = timezone.now(), report_owners(WebhookEndpoint.objects.active())
    awaited = reduce(or_, (Q(case__partner=partner, case__sandbox=sandbox) for partner, sandbox in owners))
    span = (now - SWEEP_FOR, now - SWEEP_AFTER)
    news = (
        (Analysis.objects.filter(status=Analysis.Status.DONE), "finished_at"),
        (Review.objects.all(), "signed_at"),
    )
    found: list[uuid.UUID] = []
    for rows, when in news:
        since = Report.objects.filter(case=OuterRef("case"), created_at__gte=OuterRef(when))
        late = rows.filter(awaited, ~Exists(since), **{f"{when}__range": span})
        found += late.order_by(when).values_list("case", flat=True)[:SWEPT_AT_ONCE]
    return list(dict.fromkeys(found))


def _wish(case: Case, facts: CaseFacts, language: str | None, paper: str | None, person_name: str) -> dict[str, Any]:
    """The fields that tell one report of a case from another."""
    return {
        "case": case,
        "version": facts.review.version if facts.review else 0,
        "language": supported_language(language or case.language),
        "paper": paper or usual_paper(facts.country),
        "person_name": person_name,
        "facts_sha256": facts_digest(facts),
    }


def pdf_from_facts(facts: CaseFacts, language: str, **printed: str) -> bytes:
    """The unsigned PDF of any facts, stored or not; `printed` goes to `report_context`.

    Raises `ml.photo.PhotoError` when a photo is damaged.
    """
    language = supported_language(language)
    with translation.override(language):
        context = report_context(facts, **printed)
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
    """SHA-256 (hex) of everything a report is made from, photos by their ids, and of the layout."""
    values = asdict(facts) | {"layout": LAYOUT}
    values["photos"] = [_without_readers(photo) for photo in values["photos"]]
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def _without_readers(photo: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in photo.items() if key not in NOT_FACTS}


def _found(wish: Mapping[str, Any]) -> Report | None:
    """A stored report that is just what is asked for. Unsigned ones of old stay, but nobody gets one as new."""
    return Report.objects.filter(certificate__isnull=False, **wish).first()


def _report_create(wish: Mapping[str, Any], facts: CaseFacts) -> Report:
    """Draw and sign first, then store file and row under the case's lock.

    The lock is what an erasure takes too: it finds this report, or this finds no case. Whoever comes second gets the
    report of the first; whatever goes wrong leaves no file behind.
    """
    identity, code = signing_identity(), verification_code()
    printed = {"paper": wish["paper"], "person_name": wish["person_name"], "code": code}
    pdf = sign_pdf(pdf_from_facts(facts, wish["language"], **printed), identity)
    report = Report(**wish, standing=facts.standing, code=code, sha256=hashlib.sha256(pdf).hexdigest())
    with files_vanish_on_failure() as stored, transaction.atomic():
        _case_lock(wish["case"])
        if earlier := _found(wish):
            return earlier
        report.certificate = _certificate_of(identity)
        report.file.save("report.pdf", ContentFile(pdf), save=False)
        stored.append(str(report.file.name))
        report.full_clean(exclude=["case", "certificate"], validate_unique=False, validate_constraints=False)
        report.save(force_insert=True)
        event_publish(event=WebhookEvent.REPORT_READY, case=report.case, report_id=report.pk)
    return report


def _case_lock(case: Case) -> None:
    if Case.objects.select_for_update().filter(pk=case.pk).first() is None:
        raise ReportNotReady(_("This check was deleted, so there is no report."))


def _certificate_of(identity: Identity) -> SigningCertificate:
    return SigningCertificate.objects.get_or_create(sha256=identity.sha256, defaults={"pem": identity.pem})[0]
