"""A toy release: three tiny networks that look at the mean colour. Real files, real ONNX Runtime, no training.

It says nothing about skin. Tests that judge the model itself use the release of the repository.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ml.taxonomy import SLUGS

SIDE = 64
GRID = 8
MEMBERS = {"mobilenetv3": 0.4, "densenet121": 0.3, "efficientnet_b3": 0.3}
CANCER_THRESHOLDS = {"melanoma": 0.5, "basal-cell-carcinoma": 0.5, "actinic-keratosis": 0.5}

# As long as real ones are: a table of them must not widen the page that shows it.
LONG_SOURCE = {
    "source": "museumcollection_photographs",
    "licence": "CC BY-NC-ND 3.0 as the museum states for its photographs (not restated in the archive)",
    "n": 100,
}


def write_toy_release(folder: Path, name: str = "toy") -> Path:
    """Write release `name` below `folder` (then SMARTDERMA_RELEASE_DIR=folder finds it); gives its own folder."""
    release = folder / name
    release.mkdir(parents=True)
    for seed, member in enumerate(MEMBERS):
        onnx.save(_network(seed, name), release / f"{member}.onnx")
    (release / "weights.safetensors").write_bytes(_no_tensors(name))
    (release / "LICENSE-WEIGHTS.md").write_text("Made by a test; free for any use.\n")
    (release / "release.json").write_text(json.dumps(_document(release, name), indent=1))
    return release


def _no_tensors(name: str) -> bytes:
    """A safetensors file without tensors, of each release another."""
    header = json.dumps({"__metadata__": {"release": name}}).encode()
    return len(header).to_bytes(8, "little") + header


def _network(seed: int, name: str) -> onnx.ModelProto:
    """images [N, 3, 64, 64] -> features (8 x 8 mean colours), embedding (mean colour), logits and exact CAM.

    Each release has weights of its own.
    """
    rng = np.random.default_rng(seed)
    shared = np.random.default_rng(7 if name == "toy" else zlib.crc32(name.encode())).normal(0, 1, (len(SLUGS), 3))
    weight = shared + rng.normal(0, 0.05, (len(SLUGS), 3))
    tensors = {"weight": weight, "kernel": weight[:, :, None, None], "bias": np.linspace(1, -1, len(SLUGS))}
    nodes = [
        helper.make_node("AveragePool", ["images"], ["features"], kernel_shape=[GRID] * 2, strides=[GRID] * 2),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "weight", "bias"], ["logits"], transB=1),
        helper.make_node("Conv", ["features", "kernel"], ["cam"]),
    ]
    shapes = {
        "logits": ["n", len(SLUGS)],
        "features": ["n", 3, GRID, GRID],
        "embedding": ["n", 3],
        "cam": ["n", len(SLUGS), GRID, GRID],
    }
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _member(release: Path, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "architecture": name,
        "weight": MEMBERS[name],
        "input_size": SIDE,
        "resize": None,
        "crop": "squash",
        "interpolation": "bilinear",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "file": f"{name}.onnx",
        "sha256": _sha256(release / f"{name}.onnx"),
        "cam": True,
        "embedding_dim": 3,
    }


def _document(release: Path, name: str) -> dict[str, Any]:
    share = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100}
    return {
        "schema": 1,
        "name": name,
        "created": "2026-01-01T00:00:00+00:00",
        "code_commit": "",
        "licence": {"name": "none", "non_commercial": False, "file": "LICENSE-WEIGHTS.md"},
        "classes": list(SLUGS),
        "trained_classes": list(SLUGS),
        "members": [_member(release, member) for member in MEMBERS],
        "weights": {"file": "weights.safetensors", "sha256": _sha256(release / "weights.safetensors")},
        "calibration": {"method": "temperature", "per_member": dict.fromkeys(MEMBERS, 1.0), "ensemble": 1.0},
        "thresholds": CANCER_THRESHOLDS,
        "operating_points": {},
        "conformal": {"alpha": 0.1, "quantile": 0.7, "method": "LAC: p >= 1 - quantile", "limit": 5},
        "ood": None,
        "disagreement": {"threshold": 1.0},
        "metrics": {"val": {"accuracy": share}, "test": {"accuracy": share, "fitzpatrick": {}}},
        "reliability": [
            {"low": low / 10, "high": low / 10 + 0.1, "n": 120, "correct": 12 * low + 6} for low in range(10)
        ],
        "data": {"sources": [LONG_SOURCE], "per_class": {}, "split": "none"},
    }
