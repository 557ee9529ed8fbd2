"""What a manifest holds: photos by class and part, by class and source, licences, skin types."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ml.data.manifest import PARTS, Manifest

SKIN_TYPES = {"1": "I-II", "2": "I-II", "3": "III-IV", "4": "III-IV", "5": "V-VI", "6": "V-VI"}


def summarise_data(manifest: Manifest) -> dict[str, Any]:
    """Counts for release.json and the model card."""
    rows = manifest.rows
    licences = {row.source: row.licence for row in rows}
    parts = Counter((row.label, row.part) for row in rows)
    types = Counter(SKIN_TYPES.get(row.fitzpatrick, "unknown") for row in rows)
    return {
        "sources": [
            {"source": source, "licence": licences[source], "n": count}
            for source, count in sorted(Counter(row.source for row in rows).items())
        ],
        "per_class": {slug: {part: parts[slug, part] for part in PARTS} for slug in manifest.classes},
        "per_class_source": _crossed(manifest),
        "modality": dict(Counter(row.modality or "unknown" for row in rows)),
        "fitzpatrick": {name: types[name] for name in ("I-II", "III-IV", "V-VI", "unknown")},
    }


def _crossed(manifest: Manifest) -> dict[str, dict[str, int]]:
    counts = Counter((row.label, row.source) for row in manifest.rows)
    table: dict[str, dict[str, int]] = {slug: {} for slug in manifest.classes}
    for (label, source), count in sorted(counts.items()):
        table.setdefault(label, {})[source] = count
    return table
