"""Tidying an exported ONNX graph, so that ONNX Runtime can fuse what belongs together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

_SPATIAL = [2, 3]
_SAME_VALUES = ("CastLike", "Identity", "Reshape")


def tidy(model: onnx.ModelProto) -> None:
    """Make constants plain, pooling recognisable and names short, in place. What the graph computes stays the same."""
    _fix_constants(model.graph)
    _name_pooling(model.graph)
    _drop_zero_biases(model.graph)
    _drop_unused(model.graph)
    _strip(model)
    _shorten_names(model.graph)


def _producers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    return {output: node for node in graph.node for output in node.output}


def _constant(name: str, producers: Mapping[str, onnx.NodeProto]) -> np.ndarray | None:
    """The value behind ``name`` where it is a constant, if need be through nodes that leave its values alone."""
    node = producers.get(name)
    if node is None:
        return None
    if node.op_type in _SAME_VALUES:
        return _constant(node.input[0], producers)
    if node.op_type != "Constant":
        return None
    value = helper.get_attribute_value(node.attribute[0])
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def _fix_constants(graph: onnx.GraphProto) -> None:
    """The exporter writes the bounds of a ReLU6 as "6, in the type of that input". ONNX Runtime cannot fold what hangs
    on an input, and so leaves every ReLU6 out of its convolution, which costs a quarter of the time of such a network.
    All floats of a released network are fp32."""
    producers = _producers(graph)
    for node in graph.node:
        value = _constant(node.input[0], producers) if node.op_type == "CastLike" else None
        if value is not None:
            fixed = numpy_helper.from_array(value.astype(np.float32))
            node.CopyFrom(helper.make_node("Constant", [], list(node.output), value=fixed))


def _name_pooling(graph: onnx.GraphProto) -> None:
    """A mean over height and width is global average pooling, which ONNX Runtime computes in its blocked layout
    (NCHWc); for a mean it would bring the whole map back into the plain one."""
    producers = _producers(graph)
    for node in graph.node:
        if node.op_type == "ReduceMean" and _is_spatial(node, producers):
            node.CopyFrom(helper.make_node("GlobalAveragePool", [node.input[0]], list(node.output)))


def _is_spatial(node: onnx.NodeProto, producers: Mapping[str, onnx.NodeProto]) -> bool:
    axes = _constant(node.input[1], producers) if len(node.input) == 2 else None
    keeps = all(item.i for item in node.attribute if item.name == "keepdims")
    return axes is not None and keeps and sorted(int(axis) % 4 for axis in axes.ravel()) == _SPATIAL


def _drop_zero_biases(graph: onnx.GraphProto) -> None:
    """The exporter computes a bias of zeros for each convolution that has none. ONNX Runtime cannot fold that, and so
    leaves every batch normalisation unfused, which doubles the time of a photo. `check_parity` would notice a bias that
    is not zero."""
    producers = _producers(graph)
    for node in graph.node:
        bias = producers.get(node.input[2]) if node.op_type == "Conv" and len(node.input) == 3 else None
        if bias is not None and bias.op_type == "Expand":
            del node.input[2:]


def _drop_unused(graph: onnx.GraphProto) -> None:
    needed, kept = {output.name for output in graph.output}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))


def _strip(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes (stack traces, shapes between nodes): most of the bytes, and paths of this machine."""
    del model.graph.value_info[:], model.metadata_props[:], model.graph.metadata_props[:]
    for item in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]


def _shorten_names(graph: onnx.GraphProto) -> None:
    """Inner names become numbers: a third of a graph's bytes are names."""
    short = {value.name: value.name for value in (*graph.input, *graph.output)}
    short[""] = ""
    for node in graph.node:
        node.name = ""
        for names in (node.input, node.output):
            names[:] = [short.setdefault(name, f"_{len(short)}") for name in names]
    for tensor in graph.initializer:
        tensor.name = short.setdefault(tensor.name, f"_{len(short)}")
