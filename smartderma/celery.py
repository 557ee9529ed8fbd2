"""The Celery application. Queues: `inference` (photos), `default` (reports, mail, sweeping)."""

from celery import Celery, Task
from celery.contrib.django.task import DjangoTask
from celery.signals import setup_logging, task_prerun, worker_init
from django.db import close_old_connections, transaction
from django_structlog.celery.steps import DjangoStructLogInitStep


class RowTask(DjangoTask):
    """A task whose truth is a row: a broker that does not answer must not break the request that wrote the row."""

    abstract = True
    # A process that dies over a task is followed by one more try, not by tries without end. What is left undone then,
    # the rows bring back in their time.
    retry_on_worker_lost = True
    max_retries = 1
    default_retry_delay = 5

    def __call__(self, *args, **kwargs) -> object:
        """Run it. Without memory this process ends: a MemoryError as itself would end Celery's main process."""
        try:
            return super().__call__(*args, **kwargs)
        except MemoryError as error:
            raise SystemExit("There was not enough memory.") from error

    def delay_on_commit(self, *args, **kwargs) -> None:
        """Send after commit. A failure is logged; the sweeper sends again what was lost (rule 5 of the design)."""

        def send() -> None:  # Django logs a failed hook by its name, which a partial lacks
            self.delay(*args, **kwargs)

        transaction.on_commit(send, robust=True)


app = Celery("smartderma", task_cls=RowTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks()


@setup_logging.connect
def use_django_logging(**_kwargs: object) -> None:
    """Keep Celery from replacing the log configuration of settings.py."""
    from logging.config import dictConfig

    from django.conf import settings

    dictConfig(settings.LOGGING)


@task_prerun.connect
def renew_connections(task: Task, **_kwargs: object) -> None:
    """As before each request of the web: a connection that is old or broken is opened again, any other is kept."""
    if not task.request.is_eager:
        close_old_connections()


@worker_init.connect
def refuse_unsafe_worker(**_kwargs: object) -> None:
    """A worker starts under the same checks as the web."""
    from smartderma.start import refuse_unsafe_start

    refuse_unsafe_start()
