"""PyTorch says what ONNX Runtime says, from the same release; and what happens when a device is short of memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ml.releases.loader import ReleaseError, load_release
from ml.serving import EngineError, devices, get_engine
from ml.serving.cpu import CpuEngine
from ml.serving.engine import Engine
from ml.serving.results import PhotoResult
from ml.serving.torch_engine import TorchEngine
from tests.ml import drawing

PHOTOS = [drawing.encode(drawing.skin(tone, seed=tone)) for tone in (0, 3, 5)]
PHOTOS += [b"no photo", drawing.encode(drawing.noise())]
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="This machine has no CUDA device.")


@pytest.fixture(params=["toy", "r6"])
def release(request, toy_release):
    return load_release(str(toy_release) if request.param == "toy" else "r6")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def probabilities(result: PhotoResult) -> np.ndarray:
    tables = [result.probabilities, *(vote.probabilities for vote in result.members)]
    return np.array([[*table.values()] for table in tables])


def assert_same(found: list[PhotoResult], expected: list[PhotoResult], *, apart: float, levels: int) -> None:
    """At most ``apart`` in every probability, ``levels`` of 255 in every cell of every map; the rest is the same."""
    for one, other in zip(found, expected, strict=True):
        same = ("outcome", "error_code", "reasons", "prediction_set", "focus", "release", "weights_sha256")
        assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]
        assert np.abs(probabilities(one) - probabilities(other)).max(initial=0) <= apart
        assert set(one.heatmaps) == set(other.heatmaps)
        for name, heat in one.heatmaps.items():
            assert np.abs(heat.astype(int) - other.heatmaps[name]).max() <= levels
        if one.embedding is not None:
            assert one.embedding @ other.embedding == pytest.approx(1, abs=1e-3)


def test_both_engines_say_the_same(release):
    expected = CpuEngine(release, threads=1).predict(PHOTOS)
    assert [result.outcome for result in expected[3:]] == ["unusable", "inconclusive"]
    assert_same(TorchEngine(release, device="cpu").predict(PHOTOS), expected, apart=1e-4, levels=1)
    half = TorchEngine(release, device="cpu", precision=torch.float16)
    assert_same(half.predict(PHOTOS), expected, apart=1e-2, levels=5)


@needs_cuda
def test_cuda_says_the_same_in_batches_of_any_size(release):
    expected = CpuEngine(release).predict(PHOTOS)
    engine = get_engine(str(release.path), "cuda")
    assert_same(engine.predict(PHOTOS), expected, apart=1e-2, levels=5)
    assert_same([engine.predict([photo])[0] for photo in PHOTOS], expected, apart=1e-2, levels=5)


class Narrow(torch.nn.Module):
    """A network for which more than two photos are too many."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.inner(images)

    most = 2


def narrow(release, *, most: int) -> TorchEngine:
    engine = TorchEngine(release, device="cpu")
    network = engine._networks[-1]
    network._outputs = Narrow(network._outputs)
    network._outputs.most = most
    return engine


def test_too_little_memory_halves_the_batch_and_goes_on(toy_release, caplog):
    release = load_release(str(toy_release))
    photos = [PHOTOS[number % 3] for number in range(7)]
    engine = narrow(release, most=2)
    assert_same(engine.predict(photos), CpuEngine(release, threads=1).predict(photos), apart=1e-4, levels=1)
    assert 1 <= engine.batch_size <= 3
    assert "out of device memory" in caplog.text
    caplog.clear()
    engine.predict(photos[: engine.batch_size])
    assert "out of device memory" not in caplog.text, "the smaller size is kept"


def test_memory_that_ends_in_the_middle_loses_and_shifts_no_photo(toy_release):
    release = load_release(str(toy_release))
    photos = [PHOTOS[number % 3] for number in range(11)]
    engine = narrow(release, most=2)
    engine.batch_size = 4
    assert_same(engine.predict(photos), CpuEngine(release, threads=1).predict(photos), apart=1e-4, levels=1)


def test_a_photo_that_does_not_fit_at_all_is_an_error(toy_release):
    with pytest.raises(torch.OutOfMemoryError):
        narrow(load_release(str(toy_release)), most=0).predict(PHOTOS[:2])


def test_numbers_beyond_the_precision_are_no_answer(toy_release):
    engine = TorchEngine(load_release(str(toy_release)), device="cpu")
    with torch.no_grad():
        engine._networks[0]._outputs.net.get_classifier().bias.fill_(torch.nan)
    with pytest.raises(FloatingPointError):
        engine.predict(PHOTOS[:1])


def test_weights_that_do_not_fit_or_cannot_be_read_are_refused(toy_copy):
    weights = toy_copy / "weights.safetensors"
    text = (toy_copy / "release.json").read_text()
    (toy_copy / "release.json").write_text(text.replace('"test_resnet"', '"test_vit"'))
    with pytest.raises(ReleaseError, match=r"weights\.safetensors does not fit test_vit"):
        TorchEngine(load_release(str(toy_copy)), device="cpu")
    (toy_copy / "release.json").write_text(text.replace('"test_resnet"', '"no_such_network"'))
    with pytest.raises(ReleaseError, match="timm cannot build no_such_network"):
        TorchEngine(load_release(str(toy_copy)), device="cpu")
    release = load_release(str(toy_copy))
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ReleaseError, match=r"weights\.safetensors cannot be read"):
        TorchEngine(release, device="cpu")


def test_cuda_that_is_not_there_is_one_sentence(toy_release, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineError, match=r"^INFERENCE_DEVICE=cuda was asked for, but .* use cpu or auto\.$"):
        get_engine(str(toy_release), "cuda")
    monkeypatch.setenv("INFERENCE_DEVICE", "abacus")
    with pytest.raises(EngineError, match="abacus"):
        get_engine(str(toy_release))


def test_without_torch_auto_is_the_cpu_and_cuda_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(devices, "has_torch", lambda: False)
    assert devices.choose_device("auto") == "cpu"
    with pytest.raises(EngineError, match=r"requirements/ml\.txt"):
        devices.choose_device("cuda")


def test_the_engines_share_one_interface(toy_release):
    assert isinstance(get_engine(str(toy_release), "cpu"), Engine)
    assert devices.choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "400000 100000", "box/cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({}, 8),
    ],
)
def test_threads_follow_the_cores_that_a_container_grants(tmp_path, monkeypatch, files, cores):
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda _process: range(8))
    (tmp_path / "groups/box").mkdir(parents=True)
    (tmp_path / "groups/cpu").mkdir()
    for name, text in files.items():
        (tmp_path / "groups" / name).write_text(text + "\n")
    (tmp_path / "membership").write_text("0::/box\n")
    assert devices.usable_cores(tmp_path / "groups", tmp_path / "membership") == cores
