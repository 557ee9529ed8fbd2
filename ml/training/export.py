"""Trained networks to a release folder: ONNX graphs, one file of weights, release.json.

A graph holds no weight: each is ONNX external data (file, offset, length) inside the safetensors file, in fp16 and a
Cast to fp32, or in int8 and a Cast times the scale of its output channel; ONNX Runtime folds either when it loads. The
PyTorch engine reads the same file by tensor name.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file
from torch import Tensor, nn

from ml.taxonomy import describe_new
from ml.training.graph import tidy
from ml.training.networks import SCALE, Outputs, has_linear_head, input_statistics, restore

WEIGHTS = "weights.safetensors"
LICENCE_FILE = "LICENSE-WEIGHTS.md"
INT8_LEAST = 256  # weights; smaller tensors, scales and shifts stay in fp16
MAX_DIFFERENCE = 1e-4  # of a probability between PyTorch and ONNX Runtime
BATCH = torch.export.Dim("batch", min=1, max=64)


class ExportError(RuntimeError):
    """A release that would not say what the trained networks say; the message is one sentence."""


@dataclass
class Member:
    """One network of a release. ``net`` ends in a head with one output per class; ``input_size`` in px; ``bits``: 16,
    or 8 for weights that take half the room."""

    name: str
    architecture: str
    net: nn.Module
    weight: float = 1.0
    input_size: int = 224
    crop: str = "center"
    interpolation: str = "bilinear"
    temperature: float = 1.0
    mean: list[float] = field(default_factory=list)
    std: list[float] = field(default_factory=list)
    activation: str = ""
    bits: int = 16
    training: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.mean:
            self.mean, self.std = input_statistics(self.net)


def export_release(
    members: Sequence[Member],
    out: Path | str,
    *,
    classes: Sequence[str],
    name: str | None = None,
    extra: dict[str, Any] | None = None,
    files: dict[str, str] | None = None,
) -> Path:
    """Write a release to the folder ``out`` and return the path of its release.json.

    ``extra`` adds to or replaces top-level fields of release.json (thresholds, metrics, data ...); ``files`` are
    further text files by name. Weights are rounded to their bits in ``member.net`` itself, so that its later outputs
    are the release's. Raises ExportError when ONNX Runtime and PyTorch differ by more than MAX_DIFFERENCE.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for member in members:
        round_weights(member.net, member.bits)
    places = _write_weights(members, out / WEIGHTS)
    for member in members:
        _write_graph(member, out, places)
        check_parity(member, out / f"{member.name}.onnx")
    for file, text in {LICENCE_FILE: "Licence of these weights: not stated.\n", **(files or {})}.items():
        (out / file).write_text(text, encoding="utf-8")
    release = _release(members, out, list(classes), name or out.name) | (extra or {})
    file = out / "release.json"
    file.write_text(json.dumps(release, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def check_parity(member: Member, file: Path, *, photos: int = 3, seed: int = 0) -> float:
    """Largest difference of a probability between PyTorch and ONNX Runtime on random images; raises ExportError."""
    import onnxruntime

    images = torch.randn(photos, 3, member.input_size, member.input_size, generator=torch.Generator().manual_seed(seed))
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        ours = member.net.eval()(images).softmax(1).numpy()
    theirs = torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0]).softmax(1).numpy()
    difference = float(np.abs(ours - theirs).max())
    if not difference <= MAX_DIFFERENCE:
        raise ExportError(f"{member.name}: ONNX Runtime and PyTorch differ by {difference:.1e} in a probability.")
    return difference


def file_sha256(file: Path) -> str:
    """Hex sha256 of a file's bytes."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


@torch.no_grad()
def round_weights(net: nn.Module, bits: int = 16) -> None:
    """Round every weight to what a release stores, in place. Raises ExportError where one does not fit."""
    for name, tensor in net.state_dict().items():
        if not tensor.is_floating_point():
            continue
        tensor.copy_(restore(*quantise(tensor)) if bits == 8 and is_large(tensor) else tensor.half())
        if not torch.isfinite(tensor).all():
            raise ExportError(f"The tensor {name} does not fit into 16 bits.")


def is_large(tensor: Tensor) -> bool:
    """True for the kernels and matrices that int8 is for."""
    return tensor.ndim > 1 and tensor.numel() >= INT8_LEAST


def quantise(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric int8 [out, ...] and its fp16 scale for each output channel [out, 1, ...] (Jacob et al. 2018)."""
    scale = tensor.flatten(1).abs().amax(1).div(127).clamp_min(1e-7).half()
    scale = scale.view(-1, *[1] * (tensor.ndim - 1))
    return (tensor / scale.float()).round().clamp(-127, 127).to(torch.int8), scale


def _stored(member: Member) -> dict[str, Tensor]:
    """Tensors of a member as they lie in the weights file, by ``<member>/<tensor>``."""
    tensors = {}
    for name, tensor in member.net.state_dict().items():
        key = f"{member.name}/{name}"
        if member.bits == 8 and tensor.is_floating_point() and is_large(tensor):
            tensors[key], tensors[key + SCALE] = quantise(tensor)
        elif tensor.is_floating_point():
            tensors[key] = tensor.half()
    return {key: tensor.contiguous() for key, tensor in tensors.items()}


def _write_weights(members: Sequence[Member], file: Path) -> dict[str, tuple[int, int]]:
    """Save every float tensor; returns (offset, length) in bytes by key."""
    save_file({key: tensor for member in members for key, tensor in _stored(member).items()}, file)
    file.chmod(0o644)
    with file.open("rb") as handle:
        (length,) = struct.unpack("<Q", handle.read(8))
        header = json.loads(handle.read(length))
    ranges = {key: entry["data_offsets"] for key, entry in header.items() if key != "__metadata__"}
    return {key: (8 + length + begin, end - begin) for key, (begin, end) in ranges.items()}


def _write_graph(member: Member, out: Path, places: dict[str, tuple[int, int]]) -> None:
    wrapped = Outputs(member.net).eval()
    names = ["logits", "features", "embedding", *(["cam"] if wrapped.linear else [])]
    images = torch.randn(2, 3, member.input_size, member.input_size)
    program = torch.onnx.export(
        wrapped,
        (images,),
        dynamo=True,
        optimize=False,
        verbose=False,
        input_names=["images"],
        output_names=names,
        dynamic_shapes={"images": {0: BATCH}},
    )
    model = program.model_proto
    _move_weights(model.graph, member.name, places)
    tidy(model)
    onnx.save_model(model, out / f"{member.name}.onnx")


def _move_weights(graph: onnx.GraphProto, member: str, places: dict[str, tuple[int, int]]) -> None:
    """Replace each weight by external data and the nodes that make it fp32 again under the old name."""
    kept, restoring = [], []
    for tensor in graph.initializer:
        key = f"{member}/{tensor.name.removeprefix('net.')}"
        if key not in places:
            kept.append(tensor)
            continue
        inputs, nodes = _restored(tensor, places[key], places.get(key + SCALE))
        kept += inputs
        restoring += nodes
    nodes = [*restoring, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)


def _restored(
    tensor: TensorProto, place: tuple[int, int], scale: tuple[int, int] | None
) -> tuple[list[TensorProto], list[onnx.NodeProto]]:
    """Stored inputs and the nodes that give the fp32 weight: Cast, for int8 also the product with its scale."""
    name, half = tensor.name, TensorProto.FLOAT16
    if scale is None:
        cast = helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT)
        return [_external(f"{name}.half", half, tensor.dims, place)], [cast]
    shape = [tensor.dims[0], *[1] * (len(tensor.dims) - 1)]
    whole = _external(f"{name}.int8", TensorProto.INT8, tensor.dims, place)
    nodes = [
        helper.make_node("Cast", [f"{name}.int8"], [f"{name}.whole"], to=TensorProto.FLOAT),
        helper.make_node("Cast", [name + SCALE], [f"{name}.step"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}.whole", f"{name}.step"], [name]),
    ]
    return [whole, _external(name + SCALE, half, shape, scale)], nodes


def _external(name: str, kind: int, dims: Sequence[int], place: tuple[int, int]) -> TensorProto:
    moved = TensorProto(name=name, data_type=kind, dims=dims)
    moved.data_location = TensorProto.EXTERNAL
    for key, value in (("location", WEIGHTS), ("offset", place[0]), ("length", place[1])):
        moved.external_data.add(key=key, value=str(value))
    return moved


def _release(members: Sequence[Member], out: Path, classes: list[str], name: str) -> dict[str, Any]:
    """Fields that follow from the networks, and cautious values for those that measurement should replace."""
    return {
        "schema": 1,
        "name": name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_commit": "",
        "licence": {"name": "not stated", "non_commercial": True, "file": LICENCE_FILE},
        "classes": classes,
        "trained_classes": classes,
        "conditions": describe_new(classes, {}),
        "members": [_describe(member, out) for member in members],
        "weights": {"file": WEIGHTS, "sha256": file_sha256(out / WEIGHTS)},
        "calibration": {
            "method": "temperature",
            "per_member": {member.name: member.temperature for member in members},
            "ensemble": 1.0,
            "formula": "p = softmax(log(sum_m weight_m * softmax(logits_m / T_m)) / T_ensemble)",
        },
        "thresholds": {},
        "operating_points": {},
        "conformal": {"alpha": 0.1, "quantile": 0.9, "method": "LAC: p >= 1 - quantile", "limit": 5},
        "ood": None,
        "disagreement": {"threshold": 1.0},
        "metrics": {},
        "reliability": [],
        "data": {"sources": [], "per_class": {}, "split": ""},
    }


def _describe(member: Member, out: Path) -> dict[str, Any]:
    file = f"{member.name}.onnx"
    return {
        "name": member.name,
        "architecture": member.architecture,
        "activation": member.activation or "as in the architecture",
        "weight": member.weight,
        "bits": member.bits,
        "input_size": member.input_size,
        "resize": member.input_size if member.crop == "center" else None,
        "crop": member.crop,
        "interpolation": member.interpolation,
        "mean": member.mean,
        "std": member.std,
        "file": file,
        "sha256": file_sha256(out / file),
        "cam": has_linear_head(member.net),
        "embedding_dim": member.net.get_classifier().in_features,
        "training": member.training,
    }
