"""Comparisons on drawn pictures: same budget, nothing trained twice, a killed search goes on, the test part unread."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ml.__main__ import main
from tests.ml.toyset import draw_set, read_records, write_manifest

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / "ml/configs/tiny.toml")
QUICK = ["--set", "architecture=test_resnet", "epochs=1", "threads=1", "seed=3"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_set(tmp_path_factory.mktemp("drawn"), photos=10)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_balance_is_trained_once_and_compared(drawn: Path, capsys: pytest.CaptureFixture) -> None:
    command = ["compare-balance", TINY, "--manifest", str(drawn), "--out", "runs", "--json", "balance.json", *QUICK]
    assert main(command) == 0
    rows = json.loads(Path("balance.json").read_text())["rows"]
    assert [row["balance"] for row in rows] == ["sqrt", "oversample", "undersample", "weights", "none"]
    steps = {len(json.loads(Path("runs", row["balance"], "history.json").read_text())) for row in rows}
    assert steps == {1}
    assert "| balance | macro F1 |" in capsys.readouterr().out
    written = {run: run.stat().st_mtime_ns for run in Path("runs").glob("*/best.pt")}
    assert main(command) == 0
    assert written == {run: run.stat().st_mtime_ns for run in written}


def test_a_search_goes_on_where_it_was_stopped(
    drawn: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from ml.training import compare

    grid = ["--batch", "8", "--lr", "1e-3", "1e-2", "--weight-decay", "1e-4", "--dropout", "0.3", "0.5"]
    command = ["tune", TINY, "--manifest", str(drawn), "--out", "search", "--csv", "rows.csv", *grid, *QUICK]
    trained, run_once = [], compare.run_once

    def stop_at_third(config, bench, run):
        trained.append(run.name)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return run_once(config, bench, run)

    monkeypatch.setattr(compare, "run_once", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        main(command)
    assert main(command) == 0
    assert len(set(trained)) == 4
    assert len(trained) == 5  # the third was begun twice
    with Path("rows.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert {(row["lr"], row["dropout"]) for row in rows} == {(r, d) for r in ("0.001", "0.01") for d in ("0.3", "0.5")}
    scores = [float(row["macro F1"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert "| batch | lr | weight_decay | dropout |" in capsys.readouterr().out
    other = ["tune", TINY, "--manifest", str(drawn), "--out", "search", "--batch", "4", *QUICK]
    assert main(other) == 1
    assert "another grid" in capsys.readouterr().err


def _run(name: str, logits: np.ndarray, labels: np.ndarray) -> str:
    Path(name).mkdir()
    np.savez(Path(name) / "val.npz", logits=logits, labels=labels, rows=np.arange(len(labels)))
    return name


def test_weights_favour_the_better_member_and_the_vote_beats_both(capsys: pytest.CaptureFixture) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    runs = [
        _run(name, rng.normal(size=(600, 3)) + skill * np.eye(3)[labels], labels)
        for name, skill in (("good", 2.0), ("fair", 1.6), ("useless", 0.0))
    ]
    assert main(["ensemble", *runs, "--least", "0", "--json", "votes.json"]) == 0
    rows = {row["name"]: row for row in json.loads(Path("votes.json").read_text())["rows"]}
    assert rows["good"]["weight"] >= rows["fair"]["weight"] > rows["useless"]["weight"]
    searched = rows["searched weights"]
    assert searched["balanced accuracy"] > max(rows[run]["balanced accuracy"] for run in runs)
    assert searched["balanced log loss"] <= rows["equal weights"]["balanced log loss"]
    assert "searched weights" in capsys.readouterr().out


def test_runs_that_do_not_fit_together_are_refused(capsys: pytest.CaptureFixture) -> None:
    first = _run("first", np.zeros((4, 2)), np.array([0, 1, 0, 1]))
    other = _run("other", np.zeros((4, 2)), np.array([0, 0, 0, 1]))
    assert main(["ensemble", first, other]) == 1
    assert "validated on other photos" in capsys.readouterr().err
    Path("empty").mkdir()
    assert main(["ensemble", "empty"]) == 1
    assert "has no val.npz" in capsys.readouterr().err


def test_an_older_run_gets_its_logits_without_the_test_part(drawn: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["train", TINY, "--manifest", str(drawn), "--out", "run", *QUICK]) == 0
    with np.load("run/val.npz") as saved:
        before = saved["logits"]
    Path("run/val.npz").unlink()
    records = [record for record in read_records(drawn) if record["part"] != "test"]
    without_test = write_manifest(drawn.parent / "without_test.csv", records)
    assert main(["ensemble", "run", "--manifest", str(without_test)]) == 0
    with np.load("run/val.npz") as saved:
        assert saved["logits"] == pytest.approx(before, abs=0.05)  # weights were rounded to 16 bits


@pytest.mark.parametrize(("config", "init"), [("nowhere.toml", "none"), (TINY, "nowhere.pt")])
def test_training_without_its_files_ends_with_a_sentence(
    drawn: Path, config: str, init: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(["train", config, "--manifest", str(drawn), "--init", init, *QUICK]) == 1
    assert "nowhere" in capsys.readouterr().err.splitlines()[-1]
