"""`python -m ml predict` as a person runs it."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from ml.__main__ import main
from ml.serving.cli import COLUMNS
from ml.taxonomy import SLUGS, TIERS
from tests.ml import drawing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    photos.mkdir()
    for tone in range(3):
        drawing.skin(tone).save(photos / f"{tone}.jpg")
    drawing.skin(1, (120, 100)).save(photos / "small.png")
    drawing.document().save(photos / "paper.webp")
    (photos / "broken.jpg").write_bytes(b"no photo")
    (photos / "notes.txt").write_text("not looked at")
    return photos


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def predict(*inputs: object, out: Path, release: Path) -> int:
    return main(["predict", *map(str, inputs), "--csv", str(out), "--release", str(release)])


def test_columns_are_those_of_the_contract():
    assert ",".join(COLUMNS) == "path,outcome,tier,p_" + ",p_".join(SLUGS)


def test_a_folder_gives_one_row_per_photo(folder, tmp_path, toy_release, engine, capsys):
    assert predict(folder, out=tmp_path / "out.csv", release=toy_release) == 0
    found = {Path(row["path"]).name: row for row in rows(tmp_path / "out.csv")}
    assert list(found) == ["0.jpg", "1.jpg", "2.jpg", "broken.jpg", "paper.webp", "small.png"]
    assert found["broken.jpg"]["outcome"] == "unusable"
    assert set(found["broken.jpg"].values()) == {found["broken.jpg"]["path"], "unusable", ""}
    assert (found["paper.webp"]["outcome"], found["small.png"]["outcome"]) == ("inconclusive", "assessed")
    for name, row in found.items():
        if name != "broken.jpg":
            assert row["tier"] in TIERS
            assert sum(float(row[f"p_{slug}"]) for slug in SLUGS) == pytest.approx(1, abs=1e-4)
    assert "6 photos: 4 assessed, " in capsys.readouterr().err
    alone = engine.predict([(folder / "1.jpg").read_bytes()])[0]
    assert float(found["1.jpg"]["p_moles"]) == pytest.approx(alone.probabilities["moles"], abs=1e-4)


def test_a_manifest_is_relative_to_itself(folder, tmp_path, toy_release):
    manifest = folder.parent / "manifest.csv"
    manifest.write_text("label,path\nacne,photos/1.jpg\nmoles,photos/gone.jpg\nacne,photos/0.jpg\n")
    assert predict(manifest, out=tmp_path / "out.csv", release=toy_release) == 0
    found = rows(tmp_path / "out.csv")
    assert [row["path"] for row in found] == ["photos/1.jpg", "photos/gone.jpg", "photos/0.jpg"]
    assert [row["outcome"] for row in found] == ["assessed", "unusable", "assessed"]


@pytest.mark.parametrize(
    ("content", "words"),
    [("label\nacne\n", "no column named path"), ("\xff\xfe\x00", "cannot be read"), (None, "cannot be read")],
)
def test_a_useless_manifest_is_one_sentence(tmp_path, toy_release, capsys, content, words):
    manifest = tmp_path / "m.csv"
    if content is not None:
        manifest.write_bytes(content.encode("latin-1"))
    assert predict(manifest, out=tmp_path / "out.csv", release=toy_release) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1


def test_an_empty_folder_and_an_unknown_release(tmp_path, toy_release, folder, capsys):
    (tmp_path / "empty").mkdir()
    assert predict(tmp_path / "empty", out=tmp_path / "out.csv", release=toy_release) == 2
    assert predict(folder, out=tmp_path / "out.csv", release=tmp_path / "nowhere") == 2
    assert "was not found" in capsys.readouterr().err


def test_a_photo_that_does_not_exist_is_a_mistake_and_no_result(tmp_path, toy_release, capsys):
    out = tmp_path / "out.csv"
    assert predict(tmp_path / "typo.jpg", out=out, release=toy_release) == 2
    assert "typo.jpg does not exist." in capsys.readouterr().err
    assert not out.exists()


def test_wrong_arguments_say_how_to_get_help(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["predict", "photo.jpg", "--colour", "red"])
    assert stopped.value.code == 2
    assert "--help" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    assert "MANIFEST" in capsys.readouterr().out


def test_as_a_command_without_torch(folder, toy_release):
    command = [sys.executable, "-X", "importtime", "-m", "ml", "predict", folder / "0.jpg", "--csv", "-"]
    done = subprocess.run([*command, "--release", toy_release], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("path,outcome,tier,p_vitiligo")
    assert len(lines) == 2
    imported = {line.rsplit("|")[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "onnxruntime" in imported
    assert not {"torch", "timm", "django"} & imported
