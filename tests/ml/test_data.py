"""Manifests: each fault is refused with its row, the split keeps groups whole, the mark is gone from memory."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from ml.__main__ import main
from ml.data.manifest import Manifest, ManifestError, Row, check_manifest, read_manifest
from ml.data.pack import erase_watermark, pack_manifest
from ml.data.split import split_manifest
from ml.data.stats import count_groups, summarise_data
from tests.ml.toyset import draw_set, read_records, write_manifest

SHARED = Path("../shared/data/skin13/manifest.csv")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return draw_set(tmp_path / "set", photos=10)


def test_a_sound_manifest_passes(manifest: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["data", "check", str(manifest)]) == 0
    assert "30 photos of 3 classes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"path": "gone.png"}, "Row 5: the photo gone.png does not exist."),
        ({"path": "x" * 300}, f"Row 5: the photo {'x' * 300} does not exist."),
        ({"sha256": "0" * 64}, "Row 5: the sha256 of melanoma_3.png differs"),
        ({"label": "mystery"}, "Row 5: the label 'mystery' is unknown"),
        ({"label": ""}, "Row 5: the label '' is unknown"),
        ({"group": "moles-4"}, "the group moles-4 is in"),
        ({"part": "holdout", "group": ""}, "Row 5: the part 'holdout' is none of"),
        ({"path": ""}, "Row 5: the path is empty."),
    ],
)
def test_a_faulty_row_is_named(manifest: Path, fault: dict, sentence: str, capsys: pytest.CaptureFixture) -> None:
    records = read_records(manifest)
    records[3] |= fault
    write_manifest(manifest, records)
    assert main(["data", "check", str(manifest)]) == 1
    assert sentence in capsys.readouterr().err


def test_a_corrupt_photo_is_named(manifest: Path) -> None:
    records = read_records(manifest)
    photo = manifest.parent / records[0]["path"]
    photo.write_bytes(photo.read_bytes()[:200])
    records[0]["sha256"] = ""
    write_manifest(manifest, records)
    with pytest.raises(ManifestError, match=r"Row 2: the photo melanoma_0.png does not decode."):
        check_manifest(read_manifest(manifest))


def _copy(manifest: Path, change) -> list[dict[str, str]]:
    """A test photo becomes a changed copy of a training photo of another class."""
    records = read_records(manifest)
    target = next(record for record in records if record["part"] == "test")
    with Image.open(manifest.parent / "normal_0.png") as photo:
        change(photo.convert("RGB")).save(manifest.parent / target["path"])
    target["sha256"] = ""
    write_manifest(manifest, records)
    return [target, next(record for record in records if record["path"] == "normal_0.png")]


@pytest.mark.parametrize(
    "change",
    [
        lambda photo: photo.resize((48, 36)).resize((96, 72)),
        lambda photo: photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda photo: ImageEnhance.Brightness(photo).enhance(0.7),
    ],
    ids=["smaller", "mirrored", "darker"],
)
def test_a_copy_in_another_part_is_refused(manifest: Path, change, capsys: pytest.CaptureFixture) -> None:
    target, original = _copy(manifest, change)
    assert main(["data", "check", str(manifest)]) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert target["path"] in message
    assert original["path"] in message
    assert "looks like" in message


def test_a_pair_that_a_person_has_reviewed_passes(manifest: Path, tmp_path: Path) -> None:
    target, original = _copy(manifest, lambda photo: photo)
    reviewed = tmp_path / "pairs.csv"
    reviewed.write_text(f"{original['path']},{target['path']}\n")
    assert main(["data", "check", str(manifest), "--reviewed", str(reviewed)]) == 0
    reviewed.write_text(f"{original['path']},moles_9.png\n")
    assert main(["data", "check", str(manifest), "--reviewed", str(reviewed)]) == 1


def test_a_copy_in_the_same_part_is_no_leak(manifest: Path) -> None:
    records = read_records(manifest)
    photo = (manifest.parent / records[0]["path"]).read_bytes()
    (manifest.parent / records[1]["path"]).write_bytes(photo)
    records[1]["sha256"] = ""
    assert first_fault(write_manifest(manifest, records)) == ""
    records[1]["part"] = next(r["part"] for r in records if r["part"] != records[0]["part"])
    assert first_fault(write_manifest(manifest, records)) != ""  # the same copy in another part is one


def first_fault(manifest: Path) -> str:
    """What `check_manifest` refuses the set for, "" where it passes."""
    try:
        check_manifest(read_manifest(manifest))
    except ManifestError as fault:
        return str(fault)
    return ""


def test_a_class_without_training_photos_is_refused(manifest: Path) -> None:
    records = [r for r in read_records(manifest) if not (r["label"] == "moles" and r["part"] == "train")]
    with pytest.raises(ManifestError, match=r"The class moles has no photos in train."):
        check_manifest(read_manifest(write_manifest(manifest, records)))


def test_a_listed_class_may_be_new(tmp_path: Path) -> None:
    manifest = draw_set(tmp_path, classes=("normal", "rare-condition"), photos=10)
    with pytest.raises(ManifestError, match="'rare-condition' is unknown"):
        check_manifest(read_manifest(manifest))
    (tmp_path / "classes.txt").write_text("normal\nrare-condition\n")
    check_manifest(read_manifest(manifest))
    assert read_manifest(manifest).classes == ("normal", "rare-condition")


@pytest.mark.parametrize(
    "content",
    [b"", b"label\nnormal\n", b"path,label\n", b"path\n\xff\xd8\xff\xe0", b'path\n"' + bytes(200_000)],
    ids=["empty", "no path", "no row", "a photo", "an endless field"],
)
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "manifest.csv"
    file.write_bytes(content)
    with pytest.raises(ManifestError):
        read_manifest(file)


def _unsplit(patients: int = 600) -> Manifest:
    """One to three photos of each patient, of one class and source, sometimes of a second class."""
    rng = random.Random(3)
    rows = []
    for patient in range(patients):
        label, source = rng.choice(("moles", "normal", "acne")), rng.choice("ab")
        for photo in range(rng.choice((1, 2, 3))):
            shown = "acne" if rng.random() < 0.05 else label
            path = f"{patient}-{photo}.png"
            rows.append(Row(len(rows) + 2, path, label=shown, source=source, group=f"patient{patient}"))
    return Manifest(Path(), tuple(rows), ("acne", "normal", "moles"))


def test_the_split_keeps_groups_whole_and_shares_right() -> None:
    rows = split_manifest(_unsplit()).rows
    parts: dict[str, set[str]] = {}
    for row in rows:
        parts.setdefault(row.group, set()).add(row.part)
    assert {len(found) for found in parts.values()} == {1}
    for label in ("moles", "normal", "acne"):
        for source in "ab":
            counts = Counter(row.part for row in rows if (row.label, row.source) == (label, source))
            total = sum(counts.values())
            assert counts["train"] / total == pytest.approx(0.70, abs=0.04)
            assert counts["val"] / total == pytest.approx(0.15, abs=0.04)


def test_the_split_depends_on_seed_alone() -> None:
    manifest = _unsplit()
    shuffled = replace(manifest, rows=tuple(random.Random(1).sample(manifest.rows, len(manifest.rows))))
    first, second = ({row.path: row.part for row in split_manifest(m).rows} for m in (manifest, shuffled))
    assert first == second
    assert first != {row.path: row.part for row in split_manifest(manifest, seed=1).rows}


def test_an_official_split_stays(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "split.csv"
    assert main(["data", "split", str(manifest), "--out", str(out)]) == 0
    assert read_records(out) == read_records(manifest)


def test_the_command_fills_an_empty_part_column(manifest: Path, tmp_path: Path) -> None:
    write_manifest(manifest, [record | {"part": ""} for record in read_records(manifest)])
    out = tmp_path / "split.csv"
    assert main(["data", "split", str(manifest), "--out", str(out)]) == 0
    assert {record["part"] for record in read_records(out)} == {"train", "val", "test"}


def test_statistics_count_every_photo(manifest: Path, capsys: pytest.CaptureFixture) -> None:
    summary = summarise_data(read_manifest(manifest))
    assert summary["per_class"]["moles"] == {"train": 6, "val": 2, "test": 2}
    assert sum(entry["n"] for entry in summary["sources"]) == sum(summary["fitzpatrick"].values()) == 30
    assert main(["data", "stats", str(manifest)]) == 0
    printed = capsys.readouterr().out
    assert "skin type V-VI: 6" in printed
    assert "sex unknown: 30" in printed
    assert "label by source: [1] source0, [2] source1" in printed
    assert "moles                         5      5" in printed


def test_age_and_sex_are_grouped() -> None:
    rows = [Row(2, "a", age="17", sex="male"), Row(3, "b", age="75", sex="female"), Row(4, "c", age="?", sex="x")]
    assert {name: n for name, n in count_groups(rows, "age").items() if n} == {
        "under 18": 1,
        "75 and over": 1,
        "unknown": 1,
    }
    assert count_groups(rows, "sex") == {"female": 1, "male": 1, "unknown": 1}


def test_packing_keeps_pixels_and_reads_the_cache(manifest: Path, tmp_path: Path) -> None:
    data = read_manifest(manifest)
    first = pack_manifest(data, side=64, cache=tmp_path / "cache")
    assert len(first) == 30
    assert {photo.shape for photo in (first[0], first[29])} == {(64, 85, 3)}
    (manifest.parent / "melanoma_0.png").unlink()
    assert np.array_equal(pack_manifest(data, side=64, cache=tmp_path / "cache")[0], first[0])
    with pytest.raises(ManifestError, match="Row 2"):
        pack_manifest(data, side=32, cache=tmp_path / "cache")


def test_the_watermark_box_is_erased_and_nothing_else() -> None:
    photo = np.full((100, 200, 3), 120, np.uint8)
    photo[64:94, 10:88] = 255
    erased = erase_watermark(photo)
    assert erased[64:94, 10:88].max() <= 125
    photo[64:94, 10:88] = 120
    assert np.array_equal(erased[:64], photo[:64])
    assert np.array_equal(erased[:, 88:], photo[:, 88:])


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_file(), reason="../shared/data is not here")
def test_the_real_manifest_has_no_group_in_two_parts() -> None:
    manifest = read_manifest(SHARED)
    check_manifest(replace(manifest, rows=manifest.rows), progress=lambda rows: rows[::100])
    assert len(manifest.rows) == 4659
    assert len(manifest.classes) == 13
