"""The engine for CUDA: every member of a release as a timm network in PyTorch, built from the release alone.

On CUDA the networks run in fp16 and channels last, compiled once, and captured as one CUDA graph for each batch size.
The same class runs on the CPU, where its tests ask whether it says what ONNX Runtime says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ml.releases.loader import Member, Release, ReleaseError
from ml.serving.devices import usable_cores
from ml.serving.engine import Engine
from ml.serving.results import Output
from ml.training.networks import SCALE, Outputs, build_network, restore

# Batches are filled up to the next of these: a CUDA graph has fixed shapes, and a captured size costs memory.
SIZES = (1, 2, 4, 8, 16, 32, 64)
COMPILATIONS = 64  # two sizes of each member of two releases, with room; PyTorch's own limit is 8
OWN_ACTIVATION = "as in the architecture"
log = logging.getLogger(__name__)


class TorchEngine(Engine):
    """All members of ``release`` on ``device``; ``precision``: default fp16 on CUDA, fp32 on the CPU.

    Not bf16, whose 8 bits move a probability by up to .05; see docs/decisions/0018.
    """

    def __init__(self, release: Release, *, device: str = "cuda", precision: torch.dtype | None = None) -> None:
        super().__init__(release, decoders=usable_cores())
        self.batch_size = SIZES[-1]
        precision = precision or (torch.float16 if device == "cuda" else torch.float32)
        stored = load_weights(release)
        nets = [build_member(release, member, stored) for member in release.members]
        self._networks = [TorchNetwork(net, device=device, precision=precision) for net in nets]
        self._sizes = SIZES if device == "cuda" else SIZES[:1]

    def warm_up(self) -> None:
        """Compile and capture every batch size, largest first: its memory serves the smaller ones."""
        for size in reversed(self._sizes):
            if size <= self.batch_size:
                self.run_networks([np.zeros((size, 3, m.input_size, m.input_size), "f") for m in self.release.members])
        super().warm_up()

    def run_networks(self, batches: Sequence[np.ndarray]) -> list[Output]:
        """One pass of every member. Where memory does not suffice, two passes over half of the photos, from now on."""
        try:
            return [network.run(images) for network, images in zip(self._networks, batches, strict=True)]
        except torch.OutOfMemoryError:
            half = len(batches[0]) // 2
            if not half:
                raise
        # Outside of the except clause, whose traceback would keep the tensors alive.
        self.batch_size = half
        for network in self._networks:
            network.drop_graphs_above(half)
        torch.cuda.empty_cache()
        log.warning("out of device memory: batches of %d photos from now on", half)
        first = self.run_networks([images[:half] for images in batches])
        second = self.run_networks([images[half:] for images in batches])
        return [one.joined(other) for one, other in zip(first, second, strict=True)]


class TorchNetwork:
    """One network on ``device`` with weights in ``precision``; normalisation and head stay in fp32."""

    def __init__(self, net: nn.Module, *, device: str, precision: torch.dtype) -> None:
        self._outputs = Outputs(net).eval().requires_grad_(False)
        lower_precision(net, precision)
        self._outputs.to(torch.device(device)).to(memory_format=torch.channels_last)
        self._device, self._precision = device, precision
        self._captured: dict[int, CapturedGraph] = {}
        if device == "cuda":
            torch.backends.cudnn.benchmark = True  # shapes are fixed: measure once which algorithm is fastest
            # A network that cannot be compiled here (no C compiler, say) runs as it is, with a warning.
            torch._dynamo.config.suppress_errors = True
            torch._dynamo.config.recompile_limit = COMPILATIONS
            self._outputs.compile()

    def run(self, images: np.ndarray) -> Output:
        """One pass over normalised ``images`` float32 [N, 3, S, S]. Raises torch.OutOfMemoryError, and
        FloatingPointError rather than answer with what is no number."""
        start = time.perf_counter()
        logits, _, embedding, *cam = self.run_on_device(torch.from_numpy(images).to(self._precision))
        found = [tensor.float().cpu().numpy() for tensor in (logits, embedding, *cam)]
        if not np.isfinite(found[0]).all():
            raise FloatingPointError("A network answered with numbers beyond its precision.")
        return Output(found[0], found[1], found[2] if cam else None, (time.perf_counter() - start) * 1000)

    @torch.no_grad()
    def run_on_device(self, images: Tensor) -> tuple[Tensor, ...]:
        """The outputs of `Outputs` for N images, on the device; overwritten by the next call."""
        if self._device != "cuda":
            return self._outputs(images.contiguous(memory_format=torch.channels_last))
        size = next(size for size in SIZES if size >= len(images))
        if size not in self._captured:
            self._captured[size] = CapturedGraph(self._outputs, images.shape[2], size, self._precision)
        return self._captured[size].replay(images)

    def drop_graphs_above(self, size: int) -> None:
        """Give back the memory of graphs that batches of up to ``size`` photos do not need."""
        largest = next(one for one in SIZES if one >= size)
        self._captured = {one: graph for one, graph in self._captured.items() if one <= largest}


class CapturedGraph:
    """A network's pass over batches of ``size`` images of ``side`` pixels as one CUDA graph.

    After https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs: warm-up on a side stream, then capture.
    """

    def __init__(self, net: nn.Module, side: int, size: int, precision: torch.dtype) -> None:
        shape = torch.zeros(size, 3, side, side, dtype=precision, device="cuda")
        self._images = shape.contiguous(memory_format=torch.channels_last)
        if size > 1:  # one compilation for all sizes but 1
            torch._dynamo.maybe_mark_dynamic(self._images, 0)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                net(self._images)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._found = net(self._images)

    def replay(self, images: Tensor) -> tuple[Tensor, ...]:
        """Outputs for N images, N up to the captured size; what fills the batch up is left over from before."""
        self._images[: len(images)].copy_(images, non_blocking=True)
        self._graph.replay()
        return tuple(tensor[: len(images)] for tensor in self._found)


def lower_precision(net: nn.Module, precision: torch.dtype) -> None:
    """Store the weights of convolutions and inner layers in ``precision``, in place."""
    head: nn.Module = cast(Any, net).get_classifier()
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module is not head:
            module.to(precision)


def load_weights(release: Release) -> dict[str, Tensor]:
    """All weights in fp32 by ``<member>/<tensor>``, whether stored in 8 or in 16 bits. Raises ``ReleaseError``."""
    try:
        found = load_file(release.path / release.weights_file)
    except (OSError, SafetensorError) as error:
        raise ReleaseError(f"Release {release.name}: {release.weights_file} cannot be read.") from error
    scales = {name: found.pop(name) for name in list(found) if name.endswith(SCALE)}
    return {
        name: restore(tensor, scales[name + SCALE]) if name + SCALE in scales else tensor.float()
        for name, tensor in found.items()
    }


def build_member(release: Release, member: Member, weights: Mapping[str, Tensor]) -> nn.Module:
    """The timm network of ``member`` with its part of ``weights``, on the CPU. Raises ``ReleaseError``."""
    described = next(entry for entry in release["members"] if entry["name"] == member.name)
    activation = described.get("activation", OWN_ACTIVATION).replace(OWN_ACTIVATION, "")
    try:
        net = build_network(member.architecture, len(release.classes), activation=activation)
    except (RuntimeError, KeyError, ValueError) as error:
        raise ReleaseError(f"Release {release.name}: timm cannot build {member.architecture}.") from error
    prefix = f"{member.name}/"
    own = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    floats = {name: tensor.shape for name, tensor in net.state_dict().items() if tensor.is_floating_point()}
    if floats != {name: tensor.shape for name, tensor in own.items()}:
        raise ReleaseError(f"Release {release.name}: {release.weights_file} does not fit {member.architecture}.")
    net.load_state_dict(own, strict=False)  # whole numbers, which count training batches, are not stored
    return net.eval()
