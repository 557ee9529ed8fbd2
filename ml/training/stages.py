"""A network whose last feature map carries the maps of its late stages, under a head of class centres: it sees textures
and shapes, not only what ImageNet's classes needed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ml.training.discriminant import ABSENT, CENTRES

LEAST_REDUCTION = 16  # px of the photo that a cell of the earliest such map stands for


class MixtureHead(nn.Module):
    """Class scores of a mixture discriminant: log-sum-exp over the linear scores of a class's centres.

    As built it is a linear layer: one centre for each class. ``weight`` is [C * CENTRES, D], ``bias`` [C * CENTRES].
    """

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.in_features, self.out_features = features, classes
        self.weight = nn.Parameter(torch.zeros(classes * CENTRES, features))
        self.bias = nn.Parameter(torch.full((classes * CENTRES,), ABSENT))
        linear = nn.Linear(features, classes)
        self.make_linear(linear.weight, linear.bias)

    @torch.no_grad()
    def make_linear(self, weight: Tensor, bias: Tensor) -> None:
        """One centre for each class: weights [C, D], biases [C]."""
        for mine, theirs in ((self.weight.zero_(), weight), (self.bias.fill_(ABSENT), bias)):
            mine[::CENTRES].copy_(theirs)

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits [N, C] of pooled vectors [N, D]."""
        return self._scores(vectors).logsumexp(2)

    def maps(self, features: Tensor, vectors: Tensor) -> Tensor:
        """Class activation maps [N, C, h, w] of the map [N, D, h, w] that ``vectors`` were pooled from: those of a
        class's centres, each by its share in the class's score. A cell's value is the score's gradient by it."""
        shares = self._scores(vectors).softmax(2)[..., None, None]
        each = F.conv2d(features, self.weight[:, :, None, None]).unflatten(1, (self.out_features, CENTRES))
        return (each * shares).sum(2)

    def _scores(self, vectors: Tensor) -> Tensor:
        """Scores [N, C, CENTRES] of every centre."""
        return F.linear(vectors, self.weight, self.bias).unflatten(1, (self.out_features, CENTRES))


class StagedFeatures(nn.Module):
    """``trunk`` (timm, with intermediate maps) under a MixtureHead over all its maps of LEAST_REDUCTION or more.

    Earlier maps are averaged to the cells of the last one, so that pooling gives each stage's mean and a class
    activation map stays exact. Photos are [N, 3, S, S] with S a multiple of the last reduction
    (32 px), else maps do not fit.
    """

    def __init__(self, trunk: nn.Module, classes: int, *, dropout: float = 0.0):
        super().__init__()
        self.trunk = trunk
        self.levels = [i for i, info in enumerate(trunk.feature_info) if info["reduction"] >= LEAST_REDUCTION]
        self.num_features = trunk.num_features + sum(trunk.feature_info[i]["num_chs"] for i in self.levels)
        self.num_classes, self.dropout = classes, dropout
        self.pretrained_cfg, self.feature_info = trunk.pretrained_cfg, trunk.feature_info
        self.classifier = MixtureHead(self.num_features, classes)

    def forward_intermediates(self, images: Tensor, indices: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """The joint last map [N, D, h, w] and the trunk's maps at ``indices``."""
        wanted = sorted({*self.levels, *indices})
        last, maps = self.trunk.forward_intermediates(images, indices=wanted)
        found = dict(zip(wanted, maps, strict=True))
        joined = [F.avg_pool2d(found[i], found[i].shape[-1] // last.shape[-1]) for i in self.levels]
        return torch.cat([last, *joined], 1), [found[i] for i in indices]

    def forward_features(self, images: Tensor) -> Tensor:
        """The joint last map [N, D, h, w]."""
        return self.forward_intermediates(images, ())[0]

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits [N, C], or with ``pre_logits`` the pooled vector [N, D]."""
        pooled = F.dropout(features.mean((2, 3)), self.dropout, self.training)
        return pooled if pre_logits else self.classifier(pooled)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, C]."""
        return self.forward_head(self.forward_features(images))

    def get_classifier(self) -> MixtureHead:
        """The head."""
        return self.classifier
