"""A real, tiny release: three random-initialised networks, written by the project's own exporter once per session."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

import pytest
from filelock import FileLock

from ml.taxonomy import SLUGS

INPUT_SIZE = 64
THRESHOLDS = {"melanoma": 0.2, "basal-cell-carcinoma": 0.2, "actinic-keratosis": 0.2}
# timm's miniature networks; the first has a layer after pooling (no exact map), the others end linear.
ARCHITECTURES = {
    "mobilenetv3": "mobilenetv3_small_050",
    "densenet121": "test_resnet",
    "efficientnet_b3": "test_efficientnet",
}
WEIGHTS = {"mobilenetv3": 0.4, "densenet121": 0.3, "efficientnet_b3": 0.3}


def build_release(folder: Path) -> Path:
    """Export the toy release and return its folder."""
    import torch

    from ml.training.export import Member, export_release
    from ml.training.networks import build_network

    torch.manual_seed(0)
    members = [
        Member(name, architecture, build_network(architecture, len(SLUGS)), WEIGHTS[name], INPUT_SIZE, temperature=1.3)
        for name, architecture in ARCHITECTURES.items()
    ]
    extra = {
        "thresholds": THRESHOLDS,
        "calibration": {"per_member": dict.fromkeys(ARCHITECTURES, 1.3), "ensemble": 0.8},
        "conformal": {"alpha": 0.1, "quantile": 0.9, "method": "LAC: p >= 1 - quantile", "limit": 13},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own libraries warn
        return export_release(members, folder, classes=SLUGS, extra=extra).parent


@pytest.fixture(scope="session")
def toy_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the toy release, built once for all workers of a run; never change it, copy it (`toy_copy`)."""
    run = tmp_path_factory.getbasetemp()
    folder = (run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "releases" / "toy"
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.parent / "lock"):
        if not (folder / "release.json").exists():
            build_release(folder)
    return folder


@pytest.fixture
def toy_copy(toy_release: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(toy_release, tmp_path / "toy"))


@pytest.fixture(scope="session")
def engine(toy_release: Path):
    """The toy release, loaded and warm."""
    from ml.serving import get_engine

    return get_engine(str(toy_release), "cpu")
