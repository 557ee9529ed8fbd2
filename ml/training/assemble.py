"""Finished runs to a release: view, temperature, weights and thresholds from validation, then figures, then export."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ml.data.manifest import Manifest, Row, read_conditions
from ml.data.pack import Packed
from ml.data.stats import summarise_data
from ml.ensemble import balanced_log_loss, disagreement, ood_score, search_weights, softmax, vote
from ml.evaluation.decisions import choose_threshold, conformal_quantile, fit_temperature, target_of
from ml.evaluation.metrics import reliability
from ml.evaluation.ood import METHOD, fit_reference
from ml.evaluation.report import report_part
from ml.taxonomy import BY_SLUG, add_conditions
from ml.training.export import Member, export_release, file_sha256, round_weights
from ml.training.licence import licence_text
from ml.training.networks import MEMBERS, read_checkpoint, restore_network
from ml.training.train import Photos, embed_photos, predict_logits, select_photos

FALSE_REJECTION = 0.05  # share of validation photos that the out-of-distribution limit may refuse
MAX_SET = 5  # a longer prediction set is no answer
OOD_FILE = "ood.npz"


@dataclass
class Part:
    """Photos of one part with the embeddings [N, D] and logits [N, C] of each member."""

    photos: Photos
    rows: list[Row]
    embeddings: list[np.ndarray]
    logits: list[np.ndarray]

    @property
    def labels(self) -> np.ndarray:
        """Class index of each photo."""
        return self.photos.labels


def assemble_release(
    runs: Sequence[Path],
    manifest: Manifest,
    packed: Packed,
    served: Packed,
    out: Path,
    *,
    name: str,
    search_views: bool = False,
    int8: Sequence[str] = (),
    floors: Mapping[str, float] | None = None,
    notes: dict[str, Any] | None = None,
    say=lambda line: None,
) -> dict[str, Any]:
    """Export the best checkpoints of ``runs`` and all that was chosen and measured; returns release.json.
    ``packed``: photos as trained on, ``served``: the same untouched, on which everything is chosen and measured;
    ``int8``: names of runs whose weights are stored in 8 bits; ``floors``: least weight by run (default .05), for what
    validation cannot see, such as how a member does on sources that training has not seen; ``notes``: further fields of
    release.json.
    """
    members = _load_members(runs, int8)
    classes, conditions = list(manifest.classes), read_conditions(manifest)
    add_conditions(conditions)
    train = select_photos(manifest, packed, "train")
    photos = {part: select_photos(manifest, served, part) for part in ("val", "test")}
    for member in members:
        if search_views:
            choose_view(member, photos["val"])
        say(f"{member.name}: {member.input_size} px, {member.crop}")
    val, test = (_predict(members, manifest, photos[part]) for part in ("val", "test"))
    fields = _decide(members, classes, val, _least(runs, floors or {}))
    ood, strangeness = _fit_ood(members, train, (val, test), out)
    fields |= ood
    fields |= _measure(members, fields, (val, test), strangeness)
    summary = summarise_data(manifest)
    fields |= _provenance(summary) | {"conditions": conditions} | (notes or {})
    export_release(
        members, out, classes=classes, name=name, extra=fields, files={"LICENSE-WEIGHTS.md": licence_text(summary)}
    )
    return fields


def _measure(
    members: Sequence[Member], fields: dict[str, Any], parts: tuple[Part, Part], strangeness: Sequence[np.ndarray]
) -> dict[str, Any]:
    """Metrics of both parts (validation, test), operating points on validation, reliability on test."""
    described = {"members": [{"weight": member.weight} for member in members]}
    metrics = {
        name: report_part(_calibrated(members, part), fields | described, part.labels, part.rows, scores)
        for name, part, scores in zip(("val", "test"), parts, strangeness, strict=True)
    }
    test = parts[1]
    voted = _vote(members, test, fields["calibration"]["ensemble"])
    points = metrics["val"]["operating_points"]
    return {"metrics": metrics, "operating_points": points, "reliability": reliability(voted, test.labels)}


def _provenance(summary: dict[str, Any]) -> dict[str, Any]:
    """Where the release comes from: code, licence, data."""
    licence = {"name": "research and non-commercial use only", "non_commercial": True, "file": "LICENSE-WEIGHTS.md"}
    split = "official part column: 70/15/15 by patient, else lesion, else look-alike cluster"
    return {"code_commit": _commit(), "licence": licence, "data": summary | {"split": split}}


def _load_members(runs: Sequence[Path], int8: Sequence[str] = ()) -> list[Member]:
    """Members of ``runs``; a second one of the same architecture carries the name of its run, for names tell members
    apart in every table and file."""
    members = [load_member(run, bits=8 if run.name in int8 else 16) for run in runs]
    taken: set[str] = set()
    for member, run in zip(members, runs, strict=True):
        member.name = f"{member.name}-{run.name}" if member.name in taken else member.name
        taken.add(member.name)
    return members


def load_member(run: Path, *, bits: int = 16) -> Member:
    """The best checkpoint of a run, rounded to ``bits``, as a member that views photos as it was trained."""
    state = read_checkpoint(run / "best.pt")
    config, net = state["config"], restore_network(state)
    round_weights(net, bits)
    short = {architecture: member for member, architecture in MEMBERS.items()}
    return Member(
        name=short.get(config["architecture"], config["architecture"].removeprefix("tf_")),
        architecture=config["architecture"],
        net=net,
        bits=bits,
        input_size=config["size"],
        activation=config.get("activation", ""),
        training=config | {"epochs_done": state["epoch"], "history": _history(run, state)},
    )


def _history(run: Path, state: dict) -> list[dict[str, Any]]:
    """The whole curve of the run where it is still there, else up to the best epoch; numbers to 4 digits."""
    file = run / "history.json"
    records = json.loads(file.read_text()) if file.is_file() else state["history"]
    return [
        {name: round(value, 6 if name == "lr" else 4) for name, value in record.items() if name != "time"}
        for record in records
    ]


def choose_view(member: Member, val: Photos) -> None:
    """Set the view with the lowest balanced log loss on validation: centre or squashed, then a quarter larger."""
    trained, larger = member.input_size, member.input_size * 5 // 4 // 32 * 32
    found: dict[tuple[int, str], float] = {}
    for view in ((trained, "center"), (trained, "squash"), (larger, None)):
        size, crop = view[0], view[1] or min(found, key=found.__getitem__)[1]
        logits = predict_logits(member.net, val, size=size, crop=crop)
        temperature = fit_temperature(logits, val.labels)
        found[size, crop] = balanced_log_loss(softmax(logits, temperature), val.labels)
    member.input_size, member.crop = min(found, key=found.__getitem__)


def _predict(members: Sequence[Member], manifest: Manifest, photos: Photos) -> Part:
    embeddings = [embed_photos(m.net, photos, size=m.input_size, crop=m.crop) for m in members]
    logits = [_classify(m.net, vectors) for m, vectors in zip(members, embeddings, strict=True)]
    return Part(photos, [manifest.rows[int(index)] for index in photos.rows], embeddings, logits)


@torch.no_grad()
def _classify(net: torch.nn.Module, embeddings: np.ndarray) -> np.ndarray:
    return net.get_classifier()(torch.from_numpy(embeddings)).numpy()


def _calibrated(members: Sequence[Member], part: Part) -> dict[str, np.ndarray]:
    pairs = zip(members, part.logits, strict=True)
    return {member.name: softmax(logits, member.temperature) for member, logits in pairs}


def _vote(members: Sequence[Member], part: Part, temperature: float) -> np.ndarray:
    return vote(list(_calibrated(members, part).values()), [member.weight for member in members], temperature)


def _least(runs: Sequence[Path], floors: Mapping[str, float]) -> list[int]:
    """Least weights in steps of .05, in the order of ``runs``. Raises ValueError for a run that is not among them."""
    strangers = set(floors) - {run.name for run in runs}
    if strangers:
        raise ValueError(f"A least weight was given for {sorted(strangers)[0]}, which is no run of this release.")
    return [max(1, round(floors.get(run.name, 0) * 20)) for run in runs]


def _decide(members: Sequence[Member], classes: list[str], val: Part, least: Sequence[int]) -> dict[str, Any]:
    """Temperatures and weights (set in ``members``), thresholds, conformal quantile and disagreement limit."""
    for member, logits in zip(members, val.logits, strict=True):
        member.temperature = fit_temperature(logits, val.labels)
    own = list(_calibrated(members, val).values())
    for member, weight in zip(members, search_weights(own, val.labels, least=least), strict=True):
        member.weight = weight
    temperature = fit_temperature(np.log(_vote(members, val, 1.0)), val.labels)
    voted = _vote(members, val, temperature)
    spread = disagreement(own, [member.weight for member in members])
    return {
        "classes": classes,
        "calibration": {
            "method": "temperature",
            "per_member": {member.name: member.temperature for member in members},
            "ensemble": temperature,
            "formula": "p = softmax(log(sum_m weight_m * softmax(logits_m / T_m)) / T_ensemble)",
        },
        "thresholds": _thresholds(voted, classes, val),
        "conformal": {
            "alpha": 0.1,
            "quantile": conformal_quantile(voted, val.labels),
            "method": "LAC",
            "rule": "p >= 1 - quantile",
            "limit": MAX_SET,
        },
        "disagreement": {"threshold": round(float(np.quantile(spread, 0.95)), 4), "chosen": "95th percentile on val"},
    }


def _thresholds(voted: np.ndarray, classes: list[str], val: Part) -> dict[str, float]:
    """One threshold for each cancer class that has clinical validation photos."""
    clinical = np.array([row.modality != "dermoscopic" for row in val.rows])
    chosen = {
        slug: choose_threshold(voted[clinical, index], val.labels[clinical] == index, target_of(slug))
        for index, slug in enumerate(classes)
        if BY_SLUG[slug].is_cancer_class
    }
    return {slug: value for slug, value in chosen.items() if value is not None}


def _fit_ood(
    members: Sequence[Member], train: Photos, parts: tuple[Part, Part], out: Path
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Write the reference of the member that watches; the limit refuses 5 % of validation photos. Also returns the
    scores of both parts (validation, test)."""
    member = choose_watcher(members)
    known = _unit(embed_photos(member.net, train, size=member.input_size, crop=member.crop))
    reference = fit_reference(known, train.labels)
    out.mkdir(parents=True, exist_ok=True)
    np.savez(out / OOD_FILE, **reference)
    fresh = [_unit(part.embeddings[members.index(member)]) for part in parts]
    scores = [ood_score(METHOD, np.zeros((len(vectors), 1)), vectors, reference) for vectors in fresh]
    chosen = {
        "method": METHOD,
        "embedding_member": member.name,
        "file": OOD_FILE,
        "sha256": file_sha256(out / OOD_FILE),
        "threshold": round(float(np.quantile(scores[0], 1 - FALSE_REJECTION)), 4),
        "chosen": "5 % false rejection on validation",
    }
    return {"ood": chosen}, scores


def choose_watcher(members: Sequence[Member]) -> Member:
    """The heaviest member with frozen features, where there is one: fine-tuning forgets what is no skin."""
    frozen = [member for member in members if member.training.get("epochs_done") == 0]
    return max(frozen or members, key=lambda member: member.weight)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _commit() -> str:
    """Commit of the working tree that exports, empty outside a repository."""
    head = Path(".git/HEAD")
    if not head.is_file():
        return ""
    text = head.read_text().strip()
    branch = Path(".git") / text.removeprefix("ref: ")
    return branch.read_text().strip() if branch.is_file() else text
