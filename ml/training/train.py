"""The training loop: labels and, beside them, the features of a teacher that has seen ImageNet."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score
from timm.optim import param_groups_layer_decay
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from tqdm import tqdm

from ml.data.manifest import Manifest
from ml.data.pack import Packed
from ml.training.augment import augment_batch, center_view, random_crop
from ml.training.board import Board
from ml.training.discriminant import fit_discriminant
from ml.training.distill import Distiller
from ml.training.further import Kin
from ml.training.loader import prefetch
from ml.training.mix import mix_batch
from ml.training.networks import bf16_helps, build_network, input_statistics, split_features
from ml.training.recipe import (
    build_optimizer,
    check_choices,
    class_weights,
    draw_epoch,
    epochs_since_best,
    learning_rate,
)
from ml.training.stages import MixtureHead

NO_LABEL = -1


@dataclass(frozen=True)
class TrainConfig:
    """Everything that a run depends on; stored in its checkpoints.

    ``size`` in px (``final_size``: that of the last ``final_share`` of the epochs). ``distill`` weighs the teacher's
    feature maps, ``imitate`` its answers; both 0 = no teacher. ``mix``: share of batches under MixUp or CutMix.
    ``probe``: the first head, see `fit_head`. ``layer_decay``: factor of the learning rate from one layer group to the
    one before it. ``source_power``: 0 draws the photos of a class alike, 1 draws its sources alike. ``freeze`` keeps
    the stem and so many stages as they are. ``balance``, ``optimizer``, ``schedule``, ``precision``: see
    ml.training.recipe.
    A run stops when ``stop_on`` has not improved for ``patience`` epochs; ``keep_every`` keeps a checkpoint every so
    many epochs (0: none); ``workers`` threads prepare batches ahead; ``board``: off, scalars or full (histograms too).
    Raises ValueError for a choice that does not exist.
    """

    architecture: str
    init: str = "none"
    activation: str = ""
    probe: str = "none"
    teacher: str = "tf_efficientnet_lite2"
    distill: float = 1.0
    imitate: float = 0.0
    mix: float = 0.0
    layer_decay: float = 1.0
    source_power: float = 0.0
    freeze: int = 0
    settle: bool = False
    fixed_norms: bool = False
    size: int = 160
    final_size: int = 0
    final_share: float = 0.3
    epochs: int = 10
    batch: int = 32
    lr: float = 1e-3
    weight_decay: float = 0.02
    warmup: float = 0.08
    dropout: float = 0.3
    label_smoothing: float = 0.1
    extra_share: float = 0.25
    ema: float = 0.998
    patience: int = 5
    seed: int = 1
    threads: int = 0
    balance: str = "sqrt"
    optimizer: str = "adamw"
    schedule: str = "cosine"
    precision: str = "auto"
    stop_on: str = "macro_f1"
    keep_every: int = 0
    workers: int = 0
    board: str = "off"

    def __post_init__(self) -> None:
        check_choices(asdict(self))


@dataclass(frozen=True)
class Photos:
    """Packed photos with class indices (NO_LABEL where unknown), rows in the same order."""

    packed: Packed
    labels: np.ndarray
    rows: np.ndarray
    sources: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)


def select_photos(manifest: Manifest, packed: Packed, part: str | None) -> Photos:
    """Photos of one part; ``None`` takes every row."""
    rows = [i for i, row in enumerate(manifest.rows) if part is None or row.part == part]
    names = [manifest.rows[i].label for i in rows]
    index = {slug: number for number, slug in enumerate(manifest.classes)}
    sources = np.array([manifest.rows[i].source for i in rows])
    return Photos(packed, np.array([index.get(name, NO_LABEL) for name in names]), np.array(rows), sources)


class Trainer:
    """State of one run. ``fit`` goes on from ``run/last.pt`` when it exists and ``resume`` is set."""

    def __init__(
        self, config: TrainConfig, classes: list[str], train: Photos, val: Photos, extra: Photos | None = None
    ):
        self.config, self.classes, self.train, self.val, self.extra = config, classes, train, val, extra
        torch.manual_seed(config.seed)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.net = build_network(
            config.architecture,
            len(classes),
            init=config.init,
            dropout=config.dropout,
            activation=config.activation,
        )
        self.net = self.net.to(memory_format=torch.channels_last)
        _freeze_early(self.net, config.freeze)
        self.kin = Kin(train.labels, train.sources, extra.labels, extra.sources) if extra else None
        self.mean, self.std = (torch.tensor(v).view(3, 1, 1) for v in input_statistics(self.net))
        self.bf16 = config.precision == "bf16" or (config.precision == "auto" and bf16_helps(config.architecture))
        self.class_weights = class_weights(train.labels, len(classes), config.balance)
        self.distiller = Distiller(config, self.net) if config.distill or config.imitate else None
        self.epoch, self.step, self.best, self.history = 0, 0, -1.0, []
        if config.settle:
            self._settle_norms()
        if config.probe != "none":
            fit_head(self.net, self.train, size=config.size, how=config.probe)
        self.ema = ModelEmaV3(self.net, decay=config.ema, use_warmup=True)
        self.optimizer = build_optimizer(config, self._parameter_groups())

    def fit(self, run: Path, *, resume: bool = False) -> Path:
        """Train to the last epoch or until ``patience`` epochs bring nothing. Returns the best checkpoint."""
        run.mkdir(parents=True, exist_ok=True)
        if resume and (run / "last.pt").is_file():
            self._restore(run / "last.pt")
        board = Board(run, self.classes, full=self.config.board == "full") if self.config.board != "off" else None
        if (self.config.probe != "none" or self.config.init.startswith("inherit:")) and not self.history:
            self._keep_if_best(run, *self._validate())
        while self.epoch < self.config.epochs and not self._stale():
            torch.manual_seed(self.config.seed * 1000 + self.epoch)
            trained, (judged, logits) = self._train_epoch(), self._validate()
            self.epoch += 1
            record = trained | judged
            self.history.append({"epoch": self.epoch, "time": time.strftime("%H:%M:%S"), **record})
            self._keep_if_best(run, record, logits)
            self._keep(run)
            if board:
                self._show(board, record, logits)
        return run / "best.pt"

    def _keep(self, run: Path) -> None:
        """What a resumed run needs, the curve, and now and then a checkpoint that stays."""
        _save(run / "last.pt", self._full_state())
        (run / "history.json").write_text(json.dumps(self.history, indent=1))
        if self.config.keep_every and self.epoch % self.config.keep_every == 0:
            _save(run / f"epoch-{self.epoch:03}.pt", self._release_state() | {"metrics": self.history[-1]})

    def _keep_if_best(self, run: Path, record: dict[str, float], logits: np.ndarray) -> None:
        """A probed or inherited head is a result of its own, to be beaten. Its validation logits stay beside it."""
        if record["macro_f1"] > self.best:
            self.best = record["macro_f1"]
            _save(run / "best.pt", self._release_state() | {"metrics": {"epoch": self.epoch, **record}})
            np.savez(run / "val.npz", logits=logits, labels=self.val.labels, rows=self.val.rows)

    def _show(self, board: Board, record: dict[str, float], logits: np.ndarray) -> None:
        board.epoch(self.epoch, record, logits, self.val.labels)
        size = self._size()
        images = torch.stack([center_view(self.val.packed[int(row)], size) for row in self.val.rows[:8]])
        board.network(self.epoch, self.net, self._normalise(images))
        if self.epoch == self.config.epochs or self._stale():
            board.close()

    def _train_epoch(self) -> dict[str, float]:
        self.net.train()
        if self.config.fixed_norms:
            _fix_norms(self.net)
        order = self._draw(np.random.default_rng([self.config.seed, self.epoch]))
        batches = np.array_split(order, max(1, len(order) // self.config.batch))
        ready = prefetch(lambda number: self._prepare(number, batches[number]), len(batches), self.config.workers)
        losses = []
        bar = tqdm(ready, desc=f"epoch {self.epoch + 1}", total=len(batches), mininterval=30)
        for number, (images, targets, known) in enumerate(bar):
            rate = self._set_rate((self.epoch + number / len(batches)) / self.config.epochs)
            losses.append(self._update(images, targets, known))
        return {"loss": float(np.mean(losses)), "lr": rate}

    def _prepare(self, number: int, batch: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Batch ``number`` of this epoch: images [N, 3, S, S] in 0..1, soft targets [N, C], which have a label [N].

        Its randomness depends on seed, epoch and number alone: any thread may make it.
        """
        rng = np.random.default_rng([self.config.seed, self.epoch, number])
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        images, labels = self._load(batch, rng, generator)
        return *self._mix(images, labels, generator), labels != NO_LABEL

    def _update(self, images: Tensor, targets: Tensor, known: Tensor) -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            logits, maps = self._forward(images)
        loss = self._label_loss(logits.float(), targets, known)
        if self.distiller:
            loss = loss + self.distiller(images, logits.float(), maps)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        self.ema.update(self.net, step=self.step)
        return float(loss.detach())

    def _forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        return split_features(self.net, self._normalise(images))

    def _label_loss(self, logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        if not bool(known.any()):
            return logits.sum() * 0
        smooth = self.config.label_smoothing
        return F.cross_entropy(logits[known], targets[known], self.class_weights, label_smoothing=smooth)

    def _mix(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Some batches are mixed; one with unlabelled photos is left alone, for a mixed photo needs both labels."""
        if bool((labels == NO_LABEL).any()) or float(torch.rand(1, generator=generator)) >= self.config.mix:
            return images, F.one_hot(labels.clamp_min(0), len(self.classes)).float()
        return mix_batch(images, labels, len(self.classes), generator)

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        """One epoch: photos (>= 0) as ``balance`` says, further ones as -1 - index: kin, and some for a teacher."""
        config, factor = self.config, None
        if config.source_power:
            factor = _source_weight(self.train) ** config.source_power
        order = draw_epoch(self.train.labels, config.balance, rng, seed=config.seed, factor=factor)
        if self.kin:
            order = self.kin.widen(order, rng)
        if self.extra and self.distiller:
            count = min(len(self.extra), round(self.config.extra_share * len(order)))
            order = np.concatenate([order, -1 - rng.choice(len(self.extra), count, replace=False)])
        return rng.permutation(order)

    def _load(self, batch: np.ndarray, rng: np.random.Generator, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        found = [(self.train, i) if i >= 0 else (self.extra, -1 - i) for i in map(int, batch)]
        images = torch.stack([random_crop(kind.packed[int(kind.rows[i])], self._size(), rng) for kind, i in found])
        labels = torch.tensor([int(kind.labels[i]) for kind, i in found])
        return augment_batch(images, generator), labels

    def _size(self) -> int:
        """Progressive resizing: small photos first, which costs a fraction; the last epochs see them larger."""
        late = self.epoch >= round(self.config.epochs * (1 - self.config.final_share))
        return self.config.final_size if self.config.final_size and late else self.config.size

    def _normalise(self, images: Tensor) -> Tensor:
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def _set_rate(self, progress: float) -> float:
        """Set the learning rate of every group by its share; returns that of the last layer."""
        rate = learning_rate(self.config, progress, self.history)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        return rate

    def _validate(self) -> tuple[dict[str, float], np.ndarray]:
        """Figures of the averaged weights on validation, and their logits [N, C]."""
        logits = predict_logits(self.ema.module, self.val, size=self.config.final_size or self.config.size)
        guess, truth = logits.argmax(1), self.val.labels
        macro = {"average": "macro", "zero_division": 0}
        record = {
            "val_loss": float(F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(truth))),
            "accuracy": float((guess == truth).mean()),
            "balanced_accuracy": float(balanced_accuracy_score(truth, guess)),
            "macro_precision": float(precision_score(truth, guess, **macro)),
            "macro_recall": float(recall_score(truth, guess, **macro)),
            "macro_f1": float(f1_score(truth, guess, **macro)),
        }
        return record, logits

    @torch.no_grad()
    def _settle_norms(self, batches: int = 12) -> None:
        """Batch norm statistics of inherited layers, from training photos, before the first step."""
        rng, generator = np.random.default_rng(self.config.seed), torch.Generator().manual_seed(self.config.seed)
        norms = [module for module in self.net.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        self.net.train()
        for _ in range(batches):
            images, _ = self._load(self._draw(rng)[: self.config.batch], rng, generator)
            self.net(self._normalise(images))
        for norm in norms:
            norm.momentum = 0.05

    def _parameter_groups(self) -> list[dict]:
        """Early layers learn more slowly (``layer_decay``); scales and shifts are not decayed towards 0."""
        groups = param_groups_layer_decay(
            self.net, weight_decay=self.config.weight_decay, layer_decay=self.config.layer_decay
        )
        shares = [{"params": g["params"], "weight_decay": g["weight_decay"], "share": g["lr_scale"]} for g in groups]
        adapters = list(self.distiller.adapters.parameters()) if self.distiller else []
        return shares + ([{"params": adapters, "share": 1.0}] if adapters else [])

    def _stale(self) -> bool:
        return epochs_since_best(self.history, self.config.stop_on) >= self.config.patience

    def _release_state(self) -> dict:
        return {
            "model": self.ema.module.state_dict(),
            "config": asdict(self.config),
            "classes": self.classes,
            "epoch": self.epoch,
            "history": self.history,
        }

    def _full_state(self) -> dict:
        return self._release_state() | {
            "net": self.net.state_dict(),
            "adapters": self.distiller.adapters.state_dict() if self.distiller else {},
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "best": self.best,
            "rng": torch.get_rng_state(),
        }

    def _restore(self, file: Path) -> None:
        state = torch.load(file, weights_only=True)
        if state["classes"] != self.classes:
            raise ValueError(f"{file} was trained on other classes.")
        self.net.load_state_dict(state["net"])
        self.ema.module.load_state_dict(state["model"])
        if self.distiller:
            self.distiller.adapters.load_state_dict(state["adapters"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step = state["epoch"], state["step"]
        self.best, self.history = state["best"], state["history"]
        torch.set_rng_state(state["rng"])


def _source_weight(photos: Photos) -> np.ndarray:
    """One over the number of photos of the same class and source, times the class size over its sources: mean 1."""
    pairs = [f"{label} {source}" for label, source in zip(photos.labels, photos.sources, strict=True)]
    names, index, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    sources = np.bincount([int(name.split()[0]) for name in names])
    return np.bincount(photos.labels)[photos.labels] / (sources[photos.labels] * counts[index])


def _freeze_early(net: nn.Module, stages: int) -> None:
    """Stem and the first ``stages`` stages of an inverted residual network keep their weights."""
    if stages and not hasattr(net, "conv_stem"):
        raise ValueError("Only networks with a stem and stages (EfficientNet, MobileNet) can be frozen.")
    if stages:
        for module in (net.conv_stem, net.bn1, *net.blocks[:stages]):
            module.requires_grad_(False)


def _fix_norms(net: nn.Module) -> None:
    """Inherited statistics stay as ImageNet left them: those of small batches of skin would change every feature."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def predict_logits(net: nn.Module, photos: Photos, *, size: int, crop: str = "center") -> np.ndarray:
    """Logits float32 [N, C] of the evaluation view of each photo."""
    return run_photos(net, photos, net, size=size, crop=crop)


def embed_photos(net: nn.Module, photos: Photos, *, size: int, crop: str = "center") -> np.ndarray:
    """Pooled embeddings float32 [N, D], the input of the last layer."""
    return run_photos(
        net, photos, lambda x: net.forward_head(net.forward_features(x), pre_logits=True), size=size, crop=crop
    )


@torch.no_grad()
def run_photos(
    net: nn.Module, photos: Photos, forward: Callable, *, size: int, crop: str = "center", batch: int = 32
) -> np.ndarray:
    """``forward`` of the normalised evaluation views, in batches."""
    net.eval()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in input_statistics(net))
    outputs = []
    for rows in tqdm(np.array_split(photos.rows, max(1, len(photos) // batch)), desc="asking", delay=5, leave=False):
        images = torch.stack([center_view(photos.packed[int(row)], size, crop=crop) for row in rows])
        outputs.append(forward(((images - mean) / std).contiguous(memory_format=torch.channels_last)))
    return torch.cat(outputs).float().numpy()


def fit_head(net: nn.Module, photos: Photos, *, size: int, how: str = "logistic", penalty: float = 0.05) -> None:
    """A linear model of frozen features becomes the last layer: linear probing before fine-tuning keeps more of what
    transfers to other sources (Kumar et al. 2022). ``how``: ``logistic`` regression with class weights and L2 term
    1 / ``penalty`` on standardised features, or ``discriminant``: see ml.training.discriminant."""
    last = net.get_classifier()
    if how == "discriminant" and not isinstance(last, MixtureHead):
        raise ValueError("A discriminant needs a network with centres of classes: one whose name ends in _stages.")
    features = embed_photos(net, photos, size=size)
    if how == "discriminant":
        found = fit_discriminant(features, photos.labels, photos.sources, last.out_features)
    else:
        found = _fit_logistic(features, photos.labels, penalty)
    weight, bias = (torch.from_numpy(values) for values in found)
    with torch.no_grad():
        if isinstance(last, MixtureHead) and how != "discriminant":
            last.make_linear(weight, bias)
        else:
            last.weight.copy_(weight)
            last.bias.copy_(bias)


def _fit_logistic(features: np.ndarray, labels: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    mean, std = features.mean(0), features.std(0) + 1e-6
    model = LogisticRegression(C=penalty, class_weight="balanced", max_iter=300)
    model.fit((features - mean) / std, labels)
    weight = model.coef_ / std
    return weight, model.intercept_ - weight @ mean


def _save(file: Path, state: dict) -> None:
    """Write beside, then rename: a kill in the middle leaves the old checkpoint."""
    torch.save(state, file.with_suffix(".tmp"))
    os.replace(file.with_suffix(".tmp"), file)
