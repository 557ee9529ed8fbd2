"""What the source of a photo gives away: a control model that names it, and labels guessed from it alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.data.manifest import Manifest, ManifestError, Row
from ml.evaluation.metrics import proportion

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

PENALTY = 0.05  # inverse strength of the logistic regression's L2 term; features are standardised
ROUNDS = 300


def control_sources(manifest: Manifest, *, network: str, size: int, progress=lambda rows: rows) -> dict[str, Any]:
    """Accuracies on the test part of: source from features, label from features, label from the true source.

    ``explained`` = (label from source - commonest label) / (label from features - commonest label): how much of what a
    linear model gains over guessing could come from knowing the source (1 = all). Raises ManifestError where train or
    test is empty or has one source only.
    """
    train, test = ([i for i, row in enumerate(manifest.rows) if row.part == part] for part in ("train", "test"))
    if not train or not test or len({manifest.rows[i].source for i in train}) < 2:
        raise ManifestError("A source control needs photos of two sources or more in train, and a test part.")
    vectors = {
        view: embed_manifest(manifest, network, size, erase=view == "erased", progress=progress)
        for view in ("erased", "untouched")
    }
    labels, sources = (np.array([getattr(row, name) for row in manifest.rows]) for name in ("label", "source"))
    named = {view: _linear(found, sources, train, test) for view, found in vectors.items()}
    figures = {
        "label_from_features": _linear(vectors["erased"], labels, train, test),
        "label_from_source": label_from_source([manifest.rows[i] for i in train], [manifest.rows[i] for i in test]),
        "commonest": _commonest(sources, train, test),
        "commonest_label": _commonest(labels, train, test),
    }
    guess, source, features = (
        (figures[name] or {"value": 0.0})["value"]
        for name in ("commonest_label", "label_from_source", "label_from_features")
    )
    explained = (source - guess) / (features - guess) if features > guess else 1.0
    return {"network": network, "size": size, "source_named": named, **figures, "explained": round(explained, 3)}


def label_from_source(train: list[Row], test: list[Row]) -> dict[str, float] | None:
    """Accuracy of naming, for each test photo, the commonest training label of its source."""
    tallies: dict[str, Counter] = {}
    for row in train:
        tallies.setdefault(row.source, Counter())[row.label] += 1
    best = {source: counts.most_common(1)[0][0] for source, counts in tallies.items()}
    return proportion(sum(best.get(row.source) == row.label for row in test), len(test))


def embed_manifest(
    manifest: Manifest, network: str, size: int, *, erase: bool, progress=lambda rows: rows
) -> np.ndarray:
    """Pooled features float32 [N, D] of every photo, cached: ``network`` is a packaged one or a checkpoint."""
    from ml.data.pack import pack_manifest
    from ml.training.cli import CACHE, PACK_SIDE
    from ml.training.networks import is_packaged, load_packaged, load_trained
    from ml.training.train import embed_photos, select_photos

    names = "\n".join(f"{row.path} {row.sha256}" for row in manifest.rows)
    key = hashlib.sha256(f"{network} {size} {erase} {manifest.root.resolve()} {names}".encode()).hexdigest()[:16]
    file = CACHE / f"embeddings-{key}.npy"
    if not file.is_file():
        packed = pack_manifest(manifest, side=PACK_SIDE, cache=CACHE, erase=erase, progress=progress)
        net = load_packaged(network) if is_packaged(network) else load_trained(Path(network))
        vectors = embed_photos(net, select_photos(manifest, packed, None), size=size)
        np.save(file, vectors)
    return np.load(file, allow_pickle=False)


def linear_model() -> Pipeline:
    """Logistic regression with class weights on standardised features: the frozen baseline of BASELINE.md."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=ROUNDS))


def _linear(vectors: np.ndarray, truth: np.ndarray, train: list[int], test: list[int]) -> dict[str, float] | None:
    guess = linear_model().fit(vectors[train], truth[train]).predict(vectors[test])
    return proportion(int((guess == truth[test]).sum()), len(test))


def _commonest(truth: np.ndarray, train: list[int], test: list[int]) -> dict[str, float] | None:
    """Accuracy of always naming the commonest value of the training part."""
    values, counts = np.unique(truth[train], return_counts=True)
    return proportion(int((truth[test] == values[counts.argmax()]).sum()), len(test))
