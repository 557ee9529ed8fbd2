"""What a partner may ask of an analysis, checked in one place: the API's requests and the items of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from diagnosis.active_release import active_release, may_use
from diagnosis.models import Lane
from diagnosis.questions import AnswersError, clean_answers
from diagnosis.services.cases import PartnerTerms
from smartderma.api_fields import StrictSerializer, SwitchField, TextField
from smartderma.parsing import strict_json

MAX_ANSWERS = 20000


@extend_schema_field({"type": "object", "additionalProperties": True, "example": {"country": "GB", "site": "arm"}})
class AnswersField(serializers.Field):
    """The answers by question: an object, or in multipart its JSON text."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        try:
            return clean_answers(strict_json(data) if isinstance(data, str) and len(data) <= MAX_ANSWERS else data)
        except AnswersError as error:
            raise serializers.ValidationError(error.errors.get("answers") or error.errors) from error
        except ValueError as error:
            raise serializers.ValidationError(_("The answers are not valid JSON.")) from error

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        return value


class RequestFields(StrictSerializer):
    """Everything but the photos. `external_patient` is your own pseudonymous id, never a name or an address."""

    answers = AnswersField()
    external_patient = serializers.RegexField(r"^[A-Za-z0-9._:-]{0,64}\Z", required=False, allow_blank=True, default="")
    release = TextField(max_length=64, required=False, allow_blank=True, default="", help_text="Pins a model release.")
    store_image = SwitchField(
        default=True, help_text="false: photos and heat maps are deleted as soon as the result is there."
    )
    retention_days = serializers.IntegerField(
        min_value=1, max_value=3650, required=False, help_text="Shortens the partner's retention time for this case."
    )
    force = SwitchField(default=False, help_text="true: analyse again what was analysed before.")

    def validate_release(self, name: str) -> str:
        if name and not may_use(name):
            raise serializers.ValidationError(_("There is no such release here."))
        return name


class BatchItemFields(RequestFields):
    """One line of a batch. `photos`: Base64 texts in NDJSON, names of entries in a ZIP."""

    ref = TextField(max_length=64, required=False, default="", allow_blank=True)
    photos = serializers.ListField(
        child=TextField(trim_whitespace=False, max_length=settings.MAX_PHOTO_BYTES * 4 // 3 + 4),
        min_length=1,
        max_length=settings.MAX_PHOTOS,
    )


@dataclass(frozen=True)
class Asked:
    """A checked request."""

    answers: Mapping[str, Any]
    external_patient: str
    force: bool
    terms: PartnerTerms

    @classmethod
    def of(cls, values: Mapping[str, Any], *, sandbox: bool, in_batch: bool = False) -> Asked:
        """From the validated values of `RequestFields`.

        Batches and the sandbox have the lane that nobody waits for. So does another release than the active one: beside
        the patients it would push the active one out of the workers' memory.
        """
        beside = values["release"] and values["release"] != active_release()
        terms = PartnerTerms(
            sandbox=sandbox,
            keep_photos=values["store_image"],
            retention_days=values.get("retention_days"),
            lane=Lane.BULK if sandbox or in_batch or beside else Lane.PARTNER,
            in_batch=in_batch,
            release=values["release"],
        )
        return cls(values["answers"], values["external_patient"], values["force"], terms)
