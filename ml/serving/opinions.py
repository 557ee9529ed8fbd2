"""What the members of a release say about a batch of photos, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml import ensemble
from ml.quality import Quality
from ml.releases.loader import Member, Release
from ml.serving import heatmaps, results
from ml.serving.preprocess import seen_box
from ml.serving.results import MemberVote, Output


@dataclass(frozen=True)
class Opinions:
    """N photos: ``members`` M arrays [N, C], ``voted`` [N, C], ``disagreement`` and ``strangeness`` [N],
    ``embeddings`` float32 [N, D] of length 1, ``cams`` by member name [N, C, h, w]."""

    release: Release
    members: list[np.ndarray]
    voted: np.ndarray
    disagreement: np.ndarray
    strangeness: np.ndarray
    embeddings: np.ndarray
    cams: dict[str, np.ndarray]

    @classmethod
    def gather(cls, release: Release, outputs: Sequence[Output], reference: Mapping[str, Any]) -> Opinions:
        """Calibrate, vote and measure. ``reference`` is what the release's out-of-distribution score compares with."""
        weights = [member.weight for member in release.members]
        pairs = list(zip(release.members, outputs, strict=True))
        members = [ensemble.softmax(_trained(release, out.logits), member.temperature) for member, out in pairs]
        voted = ensemble.vote(members, weights, release.temperature)
        embeddings = _unit(outputs[release.members.index(_embedding_member(release))].embedding)
        return cls(
            release=release,
            members=members,
            voted=voted,
            disagreement=ensemble.disagreement(members, weights),
            strangeness=_strangeness(release, voted, embeddings, reference),
            embeddings=embeddings,
            cams={member.name: output.cam for member, output in pairs if output.cam is not None},
        )

    def table(self, row: np.ndarray) -> dict[str, float]:
        """One row [C] as class slug -> probability."""
        return {slug: float(value) for slug, value in zip(self.release.classes, row, strict=True)}

    def votes(self, row: int) -> list[MemberVote]:
        """What each member says about photo ``row``."""
        pairs = zip(self.release.members, self.members, strict=True)
        return [MemberVote(member.name, member.weight, self.table(own[row])) for member, own in pairs]

    def prediction_set(self, row: int) -> tuple[str, ...]:
        """Slugs of the conformal set of photo ``row``, likeliest first."""
        chosen = ensemble.prediction_set(self.voted[row], float(self.release.conformal["quantile"]))
        return tuple(self.release.classes[index] for index in chosen)

    def reasons(self, row: int, quality: Quality) -> tuple[str, ...]:
        """Codes why photo ``row`` cannot be judged or needs a human look."""
        limit = self.release.ood.get("threshold")
        found = {
            results.POOR_IMAGE: any(issue.severity == "high" and issue.code != "not_skin" for issue in quality.issues),
            results.NOT_SKIN: quality.has("not_skin"),
            results.OUT_OF_DISTRIBUTION: limit is not None and self.strangeness[row] > limit,
            results.WIDE_PREDICTION_SET: len(self.prediction_set(row)) > self.release.max_set_size,
            results.MEMBERS_DISAGREE: self.disagreement[row] > self.release.disagreement_threshold,
        }
        return tuple(code for code, applies in found.items() if applies)

    def heatmaps(self, row: int, size: tuple[int, int]) -> dict[str, np.ndarray]:
        """Maps uint8 [h, w] over the upright photo of ``size`` for its likeliest class, by member and ``ensemble``."""
        top = int(self.voted[row].argmax())
        mapping = [member for member in self.release.members if member.name in self.cams]
        maps = [heatmaps.place(self.cams[m.name][row, top], seen_box(size, m), size) for m in mapping]
        if not maps:
            return {}
        blended = heatmaps.blend(maps, [member.weight for member in mapping])
        named = {"ensemble": blended, **{m.name: single for m, single in zip(mapping, maps, strict=True)}}
        return {name: heatmaps.to_uint8(values) for name, values in named.items()}


def _trained(release: Release, logits: np.ndarray) -> np.ndarray:
    """A class that the release was not trained on gets no probability."""
    untrained = [slug not in release.trained_classes for slug in release.classes]
    return np.where(untrained, -1e9, logits)


def _embedding_member(release: Release) -> Member:
    wanted = release.ood.get("embedding_member")
    heaviest = max(release.members, key=lambda member: member.weight)
    return next((member for member in release.members if member.name == wanted), heaviest)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def _strangeness(release: Release, voted: np.ndarray, embeddings: np.ndarray, reference: Mapping) -> np.ndarray:
    method = release.ood.get("method")
    return ensemble.ood_score(method, voted, embeddings, reference) if method else np.zeros(len(voted))
