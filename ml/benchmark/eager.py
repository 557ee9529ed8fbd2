"""The yardstick: the same photo through eager fp32 PyTorch, as the paper's stack runs it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms

from ml.releases.loader import Release
from ml.serving.torch_engine import build_member, load_weights

PAPER = {"mobilenetv3_large_100": 0.4, "densenet121": 0.3, "efficientnet_b3": 0.3}
PAPER_SIDE, CLASSES = 224, 13
_PREPARE = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.CenterCrop(PAPER_SIDE),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)


@dataclass(frozen=True)
class EagerStack:
    """Networks with their input sizes in pixels and shares in the vote, one after the other in fp32 on ``device``."""

    networks: Sequence[nn.Module]
    sides: Sequence[int]
    weights: Sequence[float]
    device: str

    @classmethod
    def of_release(cls, release: Release, device: str) -> EagerStack:
        """The members of ``release`` at their own sizes. Raises ``ReleaseError``."""
        stored = load_weights(release)
        networks = [build_member(release, member, stored).to(device) for member in release.members]
        sides = [member.input_size for member in release.members]
        return cls(networks, sides, [member.weight for member in release.members], device)

    @classmethod
    def of_paper(cls, device: str) -> EagerStack:
        """The paper's three networks at 224 px with random weights: speed does not depend on them."""
        networks = [timm.create_model(name, num_classes=CLASSES).eval().to(device) for name in PAPER]
        return cls(networks, [PAPER_SIDE] * len(PAPER), list(PAPER.values()), device)

    @torch.no_grad()
    def run(self, batches: Sequence[np.ndarray]) -> Tensor:
        """Voted probabilities [N, C] for one batch float32 [N, 3, S, S] per network."""
        inputs = [torch.from_numpy(batch).to(self.device) for batch in batches]
        votes = [
            weight * network(images).softmax(1)
            for network, images, weight in zip(self.networks, inputs, self.weights, strict=True)
        ]
        return torch.stack(votes).sum(0).cpu()

    def predict(self, photo: bytes) -> list[float]:
        """Decode, prepare as the paper does (only for networks of one size), and vote."""
        image = _PREPARE(Image.open(io.BytesIO(photo)).convert("RGB")).unsqueeze(0).numpy()
        return self.run([image] * len(self.networks))[0].tolist()

    def gflop(self) -> float:
        """10^9 floating point operations for one photo; a multiplication with its addition counts as two."""
        return sum(count_flop(net, side) for net, side in zip(self.networks, self.sides, strict=True)) / 1e9


@torch.no_grad()
def count_flop(net: nn.Module, side: int) -> int:
    """Floating point operations of convolutions and matrix products in one pass over one picture of ``side`` pixels."""
    device = next(net.parameters()).device
    with FlopCounterMode(display=False) as counter:
        net.eval()(torch.zeros(1, 3, side, side, device=device))
    return counter.get_total_flops()
