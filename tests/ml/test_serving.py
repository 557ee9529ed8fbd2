"""The engine on a real (tiny) release: arithmetic, outcomes, robustness, and no torch in the process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFilter

from ml.explain import FOCUS_CODES
from ml.photo import open_photo
from ml.releases.loader import ReleaseError, load_release
from ml.serving import combine, get_engine, heatmaps
from ml.serving.cpu import CpuEngine
from ml.serving.preprocess import prepare, seen_box
from ml.serving.results import PhotoResult
from ml.taxonomy import SLUGS
from tests.ml import drawing

PHOTOS = [drawing.encode(drawing.skin(tone, seed=tone)) for tone in range(6)]
BLURRED = drawing.encode(drawing.skin(2).filter(ImageFilter.GaussianBlur(9)))
PAPER = drawing.encode(drawing.document())


def values(result: PhotoResult) -> np.ndarray:
    return np.array([result.probabilities[slug] for slug in SLUGS])


@pytest.fixture(scope="module")
def answered(engine) -> list[PhotoResult]:
    return engine.predict(PHOTOS)


def test_every_field_of_a_result(engine, answered):
    for result in answered:
        assert (result.outcome, result.error, result.release) == ("assessed", "", "toy")
        assert result.weights_sha256 == engine.release.weights_sha256
        assert tuple(result.probabilities) == SLUGS
        assert values(result).sum() == pytest.approx(1)
        assert result.prediction_set[0] == result.top
        assert [vote.name for vote in result.members] == ["mobilenetv3", "densenet121", "efficientnet_b3"]
        assert np.linalg.norm(result.embedding) == pytest.approx(1, abs=1e-5)
        assert result.quality.band == "good"
        assert result.focus in FOCUS_CODES
        assert set(result.timings) == {
            *("decode", "quality", "resize", "mobilenetv3", "densenet121", "efficientnet_b3", "vote", "cam")
        }


def test_vote_and_calibration_follow_the_release(engine, answered):
    """p = softmax(log(weighted mean of softmax(logits / T)) / T of the ensemble), computed here from the members."""
    for result in answered:
        mean = sum(vote.weight * np.array([*vote.probabilities.values()]) for vote in result.members)
        sharpened = mean ** (1 / engine.release.temperature)
        assert np.allclose(values(result), sharpened / sharpened.sum(), atol=1e-6)


def test_members_say_what_pytorch_says(engine, answered, toy_release):
    """From the same weights file, built by timm in PyTorch: at most 1e-4 apart in probability."""
    import timm
    import torch
    from safetensors.torch import load_file

    tensors = load_file(toy_release / "weights.safetensors")
    images = [open_photo(data, max_side=None, short_side=256) for data in PHOTOS]
    for position, member in enumerate(engine.release.members):
        net = timm.create_model(member.architecture, num_classes=len(SLUGS))
        prefix = f"{member.name}/"
        own = {key.removeprefix(prefix): value.float() for key, value in tensors.items() if key.startswith(prefix)}
        net.load_state_dict(own, strict=False)
        batch = np.stack([prepare(image, [member])[member.name] for image in images])
        with torch.no_grad():
            logits = net.eval()(torch.from_numpy(batch))
        expected = (logits / member.temperature).softmax(1).numpy()
        served = np.array([[*result.members[position].probabilities.values()] for result in answered])
        assert np.abs(served - expected).max() < 1e-4


@pytest.mark.parametrize("size", [(341, 256), (256, 341), (300, 300)])
@pytest.mark.parametrize("crop", ["center", "squash"])
def test_networks_see_what_they_were_evaluated_on(engine, size, crop):
    """The same view as training's ``center_view``, within half a grey level on average."""
    from ml.training.augment import center_view

    image = drawing.skin(2, size)
    member = replace(engine.release.members[0], crop=crop, mean=(0, 0, 0), std=(1, 1, 1))
    theirs = center_view(np.array(image), member.input_size, crop=crop).numpy()
    assert np.abs(prepare(image, [member])[member.name] - theirs).mean() * 255 < 0.5


def test_members_of_one_size_share_one_array(engine):
    first, second, third = engine.release.members
    arrays = prepare(
        drawing.skin(), [first, replace(second, mean=first.mean, std=first.std), replace(third, mean=(0, 0, 0))]
    )
    assert arrays[first.name] is arrays[second.name]
    assert arrays[third.name] is not arrays[first.name]


def test_one_photo_alone_and_among_others_is_the_same(engine, answered):
    alone = engine.predict([PHOTOS[4]])[0]
    assert np.allclose(values(alone), values(answered[4]), atol=1e-5)


@pytest.mark.parametrize("threads", [1, 6])
def test_the_number_of_cores_changes_nothing(toy_release, answered, threads):
    found = CpuEngine(load_release(str(toy_release)), threads=threads).predict(PHOTOS)
    assert all(np.allclose(values(a), values(b), atol=1e-5) for a, b in zip(found, answered, strict=True))


def test_bad_photos_never_stop_the_rest(engine, answered):
    broken = [b"", b"no photo", PHOTOS[0][:500], drawing.encode(drawing.skin(1, (20, 20)))]
    mixed = [photo for pair in zip(broken, PHOTOS, strict=False) for photo in pair]
    found = engine.predict(mixed)
    assert [result.outcome for result in found] == ["unusable", "assessed"] * 4
    for result in found[::2]:
        assert result.error
        assert result.error_code
        assert (result.probabilities, result.prediction_set, result.heatmaps) == ({}, (), {})
    assert np.allclose(values(found[1]), values(answered[0]), atol=1e-5)


def test_any_number_and_type_of_bytes(engine):
    assert engine.predict([]) == []
    assert len(engine.predict([bytearray(PHOTOS[0])] * (2 * engine.batch_size + 1))) == 2 * engine.batch_size + 1
    assert engine.predict((memoryview(PHOTOS[0]),))[0].outcome == "assessed"


@pytest.mark.parametrize(("data", "reason"), [(BLURRED, "poor_image"), (PAPER, "not_skin")])
def test_what_cannot_be_judged_is_inconclusive_with_probabilities(engine, data, reason):
    result = engine.predict([data])[0]
    assert (result.outcome, reason in result.reasons) == ("inconclusive", True)
    assert values(result).sum() == pytest.approx(1)
    assert all(issue.advice for issue in result.quality.issues)


def edited(folder: Path, **fields) -> CpuEngine:
    file = folder / "release.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))
    return CpuEngine(load_release(str(folder)))


def test_a_wide_set_is_inconclusive_and_disagreement_is_not(toy_copy):
    engine = edited(
        toy_copy,
        conformal={"quantile": 0.999, "method": "LAC", "limit": 4},
        disagreement={"threshold": -1},
    )
    result = engine.predict(PHOTOS[:1])[0]
    assert result.reasons == ("wide_prediction_set", "members_disagree")
    assert (result.outcome, len(result.prediction_set)) == ("inconclusive", 13)
    narrow = edited(toy_copy, conformal={"quantile": 0.0, "limit": 4}).predict(PHOTOS[:1])[0]
    assert narrow.reasons == ("members_disagree",)
    assert (narrow.outcome, narrow.prediction_set) == ("assessed", (narrow.top,))


def test_a_strange_photo_is_inconclusive(toy_copy):
    """The release's own distance score, fitted to photos of skin, refuses what looks unlike them."""
    from ml.evaluation.ood import fit_reference

    plain = edited(toy_copy, ood={"method": "max_probability", "embedding_member": "densenet121"})
    known = np.stack([result.embedding for result in plain.predict(PHOTOS)] * 4)
    jitter = np.random.default_rng(0).normal(0, 1e-3, known.shape)
    np.savez(toy_copy / "ood.npz", **fit_reference(known + jitter, np.arange(len(known)) % 2, components=4))
    digest = hashlib.sha256((toy_copy / "ood.npz").read_bytes()).hexdigest()
    ood = {"method": "mahalanobis", "embedding_member": "densenet121", "file": "ood.npz", "sha256": digest}
    strict = edited(toy_copy, ood=ood | {"threshold": 3.0})
    seen, strange = strict.predict([PHOTOS[0], drawing.encode(drawing.noise())])
    assert seen.ood_score < 3 < strange.ood_score
    assert "out_of_distribution" not in seen.reasons
    assert "out_of_distribution" in strange.reasons
    (toy_copy / "ood.npz").write_bytes(b"changed")
    with pytest.raises(ReleaseError, match=r"ood.npz does not match"):
        load_release(str(toy_copy))


def test_an_untrained_class_gets_no_probability(toy_copy):
    engine = edited(toy_copy, trained_classes=[slug for slug in SLUGS if slug != "warts"])
    result = engine.predict(PHOTOS[:1])[0]
    assert result.probabilities["warts"] < 1e-6
    assert values(result).sum() == pytest.approx(1)


def test_maps_cover_the_whole_photo(answered):
    result = answered[0]
    assert set(result.heatmaps) == {"ensemble", "densenet121", "efficientnet_b3"}
    for heat in result.heatmaps.values():
        assert (heat.dtype, heat.shape, heat.max()) == (np.uint8, (48, 64), 255)
        assert heat[:, :8].max() == 0
        assert heat[:, -8:].max() == 0


def test_a_map_stands_where_the_network_looked():
    cam = np.zeros((4, 4))
    cam[0, 0] = 2.0
    placed = heatmaps.place(cam, (0.25, 0.0, 0.75, 1.0), (640, 320))
    assert placed.shape == (32, 64)
    assert np.unravel_index(placed.argmax(), placed.shape) == (0, 16)
    assert heatmaps.place(-cam, (0, 0, 1, 1), (64, 64)).max() == 0


def test_the_map_of_a_linear_head_averages_to_its_score(engine):
    """Exact class activation map: its mean is the logit, up to one constant (the bias) per class."""
    images = [open_photo(data, max_side=None, short_side=256) for data in PHOTOS]
    member = engine.release.members[1]
    batch = np.stack([prepare(image, [member])[member.name] for image in images])
    output = engine._networks[1].run(batch)
    bias = output.logits - output.cam.mean(axis=(2, 3))
    assert np.allclose(bias, bias[0], atol=1e-4)


def test_seen_box_is_the_centre_square(engine):
    member = replace(engine.release.members[0], input_size=224, resize=256)
    left, top, right, bottom = seen_box((400, 200), member)
    assert ((right - left) * 400, (bottom - top) * 200) == (175, 175)
    assert seen_box((400, 200), replace(member, crop="squash")) == (0, 0, 1, 1)


def test_onnx_runtime_fuses_every_normalisation(toy_release, tmp_path):
    """Left alone, the batch normalisations double the time of a photo."""
    import onnx
    import onnxruntime

    for file in toy_release.glob("*.onnx"):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.optimized_model_filepath = str(tmp_path / file.name)
        onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        left = [node.op_type for node in onnx.load(tmp_path / file.name).graph.node]
        assert "Conv" in left
        assert not {"BatchNormalization", "Expand"} & set(left)


def test_engines_are_kept_per_release(toy_release):
    assert get_engine(str(toy_release)) is get_engine(str(toy_release), "auto")


def test_a_graph_that_cannot_be_read_is_refused(toy_copy):
    document = json.loads((toy_copy / "release.json").read_text())
    (toy_copy / "densenet121.onnx").write_bytes(b"not a graph")
    document["members"][1]["sha256"] = hashlib.sha256(b"not a graph").hexdigest()
    (toy_copy / "release.json").write_text(json.dumps(document))
    with pytest.raises(ReleaseError, match=r"cannot load densenet121\.onnx"):
        get_engine(str(toy_copy))


def test_serving_never_imports_torch(toy_release, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(PHOTOS[0])
    script = (
        "import sys; from ml.serving import get_engine\n"
        "found = get_engine(sys.argv[1]).predict([open(sys.argv[2], 'rb').read()])\n"
        "print(found[0].outcome, sorted({'torch', 'timm', 'django', 'matplotlib'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, toy_release, tmp_path / "photo.jpg"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."})
    assert done.stdout.strip() == "assessed []"


def test_one_photo_case_equals_its_photo(answered):
    case = combine(answered[:1])
    assert case.probabilities == answered[0].probabilities
    assert (case.outcome, case.prediction_set, case.top) == ("assessed", answered[0].prediction_set, answered[0].top)


def test_combining_keeps_the_strongest_cancer_signal(answered):
    case = combine(answered)
    for slug in ("melanoma", "basal-cell-carcinoma", "actinic-keratosis"):
        assert case.probabilities[slug] == max(result.probabilities[slug] for result in answered)
    assert case.probabilities["acne"] == pytest.approx(np.mean([result.probabilities["acne"] for result in answered]))
    assert case.disagreement == max(result.disagreement for result in answered)
    assert set(case.prediction_set) == {slug for result in answered for slug in result.prediction_set}


def test_combining_good_bad_and_unreadable_photos(engine):
    good, blurred, broken = engine.predict([PHOTOS[0], BLURRED, b"junk"])
    assert combine([broken, blurred, good]).outcome == "assessed"
    assert combine([broken, blurred, good]).reasons == good.reasons
    assert combine([broken, blurred]).outcome == "inconclusive"
    assert "poor_image" in combine([broken, blurred]).reasons
    unusable = combine([broken])
    assert (unusable.outcome, unusable.error, unusable.probabilities) == ("unusable", broken.error, {})
    with pytest.raises(ValueError, match="at least one"):
        combine([])
