"""Every setting of a recipe does what its name says; checkpoints and TensorBoard hold what they promise."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.data.manifest import read_manifest
from ml.data.pack import pack_manifest
from ml.training.board import draw_confusion, stage_activations
from ml.training.loader import prefetch
from ml.training.networks import build_network
from ml.training.recipe import class_weights, count_plateaus, draw_epoch, epochs_since_best, learning_rate
from ml.training.train import TrainConfig, Trainer, select_photos
from tests.ml.toyset import draw_set

CONFIG = TrainConfig("test_resnet", distill=0.0, size=64, epochs=2, batch=8, dropout=0.0, ema=0.9, threads=1)
LABELS = np.array([0] * 4 + [1] * 16 + [2] * 60)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict:
    file = draw_set(tmp_path_factory.mktemp("drawn"), photos=10)
    manifest = read_manifest(file)
    packed = pack_manifest(manifest, side=72, cache=file.parent / "cache")
    return {part: select_photos(manifest, packed, part) for part in ("train", "val")} | {
        "classes": list(manifest.classes),
    }


def _trainer(photos: dict, **settings) -> Trainer:
    return Trainer(replace(CONFIG, **settings), photos["classes"], photos["train"], photos["val"])


def _shares(balance: str) -> np.ndarray:
    drawn = [LABELS[draw_epoch(LABELS, balance, np.random.default_rng(seed), seed=1)] for seed in range(60)]
    return np.bincount(np.concatenate(drawn), minlength=3) / (60 * len(LABELS))


@pytest.mark.parametrize(
    ("balance", "expected"),
    [
        ("oversample", [1 / 3] * 3),
        ("undersample", [1 / 3] * 3),
        ("none", [0.05, 0.2, 0.75]),
        ("weights", [0.05, 0.2, 0.75]),
        ("sqrt", np.sqrt([4, 16, 60]) / np.sqrt([4, 16, 60]).sum()),
    ],
)
def test_classes_are_drawn_as_the_balance_says(balance: str, expected) -> None:
    assert _shares(balance) == pytest.approx(np.array(expected), abs=0.02)


def test_undersampling_uses_few_photos_and_oversampling_all() -> None:
    def distinct(balance: str) -> int:
        drawn = [draw_epoch(LABELS, balance, np.random.default_rng(seed), seed=1) for seed in range(60)]
        return len(set(np.concatenate(drawn)))

    assert distinct("undersample") == 12
    assert distinct("oversample") == distinct("none") == len(LABELS)


def test_class_weights_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    assert class_weights(LABELS, 3, "weights").numpy() == pytest.approx(expected)
    assert class_weights(LABELS, 3, "sqrt") is None


def test_weights_change_the_loss_of_a_rare_class(photos: dict) -> None:
    trainer = _trainer(photos, balance="weights", label_smoothing=0.0)
    trainer.class_weights = torch.tensor([9.0, 1.0, 1.0])
    logits, targets = torch.zeros(2, 3), torch.eye(3)[[0, 1]]
    both = trainer._label_loss(logits + torch.tensor([[0.0, 0.0, 5.0], [0.0, 5.0, 0.0]]), targets, torch.ones(2).bool())
    assert float(both) > 9 / 10 * 5  # the wrong photo of class 0 counts nine times the right one of class 1


def test_a_choice_that_does_not_exist_is_refused() -> None:
    for setting in ("balance", "optimizer", "schedule", "precision", "stop_on", "board"):
        with pytest.raises(ValueError, match=f"{setting} is 'magic'; it can be "):
            replace(CONFIG, **{setting: "magic"})


def test_the_rate_falls_by_ten_on_each_plateau_as_in_pytorch() -> None:
    losses = [1.0, 0.9, 0.95, 0.95, 0.95, 0.95, 0.8, 0.81, 0.82, 0.83, 0.84]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=2)
    config = replace(CONFIG, schedule="plateau", lr=1.0, warmup=0.0)
    for count in range(1, len(losses) + 1):
        optimizer.step()
        theirs.step(losses[count - 1])
        history = [{"val_loss": loss} for loss in losses[:count]]
        assert learning_rate(config, 0.5, history) == pytest.approx(optimizer.param_groups[0]["lr"])
    assert count_plateaus(losses) == 2


def test_the_rate_warms_up_then_follows_a_cosine() -> None:
    config = replace(CONFIG, lr=1.0, warmup=0.1)
    assert [learning_rate(config, share, []) for share in (0.0, 0.05)] == pytest.approx([0.0, 0.5])
    assert learning_rate(config, 0.55, []) == pytest.approx(0.51)
    assert learning_rate(config, 1.0, []) == pytest.approx(0.01)
    assert learning_rate(replace(config, schedule="constant"), 0.9, []) == 1.0


def test_stopping_looks_at_the_figure_that_was_named() -> None:
    history = [{"val_loss": loss, "macro_f1": f1} for loss, f1 in ((1.0, 0.1), (0.5, 0.2), (0.6, 0.3), (0.7, 0.4))]
    assert epochs_since_best(history, "val_loss") == 2
    assert epochs_since_best(history, "macro_f1") == 0


def test_batches_come_in_order_and_several_are_made_at_once() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def make(number: int) -> int:
        if number < 2:
            meeting.wait()  # passes only when two threads are here together
        return number

    assert list(prefetch(make, 7, workers=2)) == list(range(7))
    assert list(prefetch(lambda number: number, 3, workers=0)) == [0, 1, 2]


def test_a_batch_that_fails_stops_the_epoch() -> None:
    def make(number: int) -> int:
        if number == 1:
            raise ValueError("broken photo")
        return number

    with pytest.raises(ValueError, match="broken photo"):
        list(prefetch(make, 4, workers=1))


def test_workers_change_nothing_but_time(photos: dict, tmp_path: Path) -> None:
    curves = []
    for workers in (0, 2):
        trainer = _trainer(photos, workers=workers, mix=0.5, epochs=1)
        trainer.fit(tmp_path / str(workers))
        curves.append({name: value for name, value in trainer.history[0].items() if name != "time"})
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)


def test_the_recipe_of_the_paper_trains_and_keeps_checkpoints(photos: dict, tmp_path: Path) -> None:
    trainer = _trainer(
        photos,
        optimizer="adam",
        schedule="plateau",
        balance="oversample",
        stop_on="val_loss",
        keep_every=1,
        board="full",
    )
    trainer.fit(tmp_path)
    assert isinstance(trainer.optimizer, torch.optim.Adam)
    kept = [torch.load(tmp_path / f"epoch-{number:03}.pt", weights_only=True) for number in (1, 2)]
    assert [one["metrics"]["epoch"] for one in kept] == [1, 2]
    best = torch.load(tmp_path / "best.pt", weights_only=True)["metrics"]
    history = json.loads((tmp_path / "history.json").read_text())
    assert best["macro_f1"] == max(record["macro_f1"] for record in history)
    assert {"lr", "loss", "val_loss", "accuracy", "macro_precision", "macro_recall", "epoch"} <= set(best)
    with np.load(tmp_path / "val.npz") as saved:
        assert saved["logits"].shape == (len(photos["val"]), 3)
        assert (saved["logits"].argmax(1) == saved["labels"]).mean() == pytest.approx(best["accuracy"])
    _check_board(tmp_path)


def _check_board(run: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run))
    events.Reload()
    tags = events.Tags()
    scalars = {"loss", "val_loss", "accuracy", "macro_precision", "macro_recall", "macro_f1", "lr", "recall/melanoma"}
    assert scalars <= set(tags["scalars"])
    assert len(events.Scalars("loss")) == 2
    assert tags["images"] == ["confusion"]
    kinds = {tag.split("/")[0] for tag in tags["histograms"]}
    assert kinds == {"weights", "gradients", "activations"}


def test_the_confusion_image_is_darkest_where_the_photos_are() -> None:
    image = draw_confusion([[9, 1], [0, 5]], ["acne", "moles"])
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert image.min() < 100


def test_activations_of_every_stage_are_seen_without_changing_the_network() -> None:
    net = build_network("test_resnet", 3).train()
    found = stage_activations(net, torch.zeros(2, 3, 64, 64))
    assert {"conv1", "layer1", "layer4", "fc"} <= set(found)
    assert found["fc"].shape == (2, 3)
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())
