"""Results of single studies (strange photos, darkening, sources ...): a JSON file each, and a place in release.json.

A study is measured once, often on another machine, and added to the release that it is about: the card and the page
of the site read release.json alone.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

STUDIES = (
    "ood",
    "darkening",
    "source_control",
    "plain_controls",
    "leave_source_out",
    "leave_family_out",
    "balance",
    "tuning",
    "ensemble",
)
# Compared on a source that training has not seen: the two baselines, the recipe, the discriminants, and both in a vote.
HELD_OUT = ("frozen", "plain", "ours", "discriminants", "vote")
LEAST_PHOTOS = 50  # of a source or family for a judgement on it alone


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The two places where a study can be kept."""
    command.add_argument("--json", type=Path, metavar="FILE", help="also write the result to this file")
    command.add_argument(
        "--add-to", type=Path, metavar="RELEASE", help="also add it to FOLDER/release.json, where card and site read it"
    )


def keep_study(args: argparse.Namespace, name: str, result: Mapping[str, Any]) -> None:
    """Write ``result`` where ``add_arguments`` was told to."""
    dated = {"measured": datetime.now(UTC).isoformat(timespec="seconds"), **result}
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({"study": name, **dated}, indent=1) + "\n", encoding="utf-8")
    if args.add_to:
        add_study(args.add_to / "release.json", name, dated)


def add_study(release_file: Path, name: str, result: Mapping[str, Any]) -> None:
    """Put one result into ``release_file`` (``studies.<name>``), in place of an older one."""
    document = json.loads(release_file.read_text(encoding="utf-8"))
    document.setdefault("studies", {})[name] = {key: value for key, value in result.items() if key != "study"}
    _replace(release_file, document)


def read_studies(files: Sequence[Path]) -> dict[str, Any]:
    """``studies`` of release.json from files that ``--json`` wrote. Raises ValueError for another file."""
    studies = {}
    for file in files:
        result = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(result, dict) or result.get("study") not in STUDIES:
            raise ValueError(f"{file} is no result of a study; those are written with --json.")
        studies[result.pop("study")] = result
    return studies


def read_tried(file: Path) -> list[dict[str, Any]]:
    """What was tried, from a TOML file of [[tried]] tables with ``what``, ``result`` (on validation) and ``kept``.

    Raises ValueError where one is missing.
    """
    entries = tomllib.loads(file.read_text(encoding="utf-8")).get("tried", [])
    for number, entry in enumerate(entries, start=1):
        missing = {"what", "result", "kept"} - set(entry)
        if missing:
            raise ValueError(f"{file}: entry {number} has no {sorted(missing)[0]}.")
    return entries


def _replace(release_file: Path, document: Mapping[str, Any]) -> None:
    """Write beside, then rename: a reader sees the old file or the new one."""
    beside = release_file.with_suffix(".tmp")
    beside.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(release_file)
