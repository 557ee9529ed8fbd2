"""`collectstatic` where it has something to do: compressing takes a dozen seconds, and most starts change nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

STAMP = "collected.json"
# Who decides what becomes of a file.
LIBRARIES = ("django", "whitenoise", "brotli")


def collect_static() -> bool:
    """Run `collectstatic` unless the last run had the same inputs and all that it made is there. True when it ran.

    The stamp stands beside STATIC_ROOT, not in it: what is in it, anybody may fetch. It is taken away before a run and
    written after it, so that a run that was interrupted is done again.
    """
    target = Path(settings.STATIC_ROOT)
    stamp = target.with_name(f"{target.name}-{STAMP}")
    inputs = _inputs()
    if _read(stamp) == {"inputs": inputs, "made": _made(target)}:
        return False
    stamp.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(json.dumps({"inputs": inputs, "made": _made(target)}), encoding="utf-8")
    return True


def _inputs() -> str:
    """SHA-256 (hex) of every source by content, of the settings that shape the result and of the libraries."""
    digest = hashlib.sha256()
    for name, path in sorted(_sources()):
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    shaping = [settings.STATIC_URL, settings.STORAGES["staticfiles"], settings.STATICFILES_FINDERS, _whitenoise()]
    digest.update(json.dumps([shaping, [version(name) for name in LIBRARIES]], default=str).encode())
    return digest.hexdigest()


def _sources() -> Iterator[tuple[str, Path]]:
    """(name, file) of all that `collectstatic` would take."""
    for finder in get_finders():
        for name, storage in finder.list([]):
            yield f"{getattr(storage, 'prefix', None) or ''}/{name}", Path(storage.path(name))


def _whitenoise() -> dict[str, object]:
    return {name: getattr(settings, name) for name in sorted(dir(settings)) if name.startswith("WHITENOISE_")}


def _made(target: Path) -> str:
    """SHA-256 (hex) of names, sizes and dates of all that was made: a deleted or changed target shows."""
    found = sorted(
        f"{path.relative_to(target)}\0{path.stat().st_size}\0{path.stat().st_mtime_ns}"
        for path in target.rglob("*")
        if path.is_file()
    )
    return hashlib.sha256(os.fsencode("\n".join(found))).hexdigest()


def _read(stamp: Path) -> object:
    try:
        return json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
