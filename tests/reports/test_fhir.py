"""FHIR R4 bundles, checked with the models of fhir.resources."""

import base64
import json
import re
from dataclasses import replace

import pytest
from fhir.resources.R4B.bundle import Bundle

from ml.taxonomy import CONDITIONS, SLUGS
from reports.fhir import bundle, report_status
from tests.reports import samples

STATES = {
    "assessed": (samples.assessed(), "preliminary"),
    "inconclusive": (samples.inconclusive(), "preliminary"),
    "emergency": (samples.emergency(), "preliminary"),
    "failed": (samples.failed(), "cancelled"),
    "waiting": (samples.waiting(), "registered"),
    "final": (samples.signed(), "final"),
    "amended": (samples.signed(samples.cancer(), version=2), "amended"),
    "failed, then signed": (samples.signed(samples.failed()), "final"),
    "other diagnosis": (samples.signed(diagnosis="other", diagnosis_text="Lichen planus"), "final"),
    "without a reference": (samples.assessed(reference="", pseudonym=""), "preliminary"),
}


def of_type(found: dict, kind: str) -> list[dict]:
    return [entry["resource"] for entry in found["entry"] if entry["resource"]["resourceType"] == kind]


def report_of(found: dict) -> dict:
    return of_type(found, "DiagnosticReport")[0]


@pytest.mark.parametrize("name", STATES)
def test_every_state_is_valid_and_has_its_status(name):
    facts, status = STATES[name]
    found = bundle(facts, photo_url=lambda photo: f"https://files.example.org/{photo.number}", pdf=b"%PDF-1.7")
    Bundle.model_validate_json(json.dumps(found))
    assert report_of(found)["status"] == status == report_status(facts)


@pytest.mark.parametrize("name", STATES)
def test_every_reference_leads_to_a_resource_of_the_bundle(name):
    found = bundle(STATES[name][0])
    text = json.dumps(found)
    addresses = {entry["fullUrl"] for entry in found["entry"]}
    assert set(re.findall(r'"reference": "([^"]+)"', text)) <= addresses
    assert len(addresses) == len(found["entry"])
    assert "_name" not in text


def test_category_and_code():
    report = report_of(bundle(samples.assessed()))
    category = report["category"][0]["coding"][0]
    assert (category["system"], category["code"]) == ("http://terminology.hl7.org/CodeSystem/v2-0074", "IMG")
    assert report["code"]["coding"][0] == {
        "system": "http://loinc.org",
        "code": "18748-4",
        "display": "Diagnostic imaging study",
    }


def test_one_prediction_per_class_with_the_codes_of_the_taxonomy():
    predictions = of_type(bundle(samples.assessed()), "RiskAssessment")[0]["prediction"]
    assert len(predictions) == len(SLUGS)
    assert predictions[0]["outcome"]["text"] == "Eczema"
    assert predictions[0]["probabilityDecimal"] == 0.62
    stated = {coding["code"] for one in predictions for coding in one["outcome"].get("coding", [])}
    assert stated == {code for c in CONDITIONS for code in (c.icd10, c.snomed) if code}


def test_what_the_model_said_stays_preliminary_when_a_dermatologist_signs():
    found = bundle(samples.signed())
    assert of_type(found, "RiskAssessment")[0]["status"] == "preliminary"
    assert report_of(found)["conclusionCode"][0]["coding"][0]["code"] == "L40.9"
    assert of_type(found, "Practitioner")[0]["name"] == [{"text": "Dr Ada Example"}]


@pytest.mark.parametrize("facts", [samples.inconclusive(), samples.failed(), samples.waiting()], ids=lambda f: f.status)
def test_no_prediction_where_nothing_can_be_judged(facts):
    found = bundle(facts)
    assert of_type(found, "RiskAssessment") == []
    assert "Eczema" not in json.dumps(found)


def test_urgency_stands_in_every_state():
    for facts, _status in STATES.values():
        urgency = of_type(bundle(facts), "Observation")[0]
        tier = facts.review.tier if facts.review else facts.tier
        assert urgency["valueCodeableConcept"]["coding"][0]["code"] == tier


def test_the_patient_is_a_pseudonym_and_nothing_else():
    patient = of_type(bundle(samples.assessed()), "Patient")[0]
    assert patient == {"resourceType": "Patient", "identifier": [{"use": "secondary", "value": "P-7K3MQ2XA"}]}


def test_photos_have_a_signed_link_and_a_body_site():
    photos = of_type(bundle(samples.cancer(), photo_url=lambda photo: f"https://x.example/{photo.number}"), "Media")
    assert [photo["content"]["url"] for photo in photos] == [f"https://x.example/{n}" for n in (1, 2, 3)]
    assert {photo["bodySite"]["text"] for photo in photos} == {"Arm or shoulder"}


def test_the_device_is_the_release_with_its_hash():
    device = of_type(bundle(samples.assessed()), "Device")[0]
    assert [version["value"] for version in device["version"]] == [samples.RELEASE, samples.WEIGHTS]


def test_the_pdf_travels_inside_or_as_a_link():
    inside = report_of(bundle(samples.assessed(), pdf=b"%PDF-1.7 x"))["presentedForm"][0]
    assert base64.b64decode(inside["data"]) == b"%PDF-1.7 x"
    assert report_of(bundle(samples.assessed(), pdf_url="https://x.example/r"))["presentedForm"][0]["url"]
    assert "presentedForm" not in report_of(bundle(samples.assessed()))


def test_addresses_are_the_same_in_every_run_and_differ_between_cases():
    first, again = bundle(samples.assessed()), bundle(samples.assessed())
    assert first == again
    assert bundle(samples.assessed(pseudonym="P-OTHER"))["entry"][0]["fullUrl"] != first["entry"][0]["fullUrl"]


def test_what_the_dermatologist_wrote_travels_along():
    written = {
        "severity": "moderate",
        "plan": "Emollient twice a day.",
        "follow_up_weeks": 4,
        "differential": ["Tinea"],
    }
    found = bundle(samples.signed(diagnosis="eczema", **written))
    Bundle.model_validate_json(json.dumps(found))
    (impression,) = of_type(found, "ClinicalImpression")
    assert [finding["itemCodeableConcept"]["text"] for finding in impression["finding"]] == ["Eczema", "Tinea"]
    assert of_type(found, "Condition")[0]["severity"]["coding"][0]["code"] == "6736007"
    plan = of_type(found, "CarePlan")[0]["description"]
    assert plan == "Emollient twice a day. Please have it looked at again after 4 weeks."
    assert of_type(bundle(samples.signed()), "CarePlan") == []


def test_what_the_sandbox_made_says_so():
    found = bundle(replace(samples.signed(), sandbox=True))
    Bundle.model_validate_json(json.dumps(found))
    everything = [found, *(entry["resource"] for entry in found["entry"])]
    assert {one["meta"]["tag"][0]["code"] for one in everything} == {"HTEST"}
    assert report_of(found)["conclusion"].startswith("TEST of a program, not a result")
    assert "HTEST" not in json.dumps(bundle(samples.signed()))
