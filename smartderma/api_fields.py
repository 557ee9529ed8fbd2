"""Fields that take what their schema says and nothing else: no number as a text, no "yes" as true, no unknown name."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


@extend_schema_field({"type": "string", "format": "binary"})
class FilePart(serializers.FileField):
    """A file in a multipart body; an empty one is refused later, by name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_empty_file=True, **options)


class TextField(serializers.CharField):
    """A JSON string; DRF's own field also takes numbers."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class NumberField(serializers.FloatField):
    """A JSON number; DRF's own field also takes texts and false."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool | str):
            self.fail("invalid")
        return super().to_internal_value(data)


class WholeNumberField(serializers.IntegerField):
    """A JSON number without a fraction; DRF's own field also takes texts and true."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool | str):
            self.fail("invalid")
        return super().to_internal_value(data)


class NullForEmpty(serializers.ChoiceField):
    """A choice in an answer; the empty text of the database is null outside."""

    def __init__(self, choices: Any, **options: Any) -> None:
        super().__init__(choices, **{"read_only": True, "allow_null": True, **options})

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(value) or None


class SwitchField(serializers.BooleanField):
    """JSON true or false; DRF's own field also takes 1, "yes" and "off"."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictSerializer(serializers.Serializer):
    """Refuses names that it does not know: a misspelt one must not be lost."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        known = super().to_internal_value(data)
        unknown = sorted(set(data) - set(self.fields))
        if unknown:
            raise serializers.ValidationError(dict.fromkeys(unknown, "There is no such field."))
        return known
