"""An analysis as a FHIR R4 Bundle: `Accept: application/fhir+json`. Codes come from ml/taxonomy.py only."""

from __future__ import annotations

from typing import Any

from rest_framework.renderers import JSONRenderer

from accounts.models import PartnerKey
from diagnosis import access
from diagnosis.facts import CaseFacts, PhotoFacts, facts_of_case
from diagnosis.links import file_link
from diagnosis.models import Analysis, Case
from reports.fhir import bundle

FHIR_JSON = "application/fhir+json"


# For the schema: what a client may rely on; the rest is FHIR's own definition of a Bundle.
FHIR_BUNDLE = {
    "type": "object",
    "example": {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": "2026-11-23T08:30:00Z",
        "entry": [
            {
                "fullUrl": "urn:uuid:0b7a5d2e-5a41-5f8c-9a3b-6f1c7e0d9b52",
                "resource": {"resourceType": "DiagnosticReport", "status": "preliminary"},
            }
        ],
    },
    "description": "A FHIR R4 Bundle of type collection: DiagnosticReport, RiskAssessment, Observation, Media, ...",
    "required": ["resourceType", "type", "entry"],
    "properties": {
        "resourceType": {"const": "Bundle"},
        "type": {"const": "collection"},
        "timestamp": {"type": "string", "format": "date-time"},
        "entry": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["fullUrl", "resource"],
                "properties": {
                    "fullUrl": {"type": "string", "format": "uri"},
                    "resource": {
                        "type": "object",
                        "required": ["resourceType"],
                        "properties": {"resourceType": {"type": "string"}},
                    },
                },
            },
        },
    },
}


class FhirRenderer(JSONRenderer):
    media_type = FHIR_JSON
    format = "fhir"


def analysis_bundle(key: PartnerKey, analysis: Analysis) -> dict[str, Any]:
    """What is known now: preliminary until signed, then final, later amended; the links work for a minute."""
    case = access.partner_case_get(key, analysis.case_id)
    facts = facts_of_case(case, analysis)
    images = {str(image.pk): image for image in case.images.all()}

    def photo_url(photo: PhotoFacts) -> str:
        return file_link(images[photo.image_id])

    return bundle(facts, photo_url=photo_url, pdf_url=_pdf_url(case, facts))


def _pdf_url(case: Case, facts: CaseFacts) -> str:
    """The newest PDF of the same standing: a preliminary one never travels with a final report."""
    review = facts.review.version if facts.review else 0
    reports = [report for report in case.reports.all() if report.version == review]
    return file_link(reports[0]) if reports else ""
