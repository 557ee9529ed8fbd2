"""What a manifest holds: photos by class and part, by class and source, licences, skin types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ml.data.manifest import PARTS, Manifest, Row

SKIN_TYPES = {"1": "I-II", "2": "I-II", "3": "III-IV", "4": "III-IV", "5": "V-VI", "6": "V-VI"}
AGES = ((0, "under 18"), (18, "18-39"), (40, "40-59"), (60, "60-74"), (75, "75 and over"))


def sex_of(row: Row) -> str:
    """female, male or unknown."""
    return row.sex if row.sex in ("female", "male") else "unknown"


def age_group(row: Row) -> str:
    """Name of the group in AGES, or unknown; the manifest gives years."""
    try:
        years = float(row.age)
    except ValueError:
        return "unknown"
    return next((name for least, name in reversed(AGES) if years >= least), "unknown")


def skin_group(row: Row) -> str:
    """I-II, III-IV, V-VI or unknown (Fitzpatrick)."""
    return SKIN_TYPES.get(row.fitzpatrick, "unknown")


GROUPINGS = {
    "fitzpatrick": (skin_group, ("I-II", "III-IV", "V-VI", "unknown")),
    "sex": (sex_of, ("female", "male", "unknown")),
    "age": (age_group, (*(name for _, name in AGES), "unknown")),
}


def summarise_data(manifest: Manifest) -> dict[str, Any]:
    """Counts for release.json and the model card."""
    rows = manifest.rows
    licences = {row.source: row.licence for row in rows}
    parts = Counter((row.label, row.part) for row in rows)
    return {
        "sources": [
            {"source": source, "licence": licences[source], "n": count}
            for source, count in sorted(Counter(row.source for row in rows).items())
        ],
        "per_class": {slug: {part: parts[slug, part] for part in PARTS} for slug in manifest.classes},
        "per_class_source": _crossed(manifest),
        "modality": dict(Counter(row.modality or "unknown" for row in rows)),
        "fitzpatrick_per_class": {
            slug: count_groups([row for row in rows if row.label == slug], "fitzpatrick") for slug in manifest.classes
        },
        **{group: count_groups(rows, group) for group in GROUPINGS},
    }


def count_groups(rows: Sequence[Row], group: str) -> dict[str, int]:
    """Photos of ``rows`` by the names of one of GROUPINGS; names without photos count 0."""
    name_of, names = GROUPINGS[group]
    counts = Counter(name_of(row) for row in rows)
    return {name: counts[name] for name in names}


def _crossed(manifest: Manifest) -> dict[str, dict[str, int]]:
    counts = Counter((row.label, row.source) for row in manifest.rows)
    table: dict[str, dict[str, int]] = {slug: {} for slug in manifest.classes}
    for (label, source), count in sorted(counts.items()):
        table.setdefault(label, {})[source] = count
    return table
