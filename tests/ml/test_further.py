"""Photos beside the manifest: who may stand in for whom, and what never gets in."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.__main__ import main
from ml.data.manifest import ManifestError, read_manifest
from ml.data.pack import pack_manifest
from ml.training.further import Kin, read_further
from ml.training.train import NO_LABEL, TrainConfig, Trainer, select_photos
from tests.ml.toyset import draw_set

CONFIG = TrainConfig("mobilenetv3_small_050", distill=0.0, size=64, epochs=1, batch=8, dropout=0.0)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_set(tmp_path_factory.mktemp("drawn"))


def _further(folder: Path, manifest, rows: list[tuple[str, str]]) -> Path:
    """A further set of copies: (path in the manifest, diagnosis)."""
    folder.mkdir()
    with (folder / "further.csv").open("w", newline="") as handle:
        lines = csv.writer(handle)
        lines.writerow(["path", "diagnosis"])
        for number, (path, diagnosis) in enumerate(rows):
            shutil.copy(manifest.root / path, folder / f"{number}.png")
            lines.writerow([f"{number}.png", diagnosis])
    return folder / "further.csv"


def test_shares_of_classes_and_families_stay_and_every_photo_is_as_likely() -> None:
    labels, sources = np.array([0] * 10 + [0] * 10 + [1] * 10), ["ham_a"] * 10 + ["pad_a"] * 10 + ["ham_b"] * 10
    kin = Kin(labels, sources, np.array([0] * 30 + [NO_LABEL] * 5), ["ham_more"] * 35)
    order = np.tile(np.arange(30), 400)
    wide = kin.widen(order, np.random.default_rng(0))
    assert (wide[order >= 10] == order[order >= 10]).all()  # another family, another class: nobody stands in
    first = wide[order < 10]
    assert (first < 0).mean() == pytest.approx(0.75, abs=0.02)
    counts = np.bincount(-1 - first[first < 0], minlength=35)
    assert not counts[30:].any()
    assert counts[:30].min() > 60


def test_a_copy_of_a_judged_photo_is_left_out(drawn: Path, tmp_path: Path) -> None:
    manifest = read_manifest(drawn)
    train, test = manifest.part("train")[0], manifest.part("test")[0]
    file = _further(tmp_path / "more", manifest, [(test.path, "MEL"), (train.path, "NV"), (train.path, "VASC")])
    found = read_further(file, manifest, source="ham_more")
    assert [(row.path, row.label, row.source) for row in found.rows] == [
        ("1.png", "moles", "ham_more"),
        ("2.png", "", "ham_more"),
    ]
    assert found.classes == manifest.classes


def test_a_missing_further_photo_stops_training_with_its_row(drawn: Path, tmp_path: Path, capsys) -> None:
    manifest = read_manifest(drawn)
    file = _further(tmp_path / "more", manifest, [(manifest.rows[0].path, "NV")])
    (tmp_path / "more" / "0.png").unlink()
    with pytest.raises(ManifestError, match="Row 2"):
        read_further(file, manifest)
    config = tmp_path / "toy.toml"
    config.write_text('architecture = "mobilenetv3_small_050"\ndistill = 0.0\nepochs = 1\n')
    out = tmp_path / "run"
    code = main(["train", str(config), "--manifest", str(drawn), "--extra", str(file), "--out", str(out)])
    assert code == 1
    assert "Row 2" in capsys.readouterr().err
    assert not out.exists()


def test_a_further_photo_is_trained_on_with_its_label(drawn: Path, tmp_path: Path) -> None:
    manifest = read_manifest(drawn)
    packed = pack_manifest(manifest, side=72, cache=tmp_path)
    photos = {part: select_photos(manifest, packed, part) for part in ("train", "val")}
    extra = replace(photos["train"], rows=photos["train"].rows[:4], labels=photos["train"].labels[:4])
    extra = replace(extra, sources=photos["train"].sources[:4])
    trainer = Trainer(CONFIG, list(manifest.classes), photos["train"], photos["val"], extra)
    order = np.concatenate([trainer._draw(np.random.default_rng(seed)) for seed in range(5)])
    assert (order < 0).any()
    _, targets, known = trainer._prepare(0, order[order < 0][:4])
    assert known.all()
    assert targets.argmax(1).tolist() == [int(extra.labels[-1 - i]) for i in order[order < 0][:4]]
