"""Batches made ahead of the step that needs them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Batch = TypeVar("Batch")


def prefetch(make: Callable[[int], Batch], count: int, workers: int) -> Iterator[Batch]:
    """``make(0)``, ``make(1)`` ... ``make(count - 1)`` in order, ``workers`` of them in the making at any time.

    Threads, not processes: photos lie in one array in memory, and NumPy and PyTorch release the lock while they
    compute. With 0 workers each batch is made when it is asked for. ``make`` must depend on its number alone.
    """
    if not workers:
        yield from map(make, range(count))
        return
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="loader") as pool:
        try:
            for number in range(count):
                waiting.append(pool.submit(make, number))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()
