"""Each member of a release against the same network trained plainly: what teacher and longer recipe are worth.

A control is seen as a member is: rounded to 16 bits, its view chosen on validation, photos untouched as when served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.data.manifest import Manifest, ManifestError
from ml.evaluation.asking import ask_release
from ml.evaluation.metrics import balanced_accuracy, bootstrap
from ml.releases.loader import Release

if TYPE_CHECKING:
    from ml.data.pack import Packed
    from ml.training.export import Member

PARTS = ("val", "test")
TEACHERS = ("distill", "imitate")


def load_control(run: Path, release: Release) -> Member:
    """The best checkpoint of ``run`` as a member that views photos as it was trained.

    Raises ValueError where it had a teacher, is no network of ``release``, knows other classes or is no checkpoint;
    OSError without one.
    """
    from ml.training.assemble import load_member
    from ml.training.networks import read_checkpoint

    state = read_checkpoint(run / "best.pt")
    config = state["config"]
    if any(config.get(name, 0) > 0 for name in TEACHERS):
        weights = ", ".join(f"{name} {config.get(name, 0)}" for name in TEACHERS)
        raise ValueError(f"{run} was trained with a teacher ({weights}): that is no plain control.")
    if config["architecture"] not in {member.architecture for member in release.members}:
        raise ValueError(f"{run} is a {config['architecture']}, which no member of {release.name} is.")
    if tuple(state["classes"]) != release.classes:
        raise ValueError(f"{run} was trained on other classes than {release.name}.")
    return load_member(run)


def compare_controls(
    release: Release,
    controls: Sequence[tuple[str, Member]],
    manifest: Manifest,
    packed: Packed,
    *,
    progress=lambda rows: rows,
) -> dict[str, Any]:
    """One row for each control (name of the run, network) and member of its architecture: recipe, and for validation
    and test the balanced accuracy of both and their difference. Raises ManifestError for a part without photos."""
    from ml.training.assemble import choose_view
    from ml.training.train import predict_logits, select_photos

    parts = {part: select_photos(manifest, packed, part) for part in PARTS}
    for part, photos in parts.items():
        if not len(photos):
            raise ManifestError(f"The manifest has no photos in the part {part}.")
    answers = {
        part: ask_release(release, [packed[int(row)] for row in photos.rows], progress=progress).members
        for part, photos in parts.items()
    }
    rows = []
    for run, control in controls:
        choose_view(control, parts["val"])
        own = {part: predict_logits(control.net, photos, **_view(control)) for part, photos in parts.items()}
        for name in [member.name for member in release.members if member.architecture == control.architecture]:
            figures = {
                part: compare_answers(own[part], answers[part][name], photos.labels, _groups(manifest, photos))
                for part, photos in parts.items()
            }
            rows.append({"member": name, "run": run, **_recipe(control), "parts": figures})
    return {"rows": rows}


def compare_answers(
    control: np.ndarray, member: np.ndarray, labels: np.ndarray, groups: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Balanced accuracy of two [N, C] scores and ``difference`` (member - control), resampled together by group."""
    plain, ours = balanced_accuracy(control, labels), balanced_accuracy(member, labels)
    return bootstrap({"control": plain, "member": ours, "difference": lambda w: ours(w) - plain(w)}, groups)


def _view(member: Member) -> dict[str, Any]:
    return {"size": member.input_size, "crop": member.crop}


def _groups(manifest: Manifest, photos: Any) -> list[str]:
    return [manifest.rows[int(index)].unit for index in photos.rows]


def _recipe(control: Member) -> dict[str, Any]:
    """What a reader must know to judge whether the control had a fair chance."""
    config: Mapping[str, Any] = control.training
    return {
        "architecture": control.architecture,
        "epochs": config["epochs"],
        "best_epoch": config["epochs_done"],
        "size": config["size"],
        "seen_at": control.input_size,
        "init": config["init"],
    }
