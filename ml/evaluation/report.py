"""One part of a manifest, measured in every way that the card shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ml.data.manifest import Row
from ml.data.stats import SKIN_TYPES
from ml.ensemble import vote
from ml.evaluation.decisions import coverage, operating_point
from ml.evaluation.metrics import measure, proportion


def report_part(
    members: Mapping[str, np.ndarray],
    release: Mapping[str, Any],
    labels: np.ndarray,
    rows: Sequence[Row],
) -> dict[str, Any]:
    """Figures of the ensemble and of each member on one part.

    ``members``: calibrated probabilities [N, C] by name; ``release``: fields of release.json that decide (classes,
    members with weights, calibration, thresholds, conformal); labels [N] class indices.
    """
    classes = release["classes"]
    weights = [member["weight"] for member in release["members"]]
    voted = vote(list(members.values()), weights, release["calibration"]["ensemble"])
    equal = vote(list(members.values()), [1.0] * len(members))
    groups = [row.group or row.path for row in rows]
    return {
        **measure(voted, labels, groups, classes),
        **{kind: _subset(voted, labels, groups, classes, where) for kind, where in _modalities(rows).items()},
        "per_source": _per_source(voted, labels, rows),
        "fitzpatrick": _per_skin_type(voted, labels, rows),
        "members": {name: _short(values, labels, groups, classes) for name, values in members.items()},
        "equal_weights": _short(equal, labels, groups, classes),
        "operating_points": operating_points(voted, labels, rows, release),
        "conformal": coverage(voted, labels, release["conformal"]["quantile"]),
    }


def operating_points(
    voted: np.ndarray, labels: np.ndarray, rows: Sequence[Row], release: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Sensitivity and specificity of each threshold on clinical and on dermoscopic photos."""
    classes = release["classes"]
    return {
        slug: {
            kind: operating_point(voted[where, classes.index(slug)], labels[where] == classes.index(slug), threshold)
            for kind, where in _modalities(rows).items()
        }
        for slug, threshold in release["thresholds"].items()
    }


def _modalities(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    kinds = np.array([row.modality or "clinical" for row in rows])
    return {kind: kinds == kind for kind in ("clinical", "dermoscopic") if (kinds == kind).any()}


def _subset(voted, labels, groups, classes, where: np.ndarray) -> dict[str, Any]:
    return measure(voted[where], labels[where], np.asarray(groups)[where], classes)


def _short(values: np.ndarray, labels: np.ndarray, groups: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    figures = measure(values, labels, groups, classes)
    return {name: figures[name] for name in ("accuracy", "balanced_accuracy", "macro_f1", "top3", "ece")}


def _per_source(voted: np.ndarray, labels: np.ndarray, rows: Sequence[Row]) -> dict[str, Any]:
    sources = np.array([row.source or "unknown" for row in rows])
    return {name: _accuracy(voted, labels, sources == name) for name in sorted(set(sources))}


def _per_skin_type(voted: np.ndarray, labels: np.ndarray, rows: Sequence[Row]) -> dict[str, Any]:
    types = np.array([SKIN_TYPES.get(row.fitzpatrick, "unknown") for row in rows])
    return {name: _accuracy(voted, labels, types == name) for name in ("I-II", "III-IV", "V-VI", "unknown")}


def _accuracy(voted: np.ndarray, labels: np.ndarray, where: np.ndarray) -> dict[str, Any]:
    right = int((voted.argmax(1) == labels)[where].sum())
    return {"n": int(where.sum()), "accuracy": proportion(right, int(where.sum()))}
