"""Refusing to start wrong: gunicorn and Celery do not run Django's system checks by themselves."""

from __future__ import annotations

import sys

from django.core.checks import ERROR, run_checks


def refuse_unsafe_start() -> None:
    """Exit with one sentence per error of the system checks; return when there is none."""
    errors = [message for message in run_checks() if message.level >= ERROR]
    if errors:
        sys.exit("\n".join(f"Smart Derma does not start: {error.msg} ({error.id})" for error in errors))
