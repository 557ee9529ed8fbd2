"""First weights by inheritance: a network takes over the channels of a trained relative of its family.

EfficientNet-B3 grows out of EfficientNet-Lite2 (new channels start with no influence, extra blocks as identities:
Net2Net, Chen et al. 2016); MobileNetV3 keeps the strongest channels of EfficientNet-Lite0. The Lite networks use
ReLU6 without squeeze-excitation: gates start open, and where the child's activation is another one, its input is
scaled so that SiLU and hard swish act almost like ReLU. EfficientNet-B3 built with ReLU6 computes what Lite2 computes
(median correlation of the last map's channels 0.99 on 64 validation photos; with SiLU 0.14 at the scale used here and
0.56 at scale 8, mostly because nothing clips at 6 there). Where channels are
lost (MobileNetV3), batch norm statistics no longer fit and are to be re-estimated before use.
"""

from __future__ import annotations

import torch
from torch import nn

from ml.training.networks import input_statistics, load_packaged

PARENTS = {"efficientnet_b3": "tf_efficientnet_lite2", "mobilenetv3_large_100": "tf_efficientnet_lite0"}
OPEN_GATE = 2.0  # sigmoid 0.88, hard sigmoid 0.83: open, and still with a gradient


def _sharpness(activation: nn.Module) -> float:
    """Scale of an activation's input: SiLU(3x)/3 differs from ReLU(x) by at most 0.09; ReLU6 needs none."""
    return 1.0 if isinstance(activation, nn.ReLU6) else 3.0


Channels = torch.Tensor  # for each channel of the child the channel of the parent, -1 for a new one


@torch.no_grad()
def inherit_from_lite(child: nn.Module, architecture: str, parent: nn.Module | None = None) -> None:
    """Fill ``child`` in place from ``parent`` (default: its packaged relative), the last layer too where the classes
    are as many. Raises ValueError for an architecture without a packaged relative."""
    if architecture not in PARENTS:
        raise ValueError(f"{architecture} has no packaged relative to inherit from.")
    parent = parent or load_packaged(PARENTS[architecture])
    sharp = _sharpness(child.bn1.act)
    stream = _choose(parent.conv_stem.weight, len(child.conv_stem.weight))
    _copy_conv(child.conv_stem, parent.conv_stem, stream, torch.arange(3))
    std_ratio = torch.tensor(input_statistics(child)[1]) / torch.tensor(input_statistics(parent)[1])
    offset = torch.tensor(input_statistics(child)[0]) - torch.tensor(input_statistics(parent)[0])
    offset = offset / torch.tensor(input_statistics(parent)[1])
    _copy_norm(child.bn1, parent.bn1, stream, writes=sharp)
    known = stream >= 0
    child.bn1.running_mean[known] -= (child.conv_stem.weight * offset[:, None, None]).sum((1, 2, 3))[known]
    child.conv_stem.weight.mul_(std_ratio[:, None, None])
    for mine, theirs in zip(child.blocks, parent.blocks, strict=False):
        if not hasattr(mine[0], "conv_dw"):
            break
        stream = _copy_stage(mine, theirs, stream, sharp)
    if child.conv_head.in_channels == len(stream) and hasattr(child, "bn2"):
        out = _choose(parent.conv_head.weight, child.conv_head.out_channels)
        _copy_conv(child.conv_head, parent.conv_head, out, stream)
        _copy_norm(child.bn2, parent.bn2, out, writes=sharp)
        _copy_classifier(child.classifier, parent.classifier, out)


def _copy_classifier(mine: nn.Linear, theirs: nn.Linear, channels: Channels) -> None:
    if mine.out_features == theirs.out_features:
        known = channels >= 0
        mine.weight.zero_()
        mine.weight[:, known] = theirs.weight[:, channels[known]]
        mine.bias.copy_(theirs.bias)


def _copy_stage(mine: nn.Sequential, theirs: nn.Sequential, stream: Channels, sharp: float) -> Channels:
    """Copy block by block; blocks beyond the parent's last repeat it and start as identities."""
    last = theirs[-1]
    project = last.conv_pwl if hasattr(last, "conv_pwl") else last.conv_pw
    out = _choose(project.weight, _out_channels(mine[-1]))
    for index, block in enumerate(mine):
        source = theirs[min(index, len(theirs) - 1)]
        if _fits(block, source, stream):
            _copy_block(block, source, stream, out, sharp)
        if index >= len(theirs):
            last_norm = block.bn3 if hasattr(block, "bn3") else block.bn2
            last_norm.weight.zero_()
            last_norm.bias.zero_()
        stream = out
    return out


def _fits(mine: nn.Module, theirs: nn.Module, stream: Channels) -> bool:
    """A parent's only block cannot be repeated where it widens the stream."""
    if hasattr(mine, "conv_pwl") != hasattr(theirs, "conv_pwl"):
        return False
    reads = theirs.conv_pw.in_channels if hasattr(theirs, "conv_pwl") else theirs.conv_dw.in_channels
    return int(stream.max()) < reads


def _copy_block(mine: nn.Module, theirs: nn.Module, stream: Channels, out: Channels, sharp: float) -> None:
    inner = stream
    gate = _open_gate(mine.se)
    if hasattr(mine, "conv_pwl"):
        inner = _choose(theirs.conv_pwl.weight.transpose(0, 1), mine.conv_pwl.in_channels)
        _copy_conv(mine.conv_pw, theirs.conv_pw, inner, stream)
        _copy_norm(mine.bn1, theirs.bn1, inner, writes=sharp)
        _copy_conv(mine.conv_pwl, theirs.conv_pwl, out, inner)
        _copy_norm(mine.bn2, theirs.bn2, inner, reads=sharp, writes=sharp)
        _copy_norm(mine.bn3, theirs.bn3, out, reads=sharp * gate)
    else:
        _copy_norm(mine.bn1, theirs.bn1, inner, reads=sharp, writes=sharp)
        _copy_conv(mine.conv_pw, theirs.conv_pw, out, inner)
        _copy_norm(mine.bn2, theirs.bn2, out, reads=sharp * gate)
    _copy_conv(mine.conv_dw, theirs.conv_dw, inner, torch.zeros(1, dtype=torch.long))


def _open_gate(gate: nn.Module) -> float:
    """Set a squeeze-excitation gate almost open; returns the factor it lets through."""
    if not hasattr(gate, "conv_expand"):
        return 1.0
    gate.conv_expand.weight.zero_()
    gate.conv_expand.bias.fill_(OPEN_GATE)
    return float(gate.gate(torch.tensor(OPEN_GATE)))


def _out_channels(block: nn.Module) -> int:
    return (block.conv_pwl if hasattr(block, "conv_pwl") else block.conv_pw).out_channels


def _choose(weight: torch.Tensor, count: int) -> Channels:
    """The ``count`` channels (dimension 0) of largest norm in their old order, filled up with -1."""
    have = len(weight)
    if count >= have:
        return torch.cat([torch.arange(have), torch.full((count - have,), -1)])
    return weight.flatten(1).norm(dim=1).topk(count).indices.sort().values


def _copy_conv(mine: nn.Conv2d, theirs: nn.Conv2d, out: Channels, into: Channels) -> None:
    """Known to known is copied (kernels cropped or padded at the centre); a new input has no say in a known output."""
    kernel = _fit_kernel(theirs.weight, mine.kernel_size[0])
    known_out, known_in = out >= 0, into >= 0
    block = torch.zeros(int(known_out.sum()), len(into), *kernel.shape[2:])
    block[:, known_in] = kernel[out[known_out]][:, into[known_in]]
    mine.weight[known_out] = block


def _fit_kernel(weight: torch.Tensor, size: int) -> torch.Tensor:
    margin = (size - weight.shape[-1]) // 2
    return nn.functional.pad(weight, [margin] * 4)


def _copy_norm(mine: nn.Module, theirs: nn.Module, channels: Channels, *, reads: float = 1.0, writes: float = 1.0):
    """Take over scale, shift and statistics; input arrives ``reads`` times and output leaves ``writes`` times as large.

    The variance is chosen so that the sum of variance and epsilon stays the parent's.
    """
    known, source = channels >= 0, channels[channels >= 0]
    mine.weight[known] = theirs.weight[source] * writes
    mine.bias[known] = theirs.bias[source] * writes
    mine.running_mean[known] = theirs.running_mean[source] * reads
    mine.running_var[known] = (theirs.running_var[source] + theirs.eps) * reads**2 - mine.eps
