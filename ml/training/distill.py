"""What a student learns from a teacher: feature maps and answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ml.training.inherit import PARENTS
from ml.training.networks import PACKAGED, bf16_helps, input_statistics, load_packaged, load_trained, split_features

if TYPE_CHECKING:
    from ml.training.train import TrainConfig

SOFTNESS = 2.0  # temperature of the teacher's answers (Hinton et al. 2015)


class Distiller:
    """Feature distillation (FitNets, Romero et al. 2015): 1x1 convolutions map the student's last and two earlier
    feature maps onto the teacher's, each teacher channel standardised over the batch. A teacher that was trained on the
    same classes (a checkpoint) also gives its answers for the same views (Beyer et al. 2022)."""

    def __init__(self, config: TrainConfig, student: nn.Module):
        self.config = config
        trained = config.teacher not in PACKAGED
        if config.imitate and not trained:
            raise ValueError(f"{config.teacher} knows no classes of ours: imitate needs a trained teacher.")
        teacher = load_trained(Path(config.teacher)) if trained else load_packaged(config.teacher)
        self.teacher = teacher.requires_grad_(False).to(memory_format=torch.channels_last)
        self.mean, self.std = (torch.tensor(v).view(3, 1, 1) for v in input_statistics(self.teacher))
        self.bf16 = bf16_helps(config.architecture)
        probe = torch.zeros(2, 3, config.size, config.size)
        with torch.no_grad():
            pairs = zip(*(split_features(net.eval(), probe)[1] for net in (student, self.teacher)), strict=True)
        self.adapters = nn.ModuleList(_adapter(mine.shape[1], theirs.shape[1]) for mine, theirs in pairs)
        if PARENTS.get(config.architecture) == config.teacher:
            for adapter in self.adapters:
                nn.init.dirac_(adapter[1].weight)

    def __call__(self, images: Tensor, logits: Tensor, maps: list[Tensor]) -> Tensor:
        """Loss of student ``logits`` [N, C] and feature ``maps`` for ``images`` [N, 3, S, S] in 0..1."""
        inputs = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            answers, targets = split_features(self.teacher, inputs)
        loss = logits.new_zeros(())
        if self.config.distill:
            loss = loss + self.config.distill * self._features(maps, targets)
        if self.config.imitate:
            loss = loss + self.config.imitate * _imitation(logits, answers.float())
        return loss

    def _features(self, maps: list[Tensor], targets: list[Tensor]) -> Tensor:
        losses = [
            F.smooth_l1_loss(adapter(mine.float()), F.batch_norm(target.float(), None, None, training=True))
            for adapter, mine, target in zip(self.adapters, maps, targets, strict=True)
        ]
        return sum(losses)


def _imitation(logits: Tensor, answers: Tensor) -> Tensor:
    """Divergence from the teacher's softened answers, scaled so that gradients keep their size."""
    soft = F.log_softmax(answers / SOFTNESS, 1)
    return F.kl_div(F.log_softmax(logits / SOFTNESS, 1), soft, log_target=True, reduction="batchmean") * SOFTNESS**2


def _adapter(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(inputs, affine=False), nn.Conv2d(inputs, outputs, 1))
