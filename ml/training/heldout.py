"""Whole sources held out in turn: what survives a source that training has never seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml.data.manifest import Manifest, Row, family_of
from ml.data.pack import Packed
from ml.ensemble import softmax, vote
from ml.evaluation.decisions import fit_temperature
from ml.evaluation.metrics import measure
from ml.evaluation.sources import embed_manifest, linear_model
from ml.evaluation.studies import HELD_OUT, LEAST_PHOTOS
from ml.training.discriminant import class_scores, fit_discriminant
from ml.training.networks import PACKAGED, STAGED, load_trained
from ml.training.train import Photos, TrainConfig, Trainer, predict_logits

LEAST_OF_CLASS = 10  # in the source and in what is left to train on
FROZEN = "tf_efficientnet_lite2"
DISCRIMINANTS = {192: 2 / 3, 128: 1 / 3}  # px: share, as in the release (ml/configs/lite2_stages.toml, one at each)
VOTE = {"discriminants": 0.6, "ours": 0.4}  # as in the release


@dataclass(frozen=True)
class Held:
    """One source and what is left: row indices of the manifest, classes that training still has, classes tested."""

    source: str
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    classes: list[str]
    tested: list[str]


def hold_out(manifest: Manifest, source: str, *, family: bool = False) -> Held:
    """Training and validation rows without ``source``, and without patients who also occur there; all its photos of
    classes that stay trainable are the test. ``family`` holds out all sources with the same word before the first _."""
    rows, named = manifest.rows, family_of(source) if family else source
    away = np.array([(family_of(row.source) if family else row.source) == named for row in rows])
    gone = {row.group for row, out in zip(rows, away, strict=True) if out and row.group}
    usable = ~away & np.array([row.group not in gone for row in rows])
    parts = np.array([row.part for row in rows])
    train = np.flatnonzero(usable & (parts == "train"))
    left = Counter(rows[i].label for i in train)
    classes = [slug for slug in manifest.classes if left[slug]]
    there = Counter(row.label for row, out in zip(rows, away, strict=True) if out)
    tested = [slug for slug in classes if min(there[slug], left[slug]) >= LEAST_OF_CLASS]
    known = np.array([row.label in classes for row in rows])
    test = np.flatnonzero(away & np.array([row.label in tested for row in rows]))
    return Held(named, train, np.flatnonzero(usable & known & (parts == "val")), test, classes, tested)


def choose_sources(manifest: Manifest, wanted: Sequence[str] = (), *, family: bool = False) -> list[Held]:
    """Sources with LEAST_PHOTOS test photos or more, or those ``wanted``. Raises ValueError where there is none."""
    names = sorted({family_of(row.source) if family else row.source for row in manifest.rows})
    unknown = set(wanted) - set(names)
    if unknown:
        raise ValueError(f"{sorted(unknown)[0]} is no source of the manifest; it has {', '.join(names)}.")
    held = [hold_out(manifest, name, family=family) for name in (wanted or names)]
    usable = [one for one in held if len(one.test) >= (1 if wanted else LEAST_PHOTOS) and len(one.classes) > 1]
    if not usable:
        raise ValueError(f"No source has {LEAST_PHOTOS} photos of classes that other sources also have.")
    return usable


def check_fair(config: TrainConfig) -> None:
    """Raise ValueError for a recipe whose first weights or teacher have seen the held-out source."""
    seen = config.init.partition(":")[2] or (config.init not in ("none", "packaged", "pretrained", "inherit"))
    if seen or (config.teacher not in PACKAGED and (config.distill or config.imitate)):
        raise ValueError("First weights or teacher of this recipe have seen every source: that would be cheating.")


def plain(config: TrainConfig) -> TrainConfig:
    """Plain fine-tuning of the frozen baseline's network on the same budget: no probe, teacher, mixing, slow layers."""
    return TrainConfig(
        FROZEN, init="packaged", distill=0.0, size=config.size, epochs=config.epochs, batch=config.batch,
        lr=config.lr, threads=config.threads, seed=config.seed, workers=config.workers,
    )  # fmt: skip


def leave_sources_out(
    config: TrainConfig,
    manifest: Manifest,
    packs: tuple[Packed, Packed],
    held: Sequence[Held],
    folder: Path,
    *,
    methods: Sequence[str] = HELD_OUT,
    say=lambda line: None,
) -> dict[str, Any]:
    """Balanced accuracy of each method on each held-out source. ``packs``: photos as trained on, as served.

    What a method said of a source is kept in ``folder``: a study that was stopped goes on.
    """
    check_fair(config)
    rows = []
    for one in held:
        found = {method: _measured(method, config, manifest, packs, one, folder) for method in methods}
        shown = ", ".join(f"{method} {figure['value']:.3f}" for method, figure in found.items())
        say(f"{one.source}: {len(one.test)} photos of {len(one.tested)} classes: {shown}")
        rows.append({"source": one.source, "photos": len(one.test), "classes": len(one.tested), "found": found})
    means = {m: round(float(np.mean([row["found"][m]["value"] for row in rows])), 4) for m in methods}
    budget = (
        f"ours: {config.architecture}, {config.epochs} epochs at {config.size} px; plain: {FROZEN}, the same budget."
    )
    return {"methods": list(methods), "sources": rows, "mean": means, "budget": budget}


def _measured(
    method: str, config: TrainConfig, manifest: Manifest, packs: tuple[Packed, Packed], held: Held, folder: Path
) -> dict[str, float]:
    voters = VOTE if method == "vote" else {method: 1.0}
    answers = [_answers(each, config, manifest, packs, held, folder) for each in voters]
    voted = vote(answers, list(voters.values()))
    return _balanced(voted, [manifest.rows[i] for i in held.test], held.classes)


def _answers(
    method: str, config: TrainConfig, manifest: Manifest, packs: tuple[Packed, Packed], held: Held, folder: Path
) -> np.ndarray:
    """Probabilities [N, C] of the held-out photos, from ``folder`` where they were computed before."""
    file = folder / held.source / f"{method}.npy"
    if not file.is_file():
        probabilities = _predict(method, config, manifest, packs, held, file.with_suffix(""))
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, probabilities)
    return np.load(file)


def _balanced(probabilities: np.ndarray, rows: Sequence[Row], classes: list[str]) -> dict[str, float]:
    labels = np.array([classes.index(row.label) for row in rows])
    return measure(probabilities, labels, [row.unit for row in rows], classes)["balanced_accuracy_all"]


def _predict(
    method: str, config: TrainConfig, manifest: Manifest, packs: tuple[Packed, Packed], held: Held, run: Path
) -> np.ndarray:
    """Probabilities [N, C] of the held-out photos."""
    if method == "frozen":
        vectors = embed_manifest(manifest, FROZEN, config.size, erase=True)
        labels = np.array([row.label for row in manifest.rows])
        model = linear_model().fit(vectors[held.train], labels[held.train])
        order = [list(model.classes_).index(slug) for slug in held.classes]
        return model.predict_proba(vectors[held.test])[:, order]
    if method == "discriminants":
        return vote([_discriminate(manifest, held, size) for size in DISCRIMINANTS], list(DISCRIMINANTS.values()))
    recipe = plain(config) if method == "plain" else config
    train, val = _photos(manifest, packs[0], held, held.train), _photos(manifest, packs[1], held, held.val)
    best = Trainer(recipe, held.classes, train, val).fit(run, resume=True)
    net, size = load_trained(best), recipe.final_size or recipe.size
    return softmax(predict_logits(net, _photos(manifest, packs[1], held, held.test), size=size))


def _discriminate(manifest: Manifest, held: Held, size: int) -> np.ndarray:
    """Probabilities [N, C] of the released kind of frozen member, calibrated on the validation photos that are left."""
    learnt, asked = (embed_manifest(manifest, FROZEN + STAGED, size, erase=erase) for erase in (True, False))
    labels, val = (_labels(manifest, held, part) for part in (held.train, held.val))
    sources = np.array([manifest.rows[i].source for i in held.train])
    weight, bias = fit_discriminant(learnt[held.train], labels, sources, len(held.classes))
    logits = class_scores(asked @ weight.T + bias)
    return softmax(logits[held.test], fit_temperature(logits[held.val], val))


def _photos(manifest: Manifest, packed: Packed, held: Held, rows: np.ndarray) -> Photos:
    return Photos(packed, _labels(manifest, held, rows), rows, np.array([manifest.rows[i].source for i in rows]))


def _labels(manifest: Manifest, held: Held, rows: np.ndarray) -> np.ndarray:
    return np.array([held.classes.index(manifest.rows[i].label) for i in rows])
