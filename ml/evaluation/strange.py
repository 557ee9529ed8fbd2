"""Pictures that are no photo of a listed skin condition, by category: a release should refuse them.

Drawn ones are made here. Photographs come from packages that ship some (scikit-image, scikit-learn, Matplotlib), from
folders (a sub-folder is a category) and, for diseases that are not covered, from a manifest with a diagnosis column.
"""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

DRAWN, PHOTOGRAPH, DISEASE = "drawn", "photograph", "disease"
SIZE = (640, 480)
# Bundled photographs: package -> folder, then category -> files. What is missing in an installed version is left out.
PACKAGED: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "skimage": (
        "data",
        {
            "people": ("astronaut.png", "camera.png"),
            "food": ("coffee.png",),
            "animals": ("chelsea.png",),
            "objects": ("coins.png", "rocket.jpg", "clock_motion.png", "motorcycle_left.png"),
            "surfaces": ("brick.png", "grass.png", "gravel.png"),
            "sky": ("hubble_deep_field.jpg", "moon.png"),
            "microscopy": ("cell.png", "ihc.png", "microaneurysms.png", "retina.jpg"),
            "documents": ("page.png", "text.png"),
        },
    ),
    "sklearn": ("datasets/images", {"landscapes": ("china.jpg",), "plants": ("flower.jpg",)}),
    "matplotlib": ("mpl-data/sample_data", {"people": ("grace_hopper.jpg",)}),
}
UNCOVERED = {"SCC": "squamous cell carcinoma", "VASC": "vascular lesion", "DF": "dermatofibroma"}
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True)
class Strange:
    """One picture: ``kind`` is DRAWN, PHOTOGRAPH or DISEASE; ``data`` the bytes of an image file."""

    kind: str
    category: str
    data: bytes


def drawn_pictures(each: int, *, seed: int = 0) -> Iterator[Strange]:
    """``each`` pictures of every drawn category."""
    for number, (category, draw) in enumerate(DRAWINGS.items()):
        for index in range(each):
            yield Strange(DRAWN, category, _encode(draw(np.random.default_rng([seed, number, index]))))


def packaged_photographs() -> Iterator[Strange]:
    """Photographs that installed packages bring along."""
    for package, (folder, categories) in PACKAGED.items():
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            continue
        root = Path(spec.submodule_search_locations[0]) / folder
        for category, names in categories.items():
            for file in (root / name for name in names):
                if file.is_file():
                    yield Strange(PHOTOGRAPH, category, file.read_bytes())


def folder_photographs(folder: Path) -> Iterator[Strange]:
    """Every image file below ``folder``; the sub-folder it lies in is its category."""
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in SUFFIXES:
            parent = file.relative_to(folder).parent
            yield Strange(PHOTOGRAPH, str(parent) if parent.parts else folder.name, file.read_bytes())


def uncovered_diseases(manifest: Path, *, limit: int = 0) -> Iterator[Strange]:
    """Photos of ``manifest`` whose column diagnosis (ISIC 2019) is one of UNCOVERED, at most ``limit`` of each."""
    taken: dict[str, int] = {}
    with manifest.open(newline="", encoding="utf-8-sig") as handle:
        for row in csv.DictReader(handle):
            code = row.get("diagnosis", "")
            if code in UNCOVERED and (not limit or taken.get(code, 0) < limit):
                taken[code] = taken.get(code, 0) + 1
                yield Strange(DISEASE, UNCOVERED[code], (manifest.parent / row["path"]).read_bytes())


def _encode(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _noise(rng: np.random.Generator) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8))


def _clouds(rng: np.random.Generator) -> Image.Image:
    cells = int(rng.integers(4, 24))
    coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
    return coarse.resize(SIZE, Image.Resampling.BICUBIC)


def _document(rng: np.random.Generator) -> Image.Image:
    page = Image.new("RGB", SIZE, tuple(int(v) for v in rng.integers(235, 256, 3)))
    draw, letters = ImageDraw.Draw(page), np.array(list("abcdefghijklmnopqrstuvwxyz      "))
    for line in range(20, SIZE[1] - 20, int(rng.integers(14, 26))):
        draw.text((30, line), "".join(rng.choice(letters, int(rng.integers(40, 95)))), fill=(20, 20, 30))
    return page.rotate(float(rng.uniform(-6, 6)), fillcolor=(120, 110, 100))


def _chart(rng: np.random.Generator) -> Image.Image:
    sheet = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(sheet)
    for bar in range(8):
        color = tuple(int(v) for v in rng.integers(0, 256, 3))
        draw.rectangle((40 + bar * 70, SIZE[1] - 40 - int(rng.integers(20, 380)), 90 + bar * 70, 440), fill=color)
    draw.line((30, 440, 610, 440), fill="black", width=3)
    return sheet


def _cartoon(rng: np.random.Generator) -> Image.Image:
    sheet = Image.new("RGB", SIZE, tuple(int(v) for v in rng.integers(0, 256, 3)))
    draw = ImageDraw.Draw(sheet)
    for _ in range(int(rng.integers(5, 12))):
        x, y, width, height = (int(v) for v in rng.integers((0, 0, 60, 60), (520, 360, 240, 240)))
        color = tuple(int(v) for v in rng.integers(0, 256, 3))
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x, y, x + width, y + height), fill=color, outline="black", width=4)
    return sheet


def _landscape(rng: np.random.Generator) -> Image.Image:
    pixels = np.empty((SIZE[1], SIZE[0], 3), np.float32)
    horizon = int(rng.integers(160, 320))
    pixels[:horizon] = rng.uniform((90, 140, 200), (170, 200, 255))
    pixels[horizon:] = rng.uniform((40, 90, 20), (110, 160, 70))
    ground = Image.fromarray(np.clip(pixels + rng.normal(0, 18, pixels.shape), 0, 255).astype(np.uint8))
    return ground.filter(ImageFilter.GaussianBlur(1))


DRAWINGS = {
    "noise": _noise,
    "colour clouds": _clouds,
    "drawn documents": _document,
    "charts": _chart,
    "cartoons": _cartoon,
    "drawn landscapes": _landscape,
}


def all_strange(folders: Sequence[Path], uncovered: Path | None, *, each: int, limit: int) -> list[Strange]:
    """Everything that the check looks at."""
    pictures = [*drawn_pictures(each), *packaged_photographs()]
    for folder in folders:
        pictures += folder_photographs(folder)
    return pictures + (list(uncovered_diseases(uncovered, limit=limit)) if uncovered else [])
