"""Training on drawn pictures: it learns, survives kill -9 on the same curve, inherits what it says it inherits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.__main__ import main
from ml.data.manifest import read_manifest
from ml.data.pack import pack_manifest
from ml.training.augment import augment_batch, center_view, random_crop
from ml.training.cli import read_config
from ml.training.inherit import inherit_from_lite
from ml.training.mix import mix_batch
from ml.training.networks import build_network, input_statistics, load_packaged, load_trained, split_features
from ml.training.train import TrainConfig, Trainer, fit_head, predict_logits, select_photos
from tests.ml.toyset import draw_set

ROOT = Path(__file__).parents[2]
TINY = ROOT / "ml/configs/tiny.toml"
CONFIG = TrainConfig("mobilenetv3_small_050", distill=0.0, size=64, epochs=2, batch=8, dropout=0.0, ema=0.9)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_set(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def photos(drawn: Path) -> dict:
    manifest = read_manifest(drawn)
    packed = pack_manifest(manifest, side=72, cache=drawn.parent / "cache")
    return {part: select_photos(manifest, packed, part) for part in ("train", "val")} | {
        "extra": select_photos(manifest, packed, None),
        "classes": list(manifest.classes),
    }


def _trainer(photos: dict, config: TrainConfig = CONFIG, **more) -> Trainer:
    return Trainer(config, photos["classes"], photos["train"], photos["val"], **more)


def test_it_learns_colours(photos: dict, tmp_path: Path) -> None:
    trainer = _trainer(photos, replace(CONFIG, architecture="test_resnet", epochs=4, lr=4e-3, label_smoothing=0.0))
    trainer.fit(tmp_path)
    losses = [record["loss"] for record in trainer.history]
    assert losses[-1] < 0.8 * losses[0]
    saved = torch.load(tmp_path / "best.pt", weights_only=True)
    assert saved["classes"] == photos["classes"]


def _command(folder: Path, drawn: Path, out: Path, *more: str) -> list[str]:
    run = [sys.executable, "-m", "ml", "train", str(TINY), "--manifest", str(drawn), "--out", str(out)]
    return [*run, "--set", "epochs=4", "threads=1", *more]


def _curve(run: Path) -> list[dict]:
    if not (run / "history.json").is_file():
        return []
    try:
        history = json.loads((run / "history.json").read_text())
    except ValueError:  # caught while it was being written
        return []
    return [{key: value for key, value in record.items() if key != "time"} for record in history]


def test_kill_and_resume_continue_the_same_curve(drawn: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    quiet = {"cwd": tmp_path, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(_command(tmp_path, drawn, whole), check=True, **quiet)
    process = subprocess.Popen(_command(tmp_path, drawn, cut), **quiet)
    deadline = time.monotonic() + 120
    while not _curve(cut) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert 1 <= len(_curve(cut)) < 4, "the kill came too late to show anything"
    subprocess.run([*_command(tmp_path, drawn, cut), "--resume"], check=True, **quiet)
    assert len(_curve(cut)) == 4
    for resumed, expected in zip(_curve(cut), _curve(whole), strict=True):
        assert resumed == pytest.approx(expected, rel=1e-5)


def test_a_faulty_manifest_stops_before_training(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    manifest = draw_set(tmp_path, photos=10)
    (tmp_path / "moles_1.png").unlink()
    assert main(["train", str(TINY), "--manifest", str(manifest), "--out", str(tmp_path / "run")]) == 1
    assert "moles_1.png does not exist" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("file", sorted((ROOT / "ml/configs").glob("*.toml")), ids=lambda file: file.stem)
def test_every_config_is_read(file: Path) -> None:
    assert read_config(file, {}).architecture


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="learning_rate is no setting"):
        read_config(TINY, {"learning_rate": 1})


def test_early_stopping_ends_a_run_that_learns_nothing(photos: dict, tmp_path: Path) -> None:
    trainer = _trainer(photos, replace(CONFIG, epochs=9, lr=0.0, warmup=0.0, patience=2))
    trainer.fit(tmp_path)
    assert len(trainer.history) < 9


def test_rare_classes_are_drawn_more_often(photos: dict) -> None:
    trainer = _trainer(photos)
    rare = replace(photos["train"], labels=np.array([0] * 4 + [1] * 16 + [2] * 16), rows=np.arange(36))
    trainer.train = rare
    drawn = np.concatenate([rare.labels[trainer._draw(np.random.default_rng(seed))] for seed in range(50)])
    # Square root: class 0 has a fifth of the mass (2 of 2 + 4 + 4) instead of a ninth.
    assert (drawn == 0).mean() == pytest.approx(0.2, abs=0.03)


@torch.no_grad()
def _distance(trainer: Trainer, images: torch.Tensor) -> float:
    return float(trainer.distiller(images, *split_features(trainer.net, trainer._normalise(images))))


def test_distillation_moves_features_towards_the_teacher(photos: dict) -> None:
    config = replace(CONFIG, architecture="test_efficientnet", distill=1.0, lr=1e-2, warmup=0.0)
    trainer = _trainer(photos, config, extra=photos["extra"])
    images, _ = trainer._load(np.arange(-8, 0), np.random.default_rng(0), torch.Generator().manual_seed(0))
    first = _distance(trainer, images)
    for _ in range(12):
        trainer._update(images, torch.zeros(8, 3), torch.zeros(8, dtype=bool))
    assert _distance(trainer, images) < 0.9 * first


def test_a_student_learns_the_answers_of_a_trained_teacher(photos: dict, tmp_path: Path) -> None:
    small = replace(CONFIG, architecture="test_resnet", lr=4e-3, warmup=0.0)
    teacher = _trainer(photos, replace(small, epochs=2)).fit(tmp_path)
    trainer = _trainer(photos, replace(small, teacher=str(teacher), imitate=1.0, seed=2))
    images, _ = trainer._load(np.arange(8), np.random.default_rng(0), torch.Generator().manual_seed(0))
    first = _distance(trainer, images)
    for _ in range(20):
        trainer._update(images, torch.zeros(8, 3), torch.zeros(8, dtype=bool))
    assert _distance(trainer, images) < 0.5 * first


def test_only_a_teacher_of_the_same_classes_has_answers(photos: dict) -> None:
    with pytest.raises(ValueError, match="trained teacher"):
        _trainer(photos, replace(CONFIG, imitate=1.0))


def test_mixed_photos_carry_the_labels_of_both() -> None:
    images = torch.stack([torch.full((3, 16, 16), float(number)) for number in range(4)])
    for seed in range(20):
        mixed, targets = mix_batch(images, torch.arange(4), 4, torch.Generator().manual_seed(seed))
        assert torch.allclose(targets.sum(1), torch.ones(4))
        # The mean pixel of a mix of constant photos is the mix of their numbers, as the targets say it.
        assert torch.allclose(mixed.mean((1, 2, 3)), targets @ torch.arange(4.0), atol=1e-4)


def test_the_last_epochs_see_larger_photos(photos: dict) -> None:
    trainer = _trainer(photos, replace(CONFIG, epochs=4, final_size=96, final_share=0.5))
    sizes = []
    for trainer.epoch in range(4):
        images, _ = trainer._load(np.arange(2), np.random.default_rng(0), torch.Generator())
        sizes.append(images.shape[-1])
    assert sizes == [64, 64, 96, 96]


def test_sources_of_a_class_are_drawn_more_alike(photos: dict) -> None:
    trainer = _trainer(photos, replace(CONFIG, source_power=1.0))
    sources = np.array(["big"] * 18 + ["small"] * 2)
    trainer.train = replace(photos["train"], labels=np.zeros(20, int), rows=np.arange(20), sources=sources)
    drawn = np.concatenate([sources[trainer._draw(np.random.default_rng(seed))] for seed in range(100)])
    assert (drawn == "small").mean() == pytest.approx(0.5, abs=0.05)


def test_early_layers_learn_more_slowly(photos: dict) -> None:
    trainer = _trainer(photos, replace(CONFIG, layer_decay=0.8))
    trainer._set_rate(0.5)
    share = {id(p): group["lr"] for group in trainer.optimizer.param_groups for p in group["params"]}
    assert share[id(trainer.net.conv_stem.weight)] < 0.2 * share[id(trainer.net.classifier.weight)]


def test_a_probed_head_is_kept_when_training_does_not_beat_it(photos: dict, tmp_path: Path) -> None:
    config = replace(CONFIG, architecture="test_resnet", probe="logistic", epochs=1, lr=0.0)
    trainer = _trainer(photos, config)
    before = predict_logits(trainer.net, photos["val"], size=64)
    trainer.fit(tmp_path)
    assert torch.load(tmp_path / "best.pt", weights_only=True)["epoch"] == 0
    assert (before.argmax(1) == photos["val"].labels).mean() > 0.6


def test_a_probed_head_is_the_logistic_regression(photos: dict) -> None:
    net = build_network("test_resnet", 3)
    fit_head(net, photos["train"], size=64, penalty=100.0)
    guess = predict_logits(net, photos["train"], size=64).argmax(1)
    assert (guess == photos["train"].labels).mean() > 0.95


def test_a_discriminant_head_is_fitted_on_frozen_features(photos: dict, tmp_path: Path) -> None:
    config = replace(CONFIG, architecture="test_efficientnet_stages", probe="discriminant", epochs=0, distill=0.0)
    best = _trainer(photos, config).fit(tmp_path)
    net = load_trained(best)
    assert (predict_logits(net, photos["train"], size=64).argmax(1) == photos["train"].labels).mean() > 0.9
    with np.load(tmp_path / "val.npz") as kept:
        np.testing.assert_allclose(kept["logits"], predict_logits(net, photos["val"], size=64), atol=1e-4)


def test_a_discriminant_asks_for_a_head_of_centres(photos: dict, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="whose name ends in _stages"):
        _trainer(photos, replace(CONFIG, probe="discriminant", epochs=0, distill=0.0)).fit(tmp_path)


def test_a_logistic_head_fits_into_centres(photos: dict) -> None:
    net = build_network("test_efficientnet_stages", 3)
    fit_head(net, photos["train"], size=64, penalty=100.0)
    assert (predict_logits(net, photos["train"], size=64).argmax(1) == photos["train"].labels).mean() > 0.9


@pytest.fixture(scope="module")
def smooth_images() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.nn.functional.interpolate(torch.rand(4, 3, 9, 9), 128, mode="bicubic").clamp(0, 1)


def _last_map(net: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in input_statistics(net))
    with torch.no_grad():
        return split_features(net.eval(), (images - mean) / std)[1][-1]


def test_efficientnet_b3_inherits_what_lite2_computes(smooth_images: torch.Tensor) -> None:
    torch.manual_seed(0)
    child = build_network("efficientnet_b3", 13, init="inherit", activation="relu6")
    theirs = _last_map(load_packaged("tf_efficientnet_lite2"), smooth_images)
    mine = _last_map(child, smooth_images)[:, : theirs.shape[1]]
    random = _last_map(build_network("efficientnet_b3", 13, activation="relu6"), smooth_images)[:, : theirs.shape[1]]
    assert np.corrcoef(mine.flatten(), theirs.flatten())[0, 1] > 0.95
    assert abs(np.corrcoef(random.flatten(), theirs.flatten())[0, 1]) < 0.5


def test_densenet_has_nobody_to_inherit_from() -> None:
    with pytest.raises(ValueError, match="no packaged relative"):
        inherit_from_lite(torch.nn.Identity(), "densenet121")


def test_weights_from_a_file_leave_a_head_of_other_size_alone(tmp_path: Path) -> None:
    trained = build_network("test_resnet", 3)
    torch.save({"model": trained.state_dict()}, tmp_path / "best.pt")
    net = build_network("test_resnet", 5, init=str(tmp_path / "best.pt"))
    assert torch.equal(_stem(net), _stem(trained))
    assert net.get_classifier().out_features == 5


def _stem(net: torch.nn.Module) -> torch.Tensor:
    return next(iter(net.parameters()))


def test_augmentation_is_random_bounded_and_repeatable() -> None:
    images = torch.rand(8, 3, 64, 64)
    first, again = (augment_batch(images, torch.Generator().manual_seed(1)) for _ in range(2))
    other = augment_batch(images, torch.Generator().manual_seed(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1


def test_a_crop_shows_part_of_the_photo_and_the_view_its_middle() -> None:
    photo = np.zeros((60, 100, 3), np.uint8)
    photo[:, 20:80] = 255
    assert center_view(photo, 32).min() == pytest.approx(1)
    squashed = center_view(photo, 50, crop="squash")
    assert squashed[:, :, :5].max() == 0
    crop = random_crop(photo, 32, np.random.default_rng(0), scale=(0.3, 0.4))
    assert crop.shape == (3, 32, 32)


def test_frozen_stages_keep_their_weights(photos: dict, tmp_path: Path) -> None:
    config = replace(CONFIG, architecture="test_efficientnet", freeze=2, fixed_norms=True, epochs=1, lr=1e-2)
    trainer = _trainer(photos, config)
    before = {name: value.clone() for name, value in trainer.net.state_dict().items()}
    trainer.fit(tmp_path)
    changed = {name for name, value in trainer.net.state_dict().items() if not torch.equal(value, before[name])}
    assert not [name for name in changed if name.startswith(("conv_stem", "bn1", "blocks.0", "blocks.1"))]
    assert {"classifier.weight", "conv_head.weight"} <= changed


def test_only_networks_with_stages_can_be_frozen(photos: dict) -> None:
    with pytest.raises(ValueError, match="stages"):
        _trainer(photos, replace(CONFIG, architecture="test_resnet", freeze=2))
