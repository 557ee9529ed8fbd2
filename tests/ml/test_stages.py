"""Frozen features of several stages, and the mixture discriminant on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from ml.training.discriminant import ABSENT, CENTRES, SHRINKAGE, WIDTH, class_scores, fit_discriminant
from ml.training.networks import Outputs, build_network, has_linear_head, is_packaged, load_packaged, split_features
from ml.training.stages import MixtureHead

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


def test_its_class_activation_map_is_exact_while_classes_have_one_centre(
    net: torch.nn.Module, images: torch.Tensor
) -> None:
    assert has_linear_head(net)
    with torch.no_grad():
        logits, _, _, cam = Outputs(net)(images)
    torch.testing.assert_close(cam.mean((2, 3)) + net.get_classifier().bias[::CENTRES], logits)


def test_with_several_centres_the_map_is_the_gradient_of_the_score() -> None:
    torch.manual_seed(0)
    head = MixtureHead(5, 3)
    with torch.no_grad():
        head.weight.normal_()
        head.bias[:] = torch.randn(3 * CENTRES)
    features = torch.randn(2, 5, 4, 4, requires_grad=True)
    vectors = features.mean((2, 3))
    for label in range(3):
        (slope,) = torch.autograd.grad(head(vectors)[:, label].sum(), features, retain_graph=True)
        found = head.maps(features, vectors)[:, label]
        torch.testing.assert_close(found, 16 * (slope * features).sum(1))


def test_a_linear_model_fits_into_the_head() -> None:
    head, x = MixtureHead(5, 3), torch.randn(4, 5)
    weight, bias = torch.randn(3, 5), torch.randn(3)
    head.make_linear(weight, bias)
    torch.testing.assert_close(head(x), x @ weight.T + bias)


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
    ours = _scores(x, labels, None, 3) * WIDTH
    other = (
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE, priors=[1 / 3] * 3)
        .fit(x, labels)
        .decision_function(x)
    )
    np.testing.assert_allclose(ours - ours[:, :1], other - other[:, :1], rtol=1e-4, atol=1e-4)


def _scores(x: np.ndarray, labels: np.ndarray, sources: np.ndarray | None, classes: int) -> np.ndarray:
    weight, bias = fit_discriminant(x, labels, sources, classes)
    return class_scores(x @ weight.T + bias)


def test_a_class_that_looks_different_in_each_archive_has_a_centre_in_each() -> None:
    """What speaks for class 0 in one archive speaks against it in the other: no line tells the classes apart."""
    rng = np.random.default_rng(1)
    x, labels = _clouds(rng, np.array([[0.0, 3.0], [0.0, -3.0], [6.0, -3.0], [6.0, 3.0]]), count=100)
    sources = np.array(["clinic_a", "clinic_b", "dermoscope", "dermoscope"])[labels]
    labels = labels % 2
    right = [
        np.mean([(guess == labels)[labels == c].mean() for c in (0, 1)])
        for guess in (_scores(x, labels, each, 2).argmax(1) for each in (None, sources))
    ]
    assert right[0] < 0.7
    assert right[1] > 0.95


def test_a_direction_that_names_the_archive_decides_less() -> None:
    """Axis 0 and axis 1 tell the classes apart alike; axis 1 tells the archives apart too."""
    rng = np.random.default_rng(1)
    x, labels = _clouds(rng, np.array([[0.0, 0.0], [2.0, 2.0]]), count=400)
    sources = np.tile(np.repeat(["clinic", "web"], 200), 2)
    ratios = []
    for shift in (0.0, 6.0):
        weight, _ = fit_discriminant(x + np.outer(sources == "web", [0.0, shift]), labels, sources, 2)
        apart = np.abs(weight[CENTRES] - weight[0])  # the clinic's centres of both classes
        ratios.append(apart[1] / apart[0])
    assert ratios[1] < 0.6 * ratios[0]


def test_centres_are_the_largest_families_and_missing_ones_never_win() -> None:
    rng = np.random.default_rng(2)
    counts = {"a_1": 30, "a_2": 30, "b": 40, "c": 20, "d": 15, "e": 12, "f": 3}
    sources = np.array([name for name, count in counts.items() for _ in range(count)] + ["a_1"] * 50)
    labels = np.repeat([0, 1], [sum(counts.values()), 50])
    x = rng.normal(size=(len(labels), 3)) + labels[:, None]
    weight, bias = fit_discriminant(x, labels, sources, 2)
    assert weight.shape == (2 * CENTRES, 3)
    assert np.isfinite(weight).all()
    assert (bias[: CENTRES + 1] > ABSENT / 2).all()
    assert (bias[CENTRES + 1 :] == ABSENT).all()
    assert (weight[CENTRES + 1 :] == 0).all()
    assert _scores(x, labels, sources, 2).shape == (len(x), 2)
    shares = np.array([60, 40, 20, 15]) / 135
    families = np.array([name.split("_")[0] for name in sources])
    means = np.stack([x[(labels == 0) & (families == name)].mean(0) for name in "abcd"])
    scores = means @ weight[:CENTRES].T + bias[:CENTRES] - np.log(shares)
    assert (scores.argmax(1) == np.arange(CENTRES)).all()


def test_a_family_with_few_photos_says_nothing() -> None:
    x, labels = _clouds(np.random.default_rng(2), np.array([[0.0, 0.0], [2.0, 2.0]]), count=50)
    sources = np.full(100, "clinic", dtype=object)
    few = np.where(np.arange(100) < 5, "web", sources)
    for found, plain in zip(fit_discriminant(x, labels, few, 2), fit_discriminant(x, labels, sources, 2), strict=True):
        np.testing.assert_array_equal(found[CENTRES:], plain[CENTRES:])
    rare = np.arange(100) % 20  # no family is large enough: all photos of a class are one centre
    names = np.array([f"s{number}" for number in rare])
    for found, plain in zip(fit_discriminant(x, labels, names, 2), fit_discriminant(x, labels, None, 2), strict=True):
        np.testing.assert_array_equal(found, plain)


def test_a_class_without_photos_is_named() -> None:
    with pytest.raises(ValueError, match="Class 1 has no photo"):
        fit_discriminant(np.zeros((4, 2)), np.array([0, 0, 2, 2]), None, 3)
