"""A deterministic 70/15/15 split by group, stratified by label and source."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ml.data.manifest import PARTS, Manifest, Row

SHARES = {"train": 0.70, "val": 0.15, "test": 0.15}


def split_manifest(manifest: Manifest, *, seed: int = 0) -> Manifest:
    """The manifest with every ``part`` filled; parts that are all given (an official split) stay as they are.

    A group goes where its commonest (label, source) is furthest below its share; groups are visited in an order
    that depends on seed and name alone, the largest first, so that the order of rows changes nothing.
    """
    if all(row.part for row in manifest.rows):
        return manifest
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in manifest.rows:
        groups[row.unit].append(row)
    parts = _assign(groups, seed)
    rows = tuple(replace(row, part=parts[row.unit]) for row in manifest.rows)
    return replace(manifest, rows=rows)


def write_split(source: Path, manifest: Manifest, out: Path) -> None:
    """Copy the CSV ``source`` to ``out`` with the part of each row of ``manifest``; other columns stay."""
    with source.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        records, columns = list(reader), list(reader.fieldnames or ())
    columns = columns if "part" in columns else [*columns, "part"]
    with out.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        for record, row in zip(records, manifest.rows, strict=True):
            writer.writerow(record | {"part": row.part})


def _assign(groups: dict[str, list[Row]], seed: int) -> dict[str, str]:
    strata = {name: _stratum(rows) for name, rows in groups.items()}
    filled: dict[tuple[str, str], Counter] = defaultdict(Counter)
    parts = {}
    for name in sorted(groups, key=lambda name: (-len(groups[name]), _rank(name, seed))):
        counts = filled[strata[name]]
        parts[name] = min(PARTS, key=lambda part: (counts[part] / SHARES[part], PARTS.index(part)))
        counts[parts[name]] += len(groups[name])
    return parts


def _stratum(rows: Sequence[Row]) -> tuple[str, str]:
    counts = Counter((row.label, row.source) for row in rows)
    return min(counts, key=lambda stratum: (-counts[stratum], stratum))


def _rank(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()
