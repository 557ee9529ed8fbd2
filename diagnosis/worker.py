"""A worker for photos: refuses to start wrong, and has the model in memory before the first patient comes."""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing.connection import Connection

import structlog
from celery.concurrency import get_implementation
from celery.concurrency.prefork import TaskPool
from celery.signals import worker_init, worker_process_init
from celery.worker import WorkController
from django.conf import settings
from django.db import DatabaseError, connections

from diagnosis.active_release import usable_release

log = structlog.get_logger(__name__)
_loads_before_the_first_task = False  # set before the pool forks, read in its children


@worker_init.connect
def refuse_wrong_worker(sender: WorkController, **_kwargs: object) -> None:
    """Exit with one sentence where photos would be analysed by a worker that cannot do it well."""
    global _loads_before_the_first_task
    queues = set(sender.app.amqp.queues.consume_from)
    interactive = {settings.INFERENCE_QUEUE, settings.PARTNER_QUEUE}
    if queues.isdisjoint({*interactive, "bulk", "shadows"}):
        return
    problem = _pool_problem(sender) or engine_problem()
    if problem:
        sys.exit(f"The worker does not start: {problem}")
    _loads_before_the_first_task = not queues.isdisjoint(interactive) or _device() == "cuda"


def _pool_problem(worker: WorkController) -> str:
    pool = get_implementation(worker.pool_cls)
    if not issubclass(pool, TaskPool):
        name = pool.__module__.rpartition(".")[2]
        return f"photos need --pool prefork, because the pool {name} ignores time limits."
    return _device_problem(worker.concurrency)


def _device() -> str:
    from ml.serving.devices import choose_device

    return choose_device(settings.INFERENCE_DEVICE)


def _device_problem(children: int) -> str:
    from ml.serving.devices import EngineError

    try:
        device = _device()
    except EngineError as error:
        return str(error)
    if device == "cuda" and children != 1:
        return "a worker with INFERENCE_DEVICE=cuda needs --concurrency 1, because each child would load the model."
    return ""


def engine_problem() -> str:
    """Load the model once in a process that ends again: neither ONNX Runtime nor CUDA survives the pool's fork."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    connections.close_all()  # nor does a connection to the database
    child = context.Process(target=_try_engine, args=(sender,))
    child.start()
    sender.close()
    try:
        return str(receiver.recv())
    except EOFError:
        return "the process that tried to load the model died; what stands above or in the system's log may say why."
    finally:
        child.join()


def _try_engine(sender: Connection) -> None:
    from ml.releases.loader import ReleaseError
    from ml.serving import EngineError

    try:
        usable_release()
    except (ReleaseError, EngineError) as error:
        sender.send(str(error))
    except DatabaseError as error:
        sender.send(f"is the database running, and migrated? It says: {str(error).strip()}.")
    else:
        sender.send("")


@worker_process_init.connect
def load_model(**_kwargs: object) -> None:
    """In each child of the pool, where no task's time limit runs.

    A worker for batches loads it with its first photo, because nobody waits for that one; not on a GPU, where loading
    can take longer than a task may.
    """
    if _loads_before_the_first_task:
        usable_release()
        log.info("model_loaded")
