"""MixUp (Zhang et al. 2018) and CutMix (Yun et al. 2019) on a batch."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MIXUP_ALPHA = 0.2


def mix_batch(images: Tensor, labels: Tensor, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix [N, 3, S, S] with itself in another order; returns images and soft targets [N, classes].

    One half of the batches is blended, in the other a box of each photo comes from another one.
    """
    order = torch.randperm(len(images), generator=generator)
    if float(torch.rand(1, generator=generator)) < 0.5:
        images, share = _blend(images, order, generator)
    else:
        images, share = _paste(images, order, generator)
    target = F.one_hot(labels, classes).float()
    return images, share * target + (1 - share) * target[order]


def _blend(images: Tensor, order: Tensor, generator: torch.Generator) -> tuple[Tensor, float]:
    share = float(torch._sample_dirichlet(torch.full((2,), MIXUP_ALPHA), generator=generator)[0])
    return share * images + (1 - share) * images[order], share


def _paste(images: Tensor, order: Tensor, generator: torch.Generator) -> tuple[Tensor, float]:
    size = images.shape[-1]
    side = round(size * math.sqrt(float(torch.rand(1, generator=generator)) * 0.5))
    top, left = (int(v) for v in torch.randint(0, size - side + 1, (2,), generator=generator))
    images = images.clone()
    images[:, :, top : top + side, left : left + side] = images[order][:, :, top : top + side, left : left + side]
    return images, 1 - side**2 / size**2
