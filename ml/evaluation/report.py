"""One part of a manifest, measured in every way that the card shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ml.data.manifest import Row
from ml.data.stats import GROUPINGS
from ml.ensemble import vote
from ml.evaluation.decisions import coverage, operating_point, prediction_sets
from ml.evaluation.metrics import confusion, measure, proportion, risk_curve


def report_part(
    members: Mapping[str, np.ndarray],
    release: Mapping[str, Any],
    labels: np.ndarray,
    rows: Sequence[Row],
    strangeness: np.ndarray | None = None,
) -> dict[str, Any]:
    """Figures of the ensemble and of each member on one part.

    ``members``: calibrated probabilities [N, C] by name; ``release``: fields of release.json that decide (classes,
    members with weights, calibration, thresholds, conformal, disagreement, ood); labels [N] class indices;
    ``strangeness`` [N]: out-of-distribution scores where they were computed.
    """
    classes = release["classes"]
    weights = [member["weight"] for member in release["members"]]
    voted = vote(list(members.values()), weights, release["calibration"]["ensemble"])
    equal = vote(list(members.values()), [1.0] * len(members))
    groups = [row.unit for row in rows]
    return {
        **measure(voted, labels, groups, classes),
        **{kind: _subset(voted, labels, groups, classes, where) for kind, where in _modalities(rows).items()},
        "confusion": confusion(voted, labels),
        "per_source": _per_source(voted, labels, rows),
        **{group: _per_group(voted, labels, rows, group) for group in GROUPINGS},
        "members": {name: _short(values, labels, groups, classes) for name, values in members.items()},
        "equal_weights": _short(equal, labels, groups, classes),
        "operating_points": operating_points(voted, labels, rows, release),
        "conformal": coverage(voted, labels, release["conformal"]["quantile"]),
        "abstaining": {
            "curve": risk_curve(voted, labels),
            "as_served": _as_served(voted, labels, refusals(voted, release, strangeness)),
        },
    }


def refusals(
    voted: np.ndarray, release: Mapping[str, Any], strangeness: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """For each rule of serving that needs no photo (`ml.serving.results.INCONCLUSIVE_REASONS`): which of N photos it
    leaves without an answer."""
    sizes = prediction_sets(voted, release["conformal"]["quantile"]).sum(axis=1)
    limit = (release.get("ood") or {}).get("threshold")
    found = {"wide_prediction_set": sizes > release["conformal"].get("limit", len(release["classes"]))}
    if strangeness is not None and limit is not None:
        found["out_of_distribution"] = strangeness > limit
    return found


def _as_served(voted: np.ndarray, labels: np.ndarray, refused: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What abstaining buys: the share that is answered, and errors among the answered and among the refused."""
    wrong, out = voted.argmax(1) != labels, np.any(list(refused.values()), axis=0)
    return {
        "answered": proportion(int((~out).sum()), len(out)),
        "error_answered": proportion(int((wrong & ~out).sum()), int((~out).sum())),
        "error_refused": proportion(int((wrong & out).sum()), int(out.sum())),
        "reasons": {name: proportion(int(where.sum()), len(out)) for name, where in refused.items()},
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
    names = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "top3", "ece", "macro_auc")
    return {name: figures[name] for name in names}


def _per_source(voted: np.ndarray, labels: np.ndarray, rows: Sequence[Row]) -> dict[str, Any]:
    sources = np.array([row.source or "unknown" for row in rows])
    return {name: _accuracy(voted, labels, sources == name) for name in sorted(set(sources))}


def _per_group(voted: np.ndarray, labels: np.ndarray, rows: Sequence[Row], group: str) -> dict[str, Any]:
    name_of, names = GROUPINGS[group]
    found = np.array([name_of(row) for row in rows])
    return {name: _accuracy(voted, labels, found == name) for name in names}


def _accuracy(voted: np.ndarray, labels: np.ndarray, where: np.ndarray) -> dict[str, Any]:
    right = int((voted.argmax(1) == labels)[where].sum())
    return {"n": int(where.sum()), "accuracy": proportion(right, int(where.sum()))}
