"""Mean weights of several runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ml.__main__ import main
from ml.data.manifest import read_manifest
from ml.data.pack import pack_manifest
from ml.evaluation.card import _training
from ml.training.assemble import load_member
from ml.training.train import TrainConfig, Trainer, select_photos
from tests.ml.toyset import draw_set

CONFIG = TrainConfig("test_resnet", distill=0.0, size=64, epochs=1, batch=8, dropout=0.0, lr=4e-3)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    manifest = read_manifest(draw_set(folder / "drawn"))
    packed = pack_manifest(manifest, side=72, cache=folder / "cache")
    train, val = (select_photos(manifest, packed, part) for part in ("train", "val"))
    configs = {"first": CONFIG, "second": replace(CONFIG, seed=2), "larger": replace(CONFIG, size=72)}
    for name, config in configs.items():
        Trainer(config, list(manifest.classes), train, val).fit(folder / name)
    return [folder / name for name in configs]


def test_the_mean_is_a_run_that_a_release_takes(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "mean"
    assert main(["average", *map(str, runs[:2]), "--out", str(out)]) == 0
    first, second, mean = (torch.load(run / "best.pt", weights_only=True) for run in (*runs[:2], out))
    for name, value in mean["model"].items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (first["model"][name] + second["model"][name]) / 2)
    member = load_member(out)
    assert member.training["epochs_done"] == 2
    assert "mean weights of the runs first and second" in _training(member.training)


def test_runs_that_do_not_fit_leave_nothing(runs: list[Path], tmp_path: Path, capsys) -> None:
    out = tmp_path / "mean"
    for chosen, sentence in (([runs[0]], "two runs or more"), ([runs[0], runs[2]], "another network, size or classes")):
        assert main(["average", *map(str, chosen), "--out", str(out)]) == 1
        assert sentence in capsys.readouterr().err
    assert main(["average", str(runs[0]), str(tmp_path / "no"), "--out", str(out)]) == 1
    other = tmp_path / "other"
    other.mkdir()
    for content in (b"no checkpoint", b""):
        (other / "best.pt").write_bytes(content)
        assert main(["average", str(runs[0]), str(other), "--out", str(out)]) == 1
        assert "best.pt is no checkpoint of a run" in capsys.readouterr().err
    torch.save({"model": {}}, other / "best.pt")
    assert main(["average", str(runs[0]), str(other), "--out", str(out)]) == 1
    assert "best.pt is no checkpoint of a run" in capsys.readouterr().err
    assert not out.exists()


def test_a_run_is_not_overwritten(runs: list[Path]) -> None:
    before = (runs[2] / "best.pt").read_bytes()
    assert main(["average", *map(str, runs[:2]), "--out", str(runs[2])]) == 1
    assert (runs[2] / "best.pt").read_bytes() == before
