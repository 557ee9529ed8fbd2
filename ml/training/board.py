"""What TensorBoard shows of a run: `tensorboard --logdir var/runs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ml.ensemble import softmax
from ml.evaluation.metrics import confusion, per_class

ACTIVATION_PHOTOS = 8


class Board:
    """Writes events of one run below ``folder``. ``full``: also histograms of weights, gradients and activations."""

    def __init__(self, folder: Path, classes: Sequence[str], *, full: bool) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.classes, self.full = list(classes), full
        self.writer = SummaryWriter(str(folder))

    def epoch(self, number: int, record: Mapping[str, Any], logits: np.ndarray, labels: np.ndarray) -> None:
        """Scalars of ``record``, recall and precision by class and the confusion matrix as an image."""
        for name, value in record.items():
            if isinstance(value, int | float):
                self.writer.add_scalar(name, value, number)
        probabilities = softmax(logits)
        for slug, figures in per_class(probabilities, labels, self.classes).items():
            for measure in ("recall", "precision"):
                if figures[measure]:
                    self.writer.add_scalar(f"{measure}/{slug}", figures[measure]["value"], number)
        image = draw_confusion(confusion(probabilities, labels), self.classes)
        self.writer.add_image("confusion", image, number, dataformats="HWC")
        self.writer.flush()

    def network(self, number: int, net: nn.Module, images: Tensor) -> None:
        """Histograms of each weight, its last gradient and each stage's activations for normalised ``images``."""
        if not self.full:
            return
        for name, weight in net.named_parameters():
            self.writer.add_histogram(f"weights/{name}", weight.detach(), number)
            if weight.grad is not None:
                self.writer.add_histogram(f"gradients/{name}", weight.grad, number)
        for name, values in stage_activations(net, images[:ACTIVATION_PHOTOS]).items():
            self.writer.add_histogram(f"activations/{name}", values, number)
        self.writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()


@torch.no_grad()
def stage_activations(net: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Output of every direct part of ``net`` (and of its stages, where they are a list), in evaluation mode."""
    parts = dict(net.named_children())
    for name, part in list(parts.items()):
        if isinstance(part, nn.Sequential):
            parts |= {f"{name}.{inner}": stage for inner, stage in part.named_children()}
    seen: dict[str, Tensor] = {}
    hooks = [
        part.register_forward_hook(lambda _module, _inputs, output, name=name: seen.__setitem__(name, output))
        for name, part in parts.items()
    ]
    training = net.training
    try:
        net.eval()(images)
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    return {name: value for name, value in seen.items() if isinstance(value, Tensor)}


def draw_confusion(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> np.ndarray:
    """uint8 [h, w, 3]: rows are the true classes, shade is the share of the row, numbers are photos."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    table = np.asarray(counts)
    side = 2 + 0.42 * len(classes)
    figure = Figure(figsize=(side + 1, side), dpi=80, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.add_subplot()
    axes.imshow(table / np.maximum(table.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=90)
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="likeliest class", ylabel="true class")
    for row, column in np.argwhere(table):
        share = table[row, column] / table[row].sum()
        color = "white" if share > 0.5 else "black"
        axes.text(column, row, str(table[row, column]), ha="center", va="center", color=color, fontsize=7)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
