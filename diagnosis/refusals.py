"""What a service refuses stands on the form that asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django import forms
from django.core.exceptions import ValidationError

from diagnosis.services import WrongState


@contextmanager
def refusals_on(form: forms.BaseForm) -> Iterator[None]:
    """WrongState and ValidationError become errors of the form: afterwards `form.errors` says whether it was done.

    An error of a field that the form does not have stands above all fields.
    """
    try:
        yield
    except WrongState as refusal:
        form.add_error(None, str(refusal))
    except ValidationError as refusal:
        known = getattr(refusal, "error_dict", {}).keys() <= form.fields.keys()
        form.add_error(None, refusal if known else ValidationError(refusal.messages))
