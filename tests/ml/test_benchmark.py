"""The benchmark runs, prints every row, counts arithmetic right and finds its place in a document. Nothing is timed."""

from __future__ import annotations

import json

import pytest
import torch

from ml.__main__ import main
from ml.benchmark import measure
from ml.benchmark.eager import PAPER, EagerStack, count_flop
from ml.benchmark.report import BEGIN, END
from ml.releases.loader import load_release


def test_operations_of_known_layers():
    """Two per multiplication with its addition: outputs x (inputs per group x kernel)."""
    plain = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
    assert count_flop(plain, 10) == 2 * (8 * 10 * 10) * (3 * 3 * 3)
    each_alone = torch.nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3, bias=False)
    assert count_flop(each_alone, 10) == 2 * (6 * 5 * 5) * (1 * 3 * 3)
    head = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 4 * 4, 13))
    assert count_flop(head, 4) == 2 * 48 * 13


def test_the_papers_networks_need_what_is_published():
    """8.2 GFLOP: MobileNetV3-Large 0.43, DenseNet121 5.7, EfficientNet-B3 at 224 px about 2."""
    assert len(PAPER) == 3
    assert EagerStack.of_paper("cpu").gflop() == pytest.approx(8.2, rel=0.05)


def test_every_row_is_measured_and_written(toy_release, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(EagerStack, "of_paper", lambda device: EagerStack.of_release(load_release(toy_release), device))
    monkeypatch.setattr(measure, "usable_cores", lambda: 1)  # PyTorch's threads wait for each other on a busy machine
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold figures\n{END}\nafter\n")
    files = ["--json", str(tmp_path / "figures.json"), "--markdown", str(tmp_path / "part.md"), "--write", str(page)]
    network = tmp_path / "load.json"
    rows = [
        ("1 MP", 1, "eager", 137.2),
        ("1 MP", 1, "ours", 101.4),
        ("1 MP", 16, "eager", 9.0),
        ("1 MP", 16, "ours", 8.0),
        ("12 MP", 1, "eager", 250.0),  # cut short: the other stack was never asked
    ]
    names = ("photo", "clients", "stack", "p50_ms")
    network.write_text(json.dumps({"rows": [dict(zip(names, row, strict=True)) for row in rows]}))
    settings = ["--release", str(toy_release), "--device", "cpu", "--rounds", "1", "--batches", "1,3"]
    settings += ["--network", str(network)]
    assert main(["benchmark", *settings, *files]) == 0
    printed = capsys.readouterr().out
    assert (tmp_path / "part.md").read_text() == printed
    assert page.read_text().startswith(f"before\n{BEGIN}\n")
    assert page.read_text().endswith(f"{END}\nafter\n")
    assert printed in page.read_text()
    assert "over HTTP, 12 MP" not in printed
    assert "old figures" not in page.read_text()
    for row in ("engine, networks", "eager, same networks", "eager, paper's networks", "arithmetic limit, release",
                "engine to eager", "engine to limit", "decode", "resize", "densenet121", "vote", "cam",
                "| 1 |", "| 3 |", "MB resident", "Release toy", "| local, no HTTP | under 1 s |",
                "| over HTTP, 1 MP | under 1.5 s | 137 ms | 101 ms |"):  # fmt: skip
        assert row in printed
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert set(figures["photos_per_second"]) == {"1", "3"}
    assert figures["ratios"]["engine to limit"] == pytest.approx(
        figures["one_photo_ms"]["engine, networks"]["p50"] / figures["limit_ms"]["release"]
    )
    assert 0 < figures["resident_megabytes"]["warm"] <= figures["resident_megabytes"]["highest"]


def test_what_cannot_be_measured_is_one_sentence(tmp_path, capsys):
    assert main(["benchmark", "--release", "no-such-release"]) == 2
    assert capsys.readouterr().err.startswith("benchmark: Release no-such-release was not found")
    for content in ("no JSON", "[]", '{"rows": [{"photo": "1 MP"}]}'):
        (tmp_path / "load.json").write_text(content)
        assert main(["benchmark", "--network", str(tmp_path / "load.json")]) == 2
        assert capsys.readouterr().err == f"benchmark: {tmp_path}/load.json holds no figures of make load.\n"
    assert main(["benchmark", "--network", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err
    for wrong in (["--rounds", "0"], ["--batches", "1,x"]):
        with pytest.raises(SystemExit):
            main(["benchmark", *wrong])
        assert "is not a whole number above 0" in capsys.readouterr().err
