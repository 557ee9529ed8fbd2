"""Strict reading of bodies: what a lenient parser would pass on as something else is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import BaseParser, MultiPartParser


class StrictJSONParser(BaseParser):
    """JSON as RFC 8259 has it, UTF-8, no key twice, no NUL; a body that is nested without end is refused."""

    media_type = "application/json"

    def parse(self, stream, media_type=None, parser_context=None) -> Any:
        data = stream.read(settings.MAX_BODY_BYTES + 1)
        if len(data) > settings.MAX_BODY_BYTES:
            raise RequestDataTooBig
        try:
            return strict_json(data.decode())
        except UnicodeDecodeError as error:
            raise ParseError(_("The body is not UTF-8.")) from error
        except ValueError as error:
            raise ParseError(_("The body is not valid JSON.")) from error


class StrictMultiPartParser(MultiPartParser):
    """Multipart in which each field comes once (files may repeat) and every text is UTF-8 without NUL."""

    def parse(self, stream, media_type=None, parser_context=None):
        parsed = super().parse(stream, media_type, parser_context)
        for name, values in parsed.data.lists():
            if len(values) > 1:
                raise ValidationError({name: _("This field came more than once.")})
            if "\ufffd" in values[0] + name:  # what Django puts in the place of bytes that are not UTF-8
                raise ParseError(_("The body is not UTF-8."))
        return parsed


def strict_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError: twice the same key, NUL, half a surrogate pair, nested too deep."""
    try:
        value = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_no_constant)
        for part in _texts(value):
            if "\x00" in part:
                raise ValueError("NUL")
            part.encode()
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are not JSON


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
