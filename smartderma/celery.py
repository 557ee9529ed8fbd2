"""The Celery application. Queues: `inference` (photos), `default` (reports, mail, sweeping)."""

from celery import Celery
from celery.signals import setup_logging
from django_structlog.celery.steps import DjangoStructLogInitStep

app = Celery("smartderma")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks()


@setup_logging.connect
def use_django_logging(**_kwargs: object) -> None:
    """Keep Celery from replacing the log configuration of settings.py."""
    from logging.config import dictConfig

    from django.conf import settings

    dictConfig(settings.LOGGING)
