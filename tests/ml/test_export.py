"""Releases say what the trained networks say: parity, one fp16 file, exact maps, and the whole way from two runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.numpy import load_file

from ml.__main__ import main
from ml.data.manifest import read_manifest
from ml.evaluation.card import card_text
from ml.evaluation.cli import evaluate_release
from ml.releases.loader import ReleaseError, load_release
from ml.training.assemble import choose_watcher
from ml.training.export import ExportError, Member, check_parity, export_release, round_weights
from ml.training.networks import Outputs, build_network
from tests.ml.toyset import draw_set

CLASSES = ("melanoma", "moles", "normal")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def members() -> list[Member]:
    torch.manual_seed(1)
    networks = (
        ("small", "mobilenetv3_small_050"),
        ("linear", "test_efficientnet"),
        ("stages", "test_efficientnet_stages"),
    )
    return [Member(name, kind, build_network(kind, 3), 0.5, input_size=64) for name, kind in networks]


@pytest.fixture(scope="module")
def release(members: list[Member], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_release(members, tmp_path_factory.mktemp("toy"), classes=CLASSES, extra={"thresholds": {}}).parent


def test_onnx_and_torch_agree(members: list[Member], release: Path) -> None:
    for member in members:
        assert check_parity(member, release / f"{member.name}.onnx", seed=5) <= 1e-4


def test_a_graph_of_other_weights_is_refused(release: Path) -> None:
    torch.manual_seed(2)
    stranger = Member("small", "mobilenetv3_small_050", build_network("mobilenetv3_small_050", 3), input_size=64)
    with torch.no_grad():
        stranger.net.get_classifier().weight.normal_()
    with pytest.raises(ExportError, match="differ by"):
        check_parity(stranger, release / "small.onnx")


def test_every_weight_lies_in_the_one_file_in_half_precision(members: list[Member], release: Path) -> None:
    tensors = load_file(release / "weights.safetensors")
    expected = {
        f"{member.name}/{name}"
        for member in members
        for name, value in member.net.state_dict().items()
        if value.is_floating_point()
    }
    assert set(tensors) == expected
    assert {value.dtype for value in tensors.values()} == {np.dtype(np.float16)}
    graph = onnx.load(release / "small.onnx", load_external_data=False).graph
    inline = [t for t in graph.initializer if t.data_location != onnx.TensorProto.EXTERNAL]
    assert sum(int(np.prod(t.dims)) for t in inline) < 100
    assert all(b"/work" not in file.read_bytes() for file in release.glob("*.onnx"))


def test_eight_bits_take_half_the_room_and_answer_as_the_rounded_network(tmp_path: Path) -> None:
    sizes = {}
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    for bits in (16, 8):
        torch.manual_seed(3)
        net = build_network("mobilenetv3_small_050", 3).eval().requires_grad_(False)
        before = net(images).softmax(1)
        member = Member("small", "mobilenetv3_small_050", net, input_size=64, bits=bits)
        folder = export_release([member], tmp_path / str(bits), classes=CLASSES).parent
        assert check_parity(member, folder / "small.onnx", seed=5) <= 1e-4
        assert float((net(images).softmax(1) - before).abs().max()) < 0.02
        sizes[bits] = (folder / "weights.safetensors").stat().st_size
    assert sizes[8] < 0.6 * sizes[16]
    tensors = load_file(tmp_path / "8" / "weights.safetensors")
    assert tensors["small/conv_stem.weight"].dtype == np.int8
    assert tensors["small/conv_stem.weight.scale"].shape == (16, 1, 1, 1)


def test_rounding_twice_is_rounding_once() -> None:
    torch.manual_seed(4)
    net = build_network("mobilenetv3_small_050", 3)
    round_weights(net, 8)
    once = {name: value.clone() for name, value in net.state_dict().items()}
    round_weights(net, 8)
    assert all(torch.equal(value, once[name]) for name, value in net.state_dict().items())


NAMES = ["logits", "features", "embedding", "cam"]


def _ask(release: Path, member: Member) -> tuple[np.ndarray, list[np.ndarray]]:
    """Random photos and what the exported graph says of them, in the order of NAMES."""
    session = onnxruntime.InferenceSession(str(release / member.name) + ".onnx")
    images = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    return images, session.run(NAMES, {"images": images})


def test_the_map_averages_to_the_logit(members: list[Member], release: Path) -> None:
    _, (logits, features, embedding, cam) = _ask(release, members[1])
    bias = members[1].net.get_classifier().bias.detach().numpy()
    assert cam.mean((2, 3)) + bias == pytest.approx(logits, abs=1e-5)
    assert features.mean((2, 3)) == pytest.approx(embedding, abs=1e-5)
    document = json.loads((release / "release.json").read_text())
    assert [member["cam"] for member in document["members"]] == [False, True, True]


def test_classes_with_several_centres_say_the_same_from_the_graph(members: list[Member], tmp_path: Path) -> None:
    torch.manual_seed(3)
    member = Member("centres", members[2].architecture, build_network(members[2].architecture, 3), input_size=64)
    head = member.net.get_classifier()
    with torch.no_grad():
        head.weight.normal_(std=0.3)
        head.bias[:-1] = torch.randn(len(head.bias) - 1)  # the last centre stays absent
    release = export_release([member], tmp_path / "centres", classes=CLASSES, extra={"thresholds": {}}).parent
    images, found = _ask(release, member)
    with torch.no_grad():
        expected = Outputs(member.net)(torch.from_numpy(images))
    for name, ours, theirs in zip(NAMES, expected, found, strict=True):
        assert theirs == pytest.approx(ours.numpy(), abs=1e-4), name
    assert found[3].shape == (2, 3, 2, 2)


def test_onnx_runtime_stays_in_its_blocked_layout(tmp_path):
    """A ReLU6 or a mean that it cannot fuse brings every map back into the plain layout: a third more time."""
    torch.manual_seed(0)
    net = build_network("test_efficientnet", 3, activation="relu6")
    export_release([Member("small", "test_efficientnet", net, input_size=64)], tmp_path, classes=CLASSES)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(tmp_path / "small.onnx", options, providers=["CPUExecutionProvider"])
    left = {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}
    assert "GlobalAveragePool" in left
    assert not {"Clip", "CastLike", "ReduceMean"} & left


def test_a_number_beyond_half_precision_is_refused() -> None:
    net = build_network("test_resnet", 2)
    with torch.no_grad():
        net.get_classifier().weight[0, 0] = 1e6
    with pytest.raises(ExportError, match="does not fit"):
        round_weights(net)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(manifest, release folder) after train, train, export on drawn pictures, all by the commands."""
    folder = tmp_path_factory.mktemp("trained")
    manifest = draw_set(folder / "set")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for architecture in ("mobilenetv3_small_050", "test_efficientnet"):
            settings = ["--set", f"architecture={architecture}", "epochs=1"]
            command = ["train", str(ROOT / "ml/configs/tiny.toml"), "--manifest", str(manifest), "--out", architecture]
            assert main([*command, *settings]) == 0
        runs = ["mobilenetv3_small_050", "test_efficientnet"]
        Path("tried.toml").write_text('[[tried]]\nwhat = "EMA"\nresult = "+1 on validation"\nkept = true\n')
        export = ["export", *runs, "--manifest", str(manifest), "--release", "toy", "--out", "toy", "--search-views"]
        assert main([*export, "--tried", "tried.toml"]) == 0
    return manifest, folder / "toy"


def test_a_trained_release_loads_and_measures_as_it_says(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, folder = trained
    monkeypatch.chdir(tmp_path)
    release = load_release(folder)
    assert release.classes == read_manifest(manifest).classes
    assert sum(member.weight for member in release.members) == pytest.approx(1)
    report = evaluate_release(str(folder), manifest, "test")
    stated = release.document["metrics"]["test"]
    assert report["accuracy"] == stated["accuracy"]
    assert report["ece"]["value"] == pytest.approx(stated["ece"]["value"], abs=0.01)
    assert set(release.thresholds) == {"melanoma"}


def test_the_commands_print_figures_and_write_the_card(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    manifest, folder = trained
    monkeypatch.chdir(tmp_path)
    figures = tmp_path / "figures.json"
    command = ["evaluate", "--manifest", str(manifest), "--release", str(folder), "--json", str(figures)]
    assert main(command) == 0
    assert "balanced_accuracy" in capsys.readouterr().out
    assert json.loads(figures.read_text())["accuracy"]["n"] == 12
    assert main(["card", "--release", str(folder), "--out", str(tmp_path / "card.md")]) == 0
    document = json.loads((folder / "release.json").read_text())
    card = (tmp_path / "card.md").read_text()
    assert card == card_text(document)
    assert f"{document['metrics']['test']['accuracy']['value']:.2f}" in card
    for section in (
        "What this release had to reach",
        "Confusion",
        "What abstaining buys",
        "CLEAR Derm",
        "What was tried",
    ):
        assert section in card
    assert "| EMA | +1 on validation | yes |" in card
    assert "| skin type V-VI |" in card
    assert (
        "cannot screen" in card or document["operating_points"]["melanoma"]["clinical"]["specificity"]["value"] >= 0.5
    )


def test_the_papers_tables_stand_beside_ours(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "docs" / "PAPER_TABLES.md"
    out.parent.mkdir()
    assert main(["tables", "--release", str(trained[1]), "--out", str(out)]) == 0
    text, document = out.read_text(), json.loads((trained[1] / "release.json").read_text())
    accuracy = document["metrics"]["test"]["accuracy"]
    assert f"{accuracy['value']:.2f} ({accuracy['low']:.2f}-{accuracy['high']:.2f})" in text
    assert "57,600" in text
    assert "0.914 (F1 0.92)" in text
    assert "not known to us" in text
    first = {file.name: file.read_bytes() for file in (out.parent / "images").iterdir()}
    assert set(first) == {"paper-figure-6.svg", "paper-figure-7.svg"}
    assert b"<image" not in first["paper-figure-6.svg"]
    assert main(["tables", "--release", str(trained[1]), "--out", str(out)]) == 0
    assert first == {file.name: file.read_bytes() for file in (out.parent / "images").iterdir()}


def test_tables_need_a_measured_release(toy_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["tables", "--release", str(toy_release), "--out", str(tmp_path / "x.md")]) == 1
    assert "holds no confusion matrix" in capsys.readouterr().err


def test_an_unknown_release_is_one_sentence(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    assert main(["evaluate", "--manifest", str(trained[0]), "--release", str(tmp_path / "none")]) == 1
    assert "was not found" in capsys.readouterr().err


def test_licence_file_lists_every_source(trained: tuple[Path, Path]) -> None:
    text = (trained[1] / "LICENSE-WEIGHTS.md").read_text()
    assert "| source0 | 30 | drawn |" in text
    assert "non-commercial" in text


def test_changed_weights_do_not_load(release: Path, tmp_path: Path) -> None:
    for file in release.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with (tmp_path / "weights.safetensors").open("r+b") as handle:
        handle.seek(-1, 2)
        handle.write(b"\x7f")
    document = json.loads((tmp_path / "release.json").read_text()) | {"thresholds": {"melanoma": 0.5}}
    (tmp_path / "release.json").write_text(json.dumps(document))
    with pytest.raises(ReleaseError):
        load_release(tmp_path)


def test_strange_photos_are_told_by_untouched_features() -> None:
    net = build_network("test_efficientnet", 2)
    heavy = Member("heavy", "test_efficientnet", net, 0.6, training={"epochs_done": 3})
    frozen = Member("frozen", "test_efficientnet", net, 0.3, training={"epochs_done": 0})
    assert choose_watcher([heavy, frozen]) is frozen
    assert choose_watcher([heavy, Member("other", "test_efficientnet", net, 0.4, training={"epochs_done": 1})]) is heavy


@pytest.mark.parametrize("wrong", ["lite2", "lite2=", "lite2=much"])
def test_a_least_weight_without_a_number_is_one_sentence(wrong: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["export", "run", "--manifest", "m.csv", "--release", "r", "--floor", wrong])
    assert "is not RUN=WEIGHT" in capsys.readouterr().err
