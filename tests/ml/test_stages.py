"""Frozen features of several stages, and the linear discriminant on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from ml.training.discriminant import SHRINKAGE, fit_discriminant
from ml.training.networks import Outputs, build_network, has_linear_head, is_packaged, load_packaged, split_features

NAME = "test_efficientnet_stages"


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(NAME, 3, dropout=0.0).eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(1))


def test_the_vector_holds_the_mean_of_each_late_stage(net: torch.nn.Module, images: torch.Tensor) -> None:
    with torch.no_grad():
        joint = net.forward_head(net.forward_features(images), pre_logits=True)
        last, maps = net.trunk.forward_intermediates(images, indices=net.levels)
    expected = torch.cat([each.mean((2, 3)) for each in (last, *maps)], 1)
    assert joint.shape[1] == net.num_features > last.shape[1]
    torch.testing.assert_close(joint, expected)


def test_its_class_activation_map_is_exact(net: torch.nn.Module, images: torch.Tensor) -> None:
    assert has_linear_head(net)
    with torch.no_grad():
        logits, _, _, cam = Outputs(net)(images)
    torch.testing.assert_close(cam.mean((2, 3)) + net.get_classifier().bias, logits)


def test_maps_at_the_asked_strides_come_beside_it(net: torch.nn.Module, images: torch.Tensor) -> None:
    with torch.no_grad():
        logits, maps = split_features(net, images, hints=(8, 16))
        torch.testing.assert_close(logits, net(images))
    assert [images.shape[-1] // each.shape[-1] for each in maps] == [8, 16, 32]


def test_packaged_weights_go_into_the_trunk() -> None:
    name = "tf_efficientnet_lite2"
    assert [is_packaged(each) for each in (name, f"{name}_stages", NAME)] == [True, True, False]
    ours, theirs = build_network(f"{name}_stages", 13, init="packaged"), load_packaged(name)
    torch.testing.assert_close(ours.trunk.conv_head.weight, theirs.conv_head.weight)
    torch.testing.assert_close(ours.trunk.bn1.running_var, theirs.bn1.running_var)
    assert ours.get_classifier().in_features == 1280 + 352 + 120


def _clouds(rng: np.random.Generator, means: np.ndarray, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(len(means)), count)
    return means[labels] + rng.normal(size=(len(labels), means.shape[1])), labels


def test_without_sources_it_is_the_shrunk_discriminant_of_scikit_learn() -> None:
    x, labels = _clouds(np.random.default_rng(0), np.array([[0.0, 0, 0, 0], [2, 0, 0, 1], [0, 2, 1, 0]]))
    weight, bias = fit_discriminant(x, labels, None, 3)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE, priors=[1 / 3] * 3).fit(x, labels)
    ours = x @ weight.T + bias
    other = theirs.decision_function(x)
    np.testing.assert_allclose(ours - ours[:, :1], other - other[:, :1], rtol=1e-4, atol=1e-4)


def test_what_differs_between_sources_decides_less() -> None:
    """Axis 0 tells the classes apart, axis 1 does too but also the sources of each class."""
    rng = np.random.default_rng(1)
    x, labels = _clouds(rng, np.array([[0.0, 0.0], [2.0, 2.0]]), count=400)
    sources = np.tile(np.repeat(["clinic", "web"], 200), 2)
    x[sources == "web", 1] += 3.0
    blind = fit_discriminant(x, labels, None, 2)[0]
    aware = fit_discriminant(x, labels, sources, 2)[0]
    ratios = [abs(w[1, 1] - w[0, 1]) / abs(w[1, 0] - w[0, 0]) for w in (blind, aware)]
    assert ratios[1] < 0.9 * ratios[0]


def test_a_source_with_few_photos_says_nothing() -> None:
    x, labels = _clouds(np.random.default_rng(2), np.array([[0.0, 0.0], [2.0, 2.0]]), count=50)
    sources = np.full(100, "clinic", dtype=object)
    sources[:5] = "web"
    for found, plain in zip(fit_discriminant(x, labels, sources, 2), fit_discriminant(x, labels, None, 2), strict=True):
        np.testing.assert_array_equal(found, plain)


def test_a_class_without_photos_is_named() -> None:
    with pytest.raises(ValueError, match="Class 1 has no photo"):
        fit_discriminant(np.zeros((4, 2)), np.array([0, 0, 2, 2]), None, 3)
