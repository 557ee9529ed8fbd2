"""A source that training has never seen: nothing of it, and nobody from it, is left in what is trained on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ml.__main__ import main
from ml.data.manifest import Manifest, Row, read_manifest
from ml.training.heldout import check_fair, choose_sources, hold_out, plain
from ml.training.train import TrainConfig
from tests.ml.toyset import draw_set, read_records, write_manifest

ROOT = Path(__file__).parents[2]
CONFIG = TrainConfig("test_resnet", distill=0.0)


def _manifest() -> Manifest:
    rows = []
    for source, labels in (("pad_a", "moles acne"), ("pad_b", "moles acne"), ("net_c", "moles acne warts")):
        for label in labels.split():
            for number in range(40):
                part = "train" if number < 24 else "val" if number < 32 else "test"
                group = "both" if (source, number) in {("pad_a", 0), ("pad_b", 0)} else f"{source}{label}{number}"
                rows.append(Row(len(rows) + 2, f"{len(rows)}.png", label, part, source, group=group))
    return Manifest(Path(), tuple(rows), ("acne", "moles", "warts"))


def test_neither_the_source_nor_its_patients_are_trained_on() -> None:
    manifest = _manifest()
    held = hold_out(manifest, "pad_a")
    left = [manifest.rows[i] for i in [*held.train, *held.val]]
    assert not {row.source for row in left} & {"pad_a"}
    assert "both" not in {row.group for row in left}
    assert {row.part for row in left} == {"train", "val"}
    assert len(held.test) == 80
    assert held.tested == ["acne", "moles"]


def test_a_class_that_only_the_source_has_is_not_asked_for() -> None:
    held = hold_out(_manifest(), "net_c")
    assert held.classes == held.tested == ["acne", "moles"]
    assert len(held.test) == 80


def test_a_family_is_held_out_together() -> None:
    manifest = _manifest()
    assert [held.source for held in choose_sources(manifest, family=True)] == ["net", "pad"]
    left = hold_out(manifest, "pad_a", family=True).train
    assert {manifest.rows[i].source for i in left} == {"net_c"}


def test_a_source_that_does_not_exist_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="hospital is no source of the manifest; it has net_c, pad_a, pad_b"):
        choose_sources(_manifest(), ["hospital"])


def test_weights_that_have_seen_every_source_are_refused() -> None:
    check_fair(CONFIG)
    check_fair(replace(CONFIG, init="packaged", distill=1.0))
    for seen in ({"init": "inherit:var/runs/a/best.pt"}, {"init": "a.pt"}, {"teacher": "a.pt", "imitate": 1.0}):
        with pytest.raises(ValueError, match="cheating"):
            check_fair(replace(CONFIG, **seen))
    assert plain(CONFIG).init == "packaged"


def test_the_command_tests_each_source_and_keeps_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = draw_set(tmp_path / "set", photos=40)
    write_manifest(manifest, [record | {"group": record["path"]} for record in read_records(manifest)])
    command = ["evaluate", "--manifest", str(manifest), "--leave-source-out", str(ROOT / "ml/configs/tiny.toml")]
    command += [
        "--sources",
        "source0",
        "source1",
        "--methods",
        "frozen",
        "discriminants",
        "vote",
        "--json",
        "table.json",
    ]
    command += ["--set", "epochs=1", "architecture=test_resnet", "threads=1"]
    assert main(command) == 0
    study = json.loads(Path("table.json").read_text())
    assert [(row["source"], row["photos"], row["classes"]) for row in study["sources"]] == [
        ("source0", 60, 3),
        ("source1", 60, 3),
    ]
    frozen = [row["found"]["frozen"]["value"] for row in study["sources"]]
    assert min(frozen) > 0.6  # colours are the same in both sources
    assert study["mean"]["frozen"] == pytest.approx(sum(frozen) / 2, abs=1e-3)
    before = {file: file.stat().st_mtime_ns for file in Path("var/heldout").rglob("*.npy")}
    assert len(before) == 6  # the vote is made of the discriminants and of the recipe
    assert main(command) == 0
    assert before == {file: file.stat().st_mtime_ns for file in before}
    assert [row["found"]["vote"]["value"] > 0.6 for row in study["sources"]] == [True, True]
    assert "mean: frozen" in capsys.readouterr().out
    assert read_manifest(manifest).rows
