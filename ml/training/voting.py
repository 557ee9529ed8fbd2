"""Weights of an ensemble, from the validation logits that finished runs left behind. The test part is never read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import balanced_accuracy_score, f1_score

from ml.ensemble import balanced_log_loss, search_weights, softmax, vote
from ml.evaluation.decisions import fit_temperature

SAVED = "val.npz"


def read_runs(runs: Sequence[Path]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Calibrated validation probabilities [N, C] by run, and labels [N].

    Raises ValueError where a run has no saved logits or they belong to other photos.
    """
    members: dict[str, np.ndarray] = {}
    first: tuple[np.ndarray, np.ndarray] | None = None
    for run in runs:
        if not (run / SAVED).is_file():
            raise ValueError(f"{run} has no {SAVED}; train it again, or pass --manifest to compute it.")
        with np.load(run / SAVED, allow_pickle=False) as saved:
            logits, labels, rows = saved["logits"], saved["labels"], saved["rows"]
        if first is None:
            first = labels, rows
        if not np.array_equal(first[0], labels) or not np.array_equal(first[1], rows):
            raise ValueError(f"{run} was validated on other photos than {runs[0]}.")
        if run.name in members:
            raise ValueError(f"Two runs are called {run.name}; rename one.")
        members[run.name] = softmax(logits, fit_temperature(logits, labels))
    if first is None:
        raise ValueError("An ensemble needs at least one run.")
    return members, first[0]


def compare_votes(members: dict[str, np.ndarray], labels: np.ndarray, *, least: int = 0) -> list[dict[str, Any]]:
    """Rows: each member alone, the vote with equal weights, the vote with the weights that search found."""
    own, names = list(members.values()), list(members)
    found = search_weights(own, labels, least=least)
    equal = [1 / len(own)] * len(own)
    rows = [{"name": n, "weight": w, **_figures(members[n], labels)} for n, w in zip(names, found, strict=True)]
    rows.append({"name": "equal weights", "weight": round(equal[0], 4), **_figures(vote(own, equal), labels)})
    rows.append({"name": "searched weights", "weight": 1.0, **_figures(vote(own, found), labels)})
    return rows


def _figures(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    guess = probabilities.argmax(1)
    return {
        "balanced accuracy": round(float(balanced_accuracy_score(labels, guess)), 4),
        "accuracy": round(float((guess == labels).mean()), 4),
        "macro F1": round(float(f1_score(labels, guess, average="macro", zero_division=0)), 4),
        "balanced log loss": round(balanced_log_loss(probabilities, labels), 4),
    }


def save_logits(run: Path, manifest, served) -> None:
    """Write the validation logits of a run that was trained before runs kept them."""
    from ml.training.assemble import load_member
    from ml.training.train import predict_logits, select_photos

    member, val = load_member(run), select_photos(manifest, served, "val")
    logits = predict_logits(member.net, val, size=member.input_size, crop=member.crop)
    np.savez(run / SAVED, logits=logits, labels=val.labels, rows=val.rows)
