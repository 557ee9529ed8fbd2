"""What takes minutes: `make test-full`. Much fuzzing, a million cases, workers killed again and again."""

from __future__ import annotations

import random
import time

import pytest

from diagnosis.models import Analysis, Case, EventKind
from ml.photo import PhotoError, open_photo
from tests.kit import factories, photos

pytestmark = pytest.mark.slow

FUZZED_FILES = 100_000


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A photo with some bytes changed, a piece cut out or a piece put in."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 20)):
        at = rng.randrange(len(changed))
        kind = rng.randrange(3)
        if kind == 0:
            changed[at] = rng.randrange(256)
        elif kind == 1:
            del changed[at : at + rng.randint(1, 64)]
        else:
            changed[at:at] = rng.randbytes(rng.randint(1, 64))
        if not changed:
            return b""
    return bytes(changed)


@pytest.mark.timeout(1200)
def test_no_bytes_break_the_decoder():
    rng = random.Random(20261123)
    seeds = [photos.skin(kind, size=(160, 140)) for kind in ("JPEG", "PNG", "WEBP", "HEIF")]
    opened, refused = 0, []
    for number in range(FUZZED_FILES):
        try:
            assert open_photo(mutated(seeds[number % 4], rng)).mode == "RGB"
            opened += 1
        except PhotoError as error:
            refused.append(error.sentence)
    assert all(refused)
    assert min(opened, len(refused)) > 100


@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_workers_that_die_again_and_again_lose_nothing(stack):
    short = {
        "ANALYSIS_SOFT_LIMIT_SECONDS": "3",
        "ANALYSIS_HARD_LIMIT_SECONDS": "4",
        "ANALYSIS_LEASE_SECONDS": "5",
        "SWEEP_SECONDS": "1",
        "ANALYSIS_MAX_ATTEMPTS": "50",
    }
    stack.environment |= short
    stack.worker("default")
    stack.beat()
    cases = [factories.case_queued() for _ in range(40)]
    for _ in range(6):
        worker = stack.worker("inference")
        time.sleep(4)
        worker.kill()
    stack.worker("inference")
    deadline = time.monotonic() + 240
    while Analysis.objects.exclude(status="done").exists() and time.monotonic() < deadline:
        time.sleep(1)
    assert set(Analysis.objects.values_list("status", flat=True)) == {"done"}
    for case in Case.objects.filter(pk__in=[case.pk for case in cases]):
        assert case.events.filter(kind=EventKind.ANALYSED).count() == 1
