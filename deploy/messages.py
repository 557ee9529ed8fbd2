"""Compiles locale/*/LC_MESSAGES/django.po with Babel; skips a language whose compiled file is newer.

`python -m deploy.messages`. The .mo files are not in git: `make run`, `make install` and the tests make them.
"""

import os
import sys
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

ROOT = Path(__file__).resolve().parent.parent
LOCALES = ROOT / "locale"


def sources() -> "list[Path]":
    return sorted(LOCALES.glob("*/LC_MESSAGES/*.po"))


def is_fresh(source: Path) -> bool:
    target = source.with_suffix(".mo")
    return target.exists() and target.stat().st_mtime > source.stat().st_mtime


def compile_one(source: Path) -> None:
    """Write the .mo in one step, so that a process that reads meanwhile never sees half a file.

    Raises PoFileError where the source cannot be read.
    """
    with source.open("rb") as file:
        catalog = read_po(file, abort_invalid=True)
    target = source.with_suffix(".mo")
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    with draft.open("wb") as file:
        write_mo(file, catalog)
    draft.replace(target)


def compile_all() -> None:
    for source in sources():
        if not is_fresh(source):
            compile_one(source)


def main() -> int:
    try:
        compile_all()
    except PoFileError as error:
        print(f"A translation file cannot be read: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
