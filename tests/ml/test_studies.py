"""Single questions to a release: each has an answer that is known for drawn pictures or made-up numbers."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.__main__ import main
from ml.data.manifest import read_manifest
from ml.evaluation.card_studies import studies_text, tried_text
from ml.evaluation.cli import evaluate_release
from ml.evaluation.controls import compare_answers
from ml.evaluation.darkening import darken
from ml.evaluation.goals import goals
from ml.evaluation.sources import control_sources, label_from_source
from ml.evaluation.strange import PHOTOGRAPH, all_strange, drawn_pictures
from ml.evaluation.studies import add_study, keep_study, read_studies, read_tried
from ml.taxonomy import SLUGS
from ml.training.networks import build_network
from tests.ml.toyset import draw_set, read_records, write_manifest


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_set(tmp_path_factory.mktemp("drawn"))


def test_refusals_are_counted_by_category_and_kept(
    toy_copy: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    food = tmp_path / "mine" / "food"
    food.mkdir(parents=True)
    (food / "a.png").write_bytes((drawn.parent / "moles_0.png").read_bytes())
    uncovered = tmp_path / "rare.csv"
    uncovered.write_text(f"path,diagnosis\n{drawn.parent / 'moles_1.png'},SCC\n{drawn.parent / 'moles_2.png'},NV\n")
    command = ["ood-check", str(food.parent), "--release", str(toy_copy), "--each", "1", "--uncovered", str(uncovered)]
    assert main([*command, "--json", str(tmp_path / "ood.json"), "--add-to", str(toy_copy)]) == 0
    study = json.loads((toy_copy / "release.json").read_text())["studies"]["ood"]
    counts = {(row["kind"], row["category"]): row["n"] for row in study["categories"]}
    assert counts["disease", "squamous cell carcinoma"] == 1
    assert counts["drawn", "noise"] == counts["photograph", "food"] - 1 == 1  # scikit-image ships a cup of coffee
    assert study["kinds"]["photograph"]["n"] == sum(n for (kind, _), n in counts.items() if kind == "photograph")
    assert "squamous cell carcinoma" in capsys.readouterr().out
    assert read_studies([tmp_path / "ood.json"])["ood"]["kinds"] == study["kinds"]


def test_packages_bring_photographs_of_many_kinds() -> None:
    found = [one for one in all_strange([], None, each=0, limit=0) if one.kind == PHOTOGRAPH]
    assert len(found) >= 15
    assert {"people", "food", "animals", "objects", "landscapes", "documents"} <= {one.category for one in found}


def test_drawn_pictures_differ_and_repeat() -> None:
    first, again = ([one.data for one in drawn_pictures(2)] for _ in range(2))
    assert first == again
    assert len(set(first)) == len(first)


def test_darkening_keeps_the_hue() -> None:
    photo = np.full((8, 8, 3), (200, 140, 110), np.uint8)
    darker = darken(photo, 0.5)[0, 0].astype(int)
    assert darker.sum() < 0.7 * photo[0, 0].astype(int).sum()
    assert darker[0] > darker[1] > darker[2]
    assert np.array_equal(darken(photo, 1.0), photo)


def test_darkening_is_measured_step_by_step(toy_copy: Path, drawn: Path, capsys: pytest.CaptureFixture) -> None:
    command = ["darkening", "--manifest", str(drawn), "--release", str(toy_copy), "--photos", "4"]
    assert main([*command, "--add-to", str(toy_copy)]) == 0
    study = json.loads((toy_copy / "release.json").read_text())["studies"]["darkening"]
    assert [step["lightness"] for step in study["steps"]] == [1.0, 0.85, 0.7, 0.55, 0.4]
    assert study["steps"][0]["rise"]["value"] == 0
    rises = [round(step["p_normal"]["value"] - study["steps"][0]["p_normal"]["value"], 3) for step in study["steps"]]
    assert [step["rise"]["value"] for step in study["steps"]] == pytest.approx(rises, abs=2e-3)
    assert study["passed"] == (max(rises) <= 0.02)
    assert study["photos"] == 4


def test_a_part_without_lesions_is_one_sentence(
    toy_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    manifest = draw_set(tmp_path, classes=("normal",), photos=10)
    assert main(["darkening", "--manifest", str(manifest), "--release", str(toy_release)]) == 1
    assert "no lesion photos in the part test" in capsys.readouterr().err


def test_labels_that_follow_the_source_are_explained_by_it(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    records = [record | {"source": f"only {record['label']}"} for record in read_records(drawn)]
    linked = write_manifest(drawn.parent / "linked.csv", records)
    found = control_sources(read_manifest(linked), network="tf_efficientnet_lite0", size=64)
    assert found["label_from_source"]["value"] == 1
    assert found["explained"] == pytest.approx(1, abs=0.2)
    assert found["source_named"]["erased"]["value"] > 0.8
    apart = read_manifest(drawn)  # here each source has every label
    assert label_from_source(list(apart.part("train")), list(apart.part("test")))["value"] < 0.5


def test_a_study_replaces_an_older_one_and_the_rest_stays(toy_copy: Path) -> None:
    before = json.loads((toy_copy / "release.json").read_text())
    add_study(toy_copy / "release.json", "ood", {"n": 1})
    add_study(toy_copy / "release.json", "ood", {"n": 2})
    after = json.loads((toy_copy / "release.json").read_text())
    assert after.pop("studies") == {"ood": {"n": 2}}
    assert after == before


def test_a_file_that_is_no_study_is_refused(tmp_path: Path) -> None:
    keep_study(argparse.Namespace(json=tmp_path / "a.json", add_to=None), "darkening", {"photos": 3})
    assert read_studies([tmp_path / "a.json"])["darkening"]["photos"] == 3
    (tmp_path / "b.json").write_text('{"study": "horoscope"}')
    with pytest.raises(ValueError, match="is no result of a study"):
        read_studies([tmp_path / "b.json"])
    (tmp_path / "tried.toml").write_text('[[tried]]\nwhat = "EMA"\nresult = "+1"\n')
    with pytest.raises(ValueError, match="entry 1 has no kept"):
        read_tried(tmp_path / "tried.toml")


def test_the_card_has_a_section_for_what_was_not_measured() -> None:
    assert all("Not measured" in text for text in studies_text({}))
    assert "Not recorded" in tried_text([])
    assert "| EMA | +1 | no |" in tried_text([{"what": "EMA", "result": "+1", "kept": False}])


# --- the same networks trained plainly -----------------------------------------------------------------------------
def _run(folder: Path, *, classes=SLUGS, architecture: str = "test_resnet", **config) -> Path:
    """A run folder as training leaves it, with a network that nobody trained."""
    torch.manual_seed(5)
    net = build_network(architecture, len(classes))
    settings = {"architecture": architecture, "init": "none", "distill": 0.0, "imitate": 0.0, "size": 64, "epochs": 3}
    folder.mkdir()
    state = {
        "model": net.state_dict(),
        "config": settings | config,
        "classes": list(classes),
        "epoch": 2,
        "history": [],
    }
    torch.save(state, folder / "best.pt")
    return folder


def test_each_member_is_measured_against_the_same_network_trained_plainly(
    toy_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = draw_set(tmp_path / "drawn", photos=50)
    run = _run(tmp_path / "resnet_plain")
    command = ["plain-controls", str(run), "--release", str(toy_copy), "--manifest", str(manifest)]
    assert main([*command, "--json", str(tmp_path / "plain.json"), "--add-to", str(toy_copy)]) == 0
    study = json.loads((toy_copy / "release.json").read_text())["studies"]["plain_controls"]
    (row,) = study["rows"]
    known = {"member": "densenet121", "run": "resnet_plain", "architecture": "test_resnet", "epochs": 3, "size": 64}
    assert {name: row[name] for name in known} == known
    assert set(row["parts"]) == {"val", "test"}
    report = evaluate_release(str(toy_copy), manifest, "test")
    assert row["parts"]["test"]["member"] == report["members"]["densenet121"]["balanced_accuracy"]
    for found in row["parts"].values():
        gain = found["member"]["value"] - found["control"]["value"]
        assert found["difference"]["value"] == pytest.approx(gain, abs=2e-4)
        assert found["difference"]["n"] == 30
    assert "densenet121 against resnet_plain: 3 epochs at 64 px" in capsys.readouterr().out
    assert read_studies([tmp_path / "plain.json"])["plain_controls"]["rows"] == study["rows"]
    assert "| densenet121 | 3 epochs at 64 px, from random weights | test |" in "".join(
        studies_text({"plain_controls": study})
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"imitate": 1.5}, r"was trained with a teacher \(distill 0.0, imitate 1.5\)"),
        ({"distill": 0.5}, r"was trained with a teacher \(distill 0.5, imitate 0.0\)"),
        ({"architecture": "test_vit"}, "is a test_vit, which no member of toy is"),
        ({"classes": ("moles", "normal")}, "was trained on other classes than toy"),
    ],
)
def test_a_run_that_is_no_plain_control_is_one_sentence(
    toy_release: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, changes, sentence
) -> None:
    monkeypatch.chdir(tmp_path)
    run = _run(tmp_path / "run", **changes)
    command = ["plain-controls", str(run), "--release", str(toy_release), "--manifest", str(drawn)]
    assert main([*command, "--json", str(tmp_path / "plain.json")]) == 1
    said = capsys.readouterr().err.splitlines()
    assert re.search(sentence, said[-1])
    assert not (tmp_path / "plain.json").exists()


def test_a_folder_without_a_checkpoint_is_one_sentence(
    toy_release: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["plain-controls", str(tmp_path), "--release", str(toy_release), "--manifest", str(drawn)]
    assert main(command) == 1
    assert "best.pt" in capsys.readouterr().err.splitlines()[-1]


def test_the_difference_is_resampled_together() -> None:
    """A control that is wrong on the same photos differs by nothing in every resample; one half wrong, by .5."""
    labels = np.repeat([0, 1], 20)
    right = np.eye(2)[labels]
    unsure = right.copy()
    unsure[::2] = 1 - unsure[::2]
    groups = [str(index) for index in range(40)]
    same = compare_answers(unsure, unsure, labels, groups)
    assert same["control"]["low"] < same["control"]["value"] < same["control"]["high"]
    assert same["difference"] == {"value": 0, "low": 0, "high": 0, "n": 40}
    better = compare_answers(unsure, right, labels, groups)
    assert better["difference"]["value"] == pytest.approx(0.5)
    assert 0.3 < better["difference"]["low"] < 0.5 < better["difference"]["high"] < 0.7


def test_goals_ask_each_named_member_for_its_control() -> None:
    def row(member: str, gain: float) -> dict:
        return {"member": member, "parts": {"test": {"difference": {"value": gain}}}}

    rows = [row("mobilenetv3", 0.02), row("mobilenetv3", -0.01), row("densenet121", 0.04), row("lite2", -1)]
    found = {
        goal.what.split(" alone above")[0]: (goal.found, goal.reached)
        for goal in goals(_release() | {"studies": {"plain_controls": {"rows": rows}}})
        if "trained plainly" in goal.what
    }
    assert found == {
        "mobilenetv3": ("-0.010", False),  # its best control counts
        "densenet121": ("+0.040", True),
        "efficientnet_b3": ("-", None),
    }


# --- goals ---------------------------------------------------------------------------------------------------------
def _release(**test) -> dict:
    value = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 50}
    figures = {
        "balanced_accuracy": {**value, "value": 0.75},
        "equal_weights": {"balanced_accuracy": {**value, "value": 0.73}},
        "members": {"a": {"balanced_accuracy": {**value, "value": 0.71}}},
        "ece": {**value, "value": 0.04},
        "top3": {**value, "value": 0.9},
        "conformal": {"coverage": {**value, "value": 0.91}},
        "operating_points": {
            "melanoma": {
                "clinical": {"sensitivity": {**value, "value": 0.8, "n": 10}, "specificity": value},
                "dermoscopic": {"sensitivity": {**value, "value": 1.0, "n": 30}, "specificity": value},
            }
        },
    }
    return {"metrics": {"test": figures | test}}


def test_goals_say_what_was_reached_and_what_was_not_measured() -> None:
    found = {goal.what: goal.reached for goal in goals(_release())}
    assert found["calibration error"]
    assert found["gain of the chosen weights over the best member"]
    assert found["equal weights between best member and chosen weights"]
    assert found["melanoma sensitivity at the threshold, all photos"]  # 38 of 40
    assert found["melanoma sensitivity at the threshold, clinical photos"] is False
    assert found["darkening a lesion does not raise p(normal)"] is None
    bad = goals(_release(ece={"value": 0.2}))
    assert next(goal for goal in bad if goal.what == "calibration error").reached is False


def _held_out(*rows: tuple[int, dict[str, float]]) -> dict:
    """A study of held-out sources a, b ...: photos and balanced accuracy by method of each."""
    methods = list(rows[0][1])
    sources = [
        {"source": name, "photos": photos, "found": {method: {"value": value} for method, value in found.items()}}
        for name, (photos, found) in zip("abc", rows, strict=False)
    ]
    mean = {method: sum(found[method] for _, found in rows) / len(rows) for method in methods}
    return {"methods": methods, "sources": sources, "mean": mean}


def _left_out(kind: str, study: dict) -> list[tuple[bool | None, str]]:
    found = goals(_release() | {"studies": {f"leave_{kind}_out": study}})
    return [
        (goal.reached, goal.found) for goal in found if f"held-out {kind} " in goal.what or f"each {kind} " in goal.what
    ]


@pytest.mark.parametrize("kind", ["source", "family"])
def test_goals_of_held_out_sources(kind: str) -> None:
    assert _left_out(kind, {}) == [(None, "-"), (None, "-")]
    ours = {"ours": 0.5, "frozen": 0.46, "plain": 0.4}
    assert _left_out(kind, _held_out((50, ours))) == [(True, "+0.040"), (True, "+0.040 (a)")]
    voted = ours | {"vote": 0.47}  # what a release does counts, not one network in it
    assert _left_out(kind, _held_out((50, voted))) == [(False, "+0.010"), (True, "+0.010 (a)")]
    below = {"ours": 0.45, "frozen": 0.3, "plain": 0.46}
    assert _left_out(kind, _held_out((50, ours), (50, below))) == [(True, "+0.045"), (False, "-0.010 (b)")]
    assert _left_out(kind, _held_out((50, ours), (49, below)))[1] == (True, "+0.040 (a)")
    assert _left_out(kind, _held_out((9, ours)))[1][0] is None
    assert _left_out(kind, _held_out((50, {"frozen": 0.3}))) == [(None, "-"), (None, "-")]
