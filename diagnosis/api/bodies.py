"""The bodies that several resources answer with: an analysis, its predictions, its photos."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from diagnosis import triage
from diagnosis.models import Analysis, Case, Outcome, Tier
from diagnosis.names import condition_label
from diagnosis.presentation import is_urgency_known, photo_advice
from ml.taxonomy import BY_SLUG

JOB_STATUS = {"queued": "queued", "running": "running", "done": "succeeded", "failed": "failed"}
JOB_STATUSES = ["queued", "running", "succeeded", "failed", "canceled"]
STANDINGS = ("preliminary", "final", "amended")


@extend_schema_serializer(component_name="Prediction")
class PredictionBody(serializers.Serializer):
    """Calibrated probability of one condition. `label` follows `Accept-Language`, codes stay."""

    condition = serializers.CharField()
    label = serializers.SerializerMethodField()  # type: ignore[assignment]
    icd10 = serializers.SerializerMethodField()
    snomed = serializers.SerializerMethodField()
    probability = serializers.FloatField()

    def get_label(self, row) -> str:
        return condition_label(row.condition)

    def get_icd10(self, row) -> str:
        return BY_SLUG[row.condition].icd10 if row.condition in BY_SLUG else ""

    def get_snomed(self, row) -> str:
        return BY_SLUG[row.condition].snomed if row.condition in BY_SLUG else ""


@extend_schema_serializer(component_name="PhotoIssue")
class IssueBody(serializers.Serializer):
    """What is wrong with a photo and what to do about it."""

    code = serializers.CharField()
    severity = serializers.ChoiceField(["medium", "high"])
    advice = serializers.SerializerMethodField()

    def get_advice(self, issue) -> str:
        return photo_advice().get(issue["advice_code"], "")


@extend_schema_serializer(component_name="PhotoQuality")
class QualityBody(serializers.Serializer):
    score = serializers.FloatField()
    band = serializers.ChoiceField(["good", "fair", "poor"])
    issues = IssueBody(many=True)


@extend_schema_serializer(component_name="PhotoFinding")
class FindingBody(serializers.Serializer):
    """One photo: may it be judged, why not, how good is it."""

    image_id = serializers.UUIDField()
    outcome = serializers.ChoiceField([*Outcome.values, "unusable"])
    reasons = serializers.ListField(child=serializers.CharField())
    quality = serializers.SerializerMethodField()

    @extend_schema_field(QualityBody(allow_null=True))
    def get_quality(self, finding) -> dict[str, Any] | None:
        return QualityBody(finding.quality).data if finding.quality else None


@extend_schema_serializer(component_name="Analysis")
class AnalysisBody(serializers.Serializer):
    """The job and, once it succeeded, its result. An abstention is a result: `outcome: "inconclusive"`.

    `standing` is preliminary until a dermatologist signs. `tier` is null where nothing says how urgent it is.
    """

    id = serializers.UUIDField(read_only=True)
    status = serializers.ChoiceField(JOB_STATUSES, source="job_status")
    created_at = serializers.DateTimeField(source="case.created_at")
    finished_at = serializers.DateTimeField(read_only=True, allow_null=True)
    expires_at = serializers.DateTimeField(source="case.expires_at")
    case_id = serializers.UUIDField()
    external_patient = serializers.CharField(source="case.external_patient")
    sandbox = serializers.BooleanField(source="case.sandbox")
    failure = serializers.CharField(read_only=True)
    standing = serializers.ChoiceField(STANDINGS, source="case.standing")
    outcome = serializers.ChoiceField(Outcome.choices, allow_null=True)
    reasons = serializers.JSONField(read_only=True)
    tier = serializers.ChoiceField(Tier.choices, allow_null=True)
    tier_label = serializers.SerializerMethodField()
    next_step = serializers.SerializerMethodField()
    needs_review = serializers.BooleanField(source="case.needs_review")
    review_reasons = serializers.ListField(source="case.review_reasons", child=serializers.CharField())
    predictions = PredictionBody(many=True, source="named_predictions")
    prediction_set = serializers.ListField(source="named_set", child=serializers.CharField())
    photos = FindingBody(many=True, source="findings.all")
    release = serializers.CharField(read_only=True)
    weights_sha256 = serializers.CharField(read_only=True)
    duplicate_of = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    def to_representation(self, analysis: Analysis) -> dict[str, Any]:
        body = super().to_representation(analysis)
        known = tier_if_known(analysis)
        return {**body, "tier": known or None, "outcome": analysis.outcome or None}

    def get_tier_label(self, analysis) -> str:
        known = tier_if_known(analysis)
        return str(triage.tier_label(known)) if known else ""

    def get_next_step(self, analysis) -> str:
        known = tier_if_known(analysis)
        return str(triage.next_step(known)) if known else ""

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_duplicate_of(self, analysis) -> str | None:
        """The id of this analysis when the answer shows an earlier one instead of making another."""
        return str(analysis.pk) if self.context.get("duplicate") else None

    def get_links(self, analysis) -> dict[str, str]:
        return {
            "self": reverse("analysis-detail", args=[analysis.pk]),
            "case": reverse("case-detail", args=[analysis.case_id]),
            "report": reverse("analysis-report", args=[analysis.pk]),
        }


def tier_if_known(analysis: Analysis) -> str:
    """The tier of the case, a signed one first; "" where neither answers nor photos say how urgent it is."""
    return tier_of_case(analysis.case, analysis)


def tier_of_case(case: Case, analysis: Analysis | None) -> str:
    """The same for a case and the analysis that counts for it."""
    if signed := case.latest_review:
        return signed.tier
    judged = analysis is not None and analysis.outcome == Outcome.ASSESSED
    return case.tier if is_urgency_known(case.tier, judged=judged, signed=False) else ""
