"""A release asked about photos in memory, as the engine asks it but without quality checks and heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.ensemble import ood_score, softmax, vote
from ml.releases.loader import Member, Release

BATCH = 16


@dataclass(frozen=True)
class Answers:
    """``members``: calibrated probabilities [N, C] by name; ``voted`` [N, C]; ``strangeness`` [N], None where the
    release has no out-of-distribution score."""

    members: dict[str, np.ndarray]
    voted: np.ndarray
    strangeness: np.ndarray | None


def ask_release(release: Release, photos: Sequence[np.ndarray], *, progress=lambda rows: rows) -> Answers:
    """Every member of ``release`` on photos uint8 [h, w, 3]."""
    outputs = {member.name: _outputs(release, member, photos, progress) for member in release.members}
    members = {m.name: softmax(outputs[m.name][0], m.temperature) for m in release.members}
    voted = vote(list(members.values()), [m.weight for m in release.members], release.temperature)
    return Answers(members, voted, _strangeness(release, voted, outputs))


def _outputs(release: Release, member: Member, photos: Sequence[np.ndarray], progress) -> tuple[np.ndarray, np.ndarray]:
    """Logits [N, C] and embeddings [N, D]."""
    from ml.serving.network import Network
    from ml.training.augment import center_view

    network = Network(release, member, threads=2)
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (member.mean, member.std))
    logits, embeddings = [], []
    for start in progress(range(0, len(photos), BATCH)):
        views = [center_view(photo, member.input_size, crop=member.crop) for photo in photos[start : start + BATCH]]
        output = network.run((np.stack(views) - mean) / std)
        logits.append(output.logits)
        embeddings.append(output.embedding)
    return np.concatenate(logits), np.concatenate(embeddings)


def _strangeness(release: Release, voted: np.ndarray, outputs: dict) -> np.ndarray | None:
    if "file" not in release.ood:
        return None
    vectors = outputs[release.ood["embedding_member"]][1]
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    with np.load(release.path / release.ood["file"], allow_pickle=False) as arrays:
        return ood_score(release.ood["method"], voted, unit, dict(release.ood) | dict(arrays))
