"""A case as one FHIR R4 Bundle (checked in tests with the R4B models of `fhir.resources`).

Codes come from `ml.taxonomy` only. The patient is a pseudonym; no e-mail, no name. Until a dermatologist signs,
nothing here is `final`. Where the photos could not be judged the bundle carries no prediction: an abstention is a
result, and no disease is named.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from diagnosis.facts import CaseFacts, PhotoFacts, ReviewFacts
from diagnosis.names import condition_label
from diagnosis.presentation import present
from diagnosis.questions import option_label
from ml.taxonomy import BY_SLUG, Condition

ICD10 = "http://hl7.org/fhir/sid/icd-10"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
DIAGNOSTIC_SERVICE = "http://terminology.hl7.org/CodeSystem/v2-0074"
# Data that is nobody's: https://terminology.hl7.org/CodeSystem-v3-ActReason.html, "test health data".
TEST_DATA = {"tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]}
SEVERITIES = {"mild": "255604002", "moderate": "6736007", "severe": "24484000"}  # SNOMED CT, as in FHIR's value set
NAMESPACE = uuid.UUID("6f0f3f0a-1d0c-5c9e-9a52-2f6f6d1d7a11")

Resource = dict[str, Any]


def bundle(
    facts: CaseFacts,
    *,
    photo_url: Callable[[PhotoFacts], str] | None = None,
    pdf: bytes | None = None,
    pdf_url: str = "",
) -> Resource:
    """A `collection` Bundle as JSON-serialisable values, texts in the active language.

    `photo_url` gives a signed link to a photo (none: the photos are named without content); the PDF travels inside
    (`pdf`) or as a link (`pdf_url`).
    """
    return _Bundle(facts, photo_url, _presented(facts, pdf, pdf_url)).build()


def report_status(facts: CaseFacts) -> str:
    """DiagnosticReport.status: preliminary until signed; registered while waiting; cancelled when the check failed."""
    if facts.review is not None or facts.status == "done":
        return facts.standing
    return "cancelled" if facts.status == "failed" else "registered"


def codes(condition: Condition) -> list[dict[str, str]]:
    """The codings of a class; a vocabulary without an honest match is left out."""
    pairs = ((ICD10, condition.icd10), (SNOMED, condition.snomed))
    return [{"system": system, "code": code, "display": condition.label} for system, code in pairs if code]


def concept(slug: str, text: str = "") -> Resource:
    """A CodeableConcept of a class in the reader's language; text only where there is no code."""
    found = codes(BY_SLUG[slug]) if slug in BY_SLUG else []
    return {"text": text or condition_label(slug), **({"coding": found} if found else {})}


def _presented(facts: CaseFacts, pdf: bytes | None, pdf_url: str) -> list[Resource]:
    form: Resource = {"contentType": "application/pdf", "title": facts.reference or "report"}
    if pdf is not None:
        return [{**form, "data": base64.b64encode(pdf).decode()}]
    return [{**form, "url": pdf_url}] if pdf_url else []


class _Bundle:
    """Builds the resources, which refer to each other by addresses that are the same in every run."""

    def __init__(self, facts: CaseFacts, photo_url: Callable[[PhotoFacts], str] | None, forms: list[Resource]) -> None:
        self.facts = facts
        self.photo_url = photo_url
        self.forms = forms
        self.shown = present(facts)
        self.status = report_status(facts)
        self.when = facts.created_at.isoformat()

    def build(self) -> Resource:
        resources = [self.report(), self.patient(), self.urgency(), *self.media()]
        resources += [self.device()] if self.facts.release else []
        resources += [self.risk()] if self.shown["judged"] else []
        resources += self.opinion() if self.facts.review else []
        if self.facts.sandbox:
            resources = [{"meta": TEST_DATA, **resource} for resource in resources]
        return {
            "resourceType": "Bundle",
            **({"meta": TEST_DATA} if self.facts.sandbox else {}),
            "type": "collection",
            "timestamp": self.when,
            "entry": [{"fullUrl": self.address(r.pop("_name")), "resource": r} for r in resources],
        }

    def address(self, name: str) -> str:
        owner = f"{self.facts.reference}/{self.facts.pseudonym}/{self.when}"
        return f"urn:uuid:{uuid.uuid5(NAMESPACE, f'{owner}/{name}')}"

    def link(self, name: str) -> dict[str, str]:
        return {"reference": self.address(name)}

    def report(self) -> Resource:
        review = self.facts.review
        resource: Resource = {
            "_name": "report",
            "resourceType": "DiagnosticReport",
            "identifier": [{"value": self.facts.reference or "none"}],
            "status": self.status,
            "category": [{"coding": [{"system": DIAGNOSTIC_SERVICE, "code": "IMG", "display": "Diagnostic Imaging"}]}],
            "code": {"coding": [{"system": LOINC, "code": "18748-4", "display": "Diagnostic imaging study"}]},
            "subject": self.link("patient"),
            "effectiveDateTime": self.when,
            "result": [self.link("urgency")],
            "media": [{"link": self.link(f"photo-{photo.number}")} for photo in self.facts.photos],
            "conclusion": self.conclusion(),
        }
        if review:
            resource["issued"] = review.signed_at.isoformat()
            resource["resultsInterpreter"] = [self.link("practitioner")]
            resource["conclusionCode"] = [concept(review.diagnosis, review.diagnosis_text)]
        return resource | ({"presentedForm": self.forms} if self.forms else {})

    def conclusion(self) -> str:
        """Urgency first, then what is known; the standing text says whether a dermatologist has looked."""
        shown = self.shown
        parts = [f"{shown['sandbox_text']}."] if shown["sandbox_text"] else []
        parts += [f"{shown['standing_text']}.", f"{shown['tier']['label']}.", shown["tier"]["next_step"]]
        if shown["opinion"]:
            parts += [f"{shown['opinion']['diagnosis_label']}.", shown["opinion"]["note"]]
        elif self.facts.status == "failed":
            parts.append(_("The check of the photos failed."))
        elif self.facts.status != "done":
            parts.append(_("The photos are still being checked."))
        elif not shown["judged"]:
            parts += [_("We cannot judge these photos."), *shown["reasons"]]
        return " ".join(parts)

    def patient(self) -> Resource:
        return {
            "_name": "patient",
            "resourceType": "Patient",
            "identifier": [{"use": "secondary", "value": self.facts.pseudonym or "unknown"}],
        }

    def urgency(self) -> Resource:
        """The tier, which also stands where nothing could be judged; by the dermatologist once signed."""
        tier = self.shown["tier"]
        coding = {"coding": [{"system": "urn:smartderma:tier", "code": tier["code"]}]} if tier["known"] else {}
        resource: Resource = {
            "_name": "urgency",
            "resourceType": "Observation",
            "status": self.facts.standing,
            "code": {"text": "Urgency"},
            "subject": self.link("patient"),
            "effectiveDateTime": self.when,
            "valueCodeableConcept": {**coding, "text": tier["label"]},
        }
        if self.facts.review:
            return resource | {"performer": [self.link("practitioner")]}
        return resource | ({"device": self.link("device")} if self.facts.release else {})

    def media(self) -> list[Resource]:
        return [self.photo(photo) for photo in self.facts.photos]

    def photo(self, photo: PhotoFacts) -> Resource:
        content: Resource = {"contentType": "image/jpeg", "title": f"Photo {photo.number}"}
        url = self.photo_url(photo) if self.photo_url else ""
        if url:
            content["url"] = url
        resource: Resource = {
            "_name": f"photo-{photo.number}",
            "resourceType": "Media",
            "status": "completed",
            "subject": self.link("patient"),
            "createdDateTime": self.when,
            "bodySite": {"text": self.body_site()},
            "content": content,
        }
        size = {"width": photo.width, "height": photo.height}
        return resource | {key: value for key, value in size.items() if value}

    def body_site(self) -> str:
        site = str(self.facts.answers.get("site", "")) or "unknown"
        return option_text("site", site)

    def device(self) -> Resource:
        """The model release that answered, with the hash of its weights."""
        versions = [self.facts.release, *([self.facts.weights_sha256] if self.facts.weights_sha256 else [])]
        return {
            "_name": "device",
            "resourceType": "Device",
            "deviceName": [{"name": f"Smart Derma {self.facts.release}", "type": "model-name"}],
            "version": [{"value": value} for value in versions],
        }

    def risk(self) -> Resource:
        ranked = sorted(self.facts.probabilities.items(), key=lambda pair: -pair[1])
        return {
            "_name": "risk",
            "resourceType": "RiskAssessment",
            "status": "preliminary",  # what the model said stays a draft, whatever a dermatologist signs
            "subject": self.link("patient"),
            "occurrenceDateTime": self.when,
            "performer": self.link("device"),
            "basis": [self.link(f"photo-{photo.number}") for photo in self.facts.photos],
            "method": {"text": "Weighted soft vote of the release's networks, calibrated"},
            "prediction": [
                {"outcome": concept(slug), "probabilityDecimal": round(probability, 4)} for slug, probability in ranked
            ],
            "note": [{"text": _("AI output. For cancers the highest of the photos counts; the sum may pass 1.")}],
        }

    def opinion(self) -> list[Resource]:
        """What the dermatologist wrote beside the conclusion: other possibilities, severity and plan."""
        review = self.facts.review
        assert review is not None
        resources = [self.practitioner(), self.impression(review)]
        resources += [self.condition(review)] if review.severity else []
        return resources + ([self.plan(review)] if review.plan or review.follow_up_weeks else [])

    def impression(self, review: ReviewFacts) -> Resource:
        """The diagnosis first, then the other possibilities, the likeliest first."""
        named = [concept(review.diagnosis, review.diagnosis_text), *({"text": name} for name in review.differential)]
        return {
            "_name": "impression",
            "resourceType": "ClinicalImpression",
            "status": "completed",
            "subject": self.link("patient"),
            "date": review.signed_at.isoformat(),
            "assessor": self.link("practitioner"),
            "finding": [{"itemCodeableConcept": one} for one in named],
        }

    def condition(self, review: ReviewFacts) -> Resource:
        severity = {"system": SNOMED, "code": SEVERITIES[review.severity], "display": review.severity.capitalize()}
        return {
            "_name": "condition",
            "resourceType": "Condition",
            "subject": self.link("patient"),
            "code": concept(review.diagnosis, review.diagnosis_text),
            "severity": {"coding": [severity]},
            "recordedDate": review.signed_at.isoformat(),
            "asserter": self.link("practitioner"),
        }

    def plan(self, review: ReviewFacts) -> Resource:
        texts = [review.plan, self.shown["opinion"]["follow_up_text"]]
        return {
            "_name": "plan",
            "resourceType": "CarePlan",
            "status": "active",
            "intent": "plan",
            "subject": self.link("patient"),
            "created": review.signed_at.isoformat(),
            "author": self.link("practitioner"),
            "description": " ".join(text for text in texts if text),
        }

    def practitioner(self) -> Resource:
        review = self.facts.review
        assert review is not None
        return {
            "_name": "practitioner",
            "resourceType": "Practitioner",
            "identifier": [{"value": review.licence}],
            "name": [{"text": review.name}],
        }


def option_text(key: str, code: str) -> str:
    """The label of an answer; a code of a later version of the questions stands for itself."""
    try:
        return option_label(key, code)
    except KeyError:
        return code
