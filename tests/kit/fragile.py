"""The site's Celery application with a photo decoder that has bugs: what a crash in libjpeg or libheif would do.

A photo whose bytes hold one of the words dies in its own way while it is being decoded; all others are untouched.
"""

import os
import signal
import time

from ml import photo
from smartderma.celery import app

DIES, EXITS, HANGS, EATS_MEMORY = b"decoder-dies", b"decoder-exits", b"decoder-hangs", b"decoder-eats-memory"
_sound_decoder = photo.open_photo


def open_photo(data, **options):
    data = bytes(data)
    if DIES in data:
        os.kill(os.getpid(), signal.SIGSEGV)
    if EXITS in data:
        os._exit(3)
    if HANGS in data:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        while True:  # as C code that no Python signal reaches
            time.sleep(0.1)
    if EATS_MEMORY in data:
        raise MemoryError
    return _sound_decoder(data, **options)


photo.open_photo = open_photo  # before the engine, faces and reports import it

__all__ = ["app"]
