"""The Django project: settings, routes, Celery, storage. It knows no model of an app."""

import os

# Before Celery() is built: without settings it has no delay_on_commit.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smartderma.settings")

from smartderma.celery import app as celery_app

__all__ = ["celery_app"]
