"""A labelled set of drawn pictures: a class is a colour, each picture has its own noise and place of the spot."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {"melanoma": (60, 40, 40), "moles": (120, 70, 40), "normal": (230, 190, 160)}
COLUMNS = ("path", "label", "part", "source", "licence", "group", "modality", "fitzpatrick", "sha256")


def draw_set(folder: Path, *, classes=COLOURS, photos: int = 20) -> Path:
    """Write pictures and manifest.csv: of each class 60 % train, 20 % val, 20 % test; returns the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    records = [_record(folder, label, number, photos) for label in classes for number in range(photos)]
    return write_manifest(folder / "manifest.csv", records)


def write_manifest(file: Path, records: list[dict[str, str]]) -> Path:
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows(records)
    return file


def read_records(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as handle:
        return list(csv.DictReader(handle))


def _record(folder: Path, label: str, number: int, photos: int) -> dict[str, str]:
    file = folder / f"{label}_{number}.png"
    rng = np.random.default_rng([number, *label.encode()])
    coarse = Image.fromarray(rng.integers(150, 220, (18, 24, 3), dtype=np.uint8))  # photos differ in what is coarse
    picture = coarse.resize((96, 72), Image.Resampling.BICUBIC)
    x, y = rng.integers(20, 40, 2)
    ImageDraw.Draw(picture).ellipse((x, y - 15, x + 40, y + 25), fill=COLOURS.get(label, (200, 30, 30)))
    picture.save(file)
    part = "train" if number < photos * 0.6 else "val" if number < photos * 0.8 else "test"
    return {
        "path": file.name,
        "label": label,
        "part": part,
        "source": f"source{number % 2}",
        "licence": "drawn",
        "group": f"{label}-{number // 2}",
        "modality": "dermoscopic" if number % 4 == 0 else "clinical",
        "fitzpatrick": str(number % 6 + 1),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
