"""Photos that look alike in different parts: a copy of a training photo among the test photos flatters every figure."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import scipy.fft
from PIL import Image

REVIEWED_FILE = "reviewed_pairs.csv"
SIDE = 32  # px of the grey thumbnail
FREQUENCIES = 16  # each way: 256 bits, the constant left out
# Of 256 bits. Measured on 150 photos of skin13: copies as JPEG of quality 30 at half the size differ by 32 at most (99
# of 100), brighter by 30 % by 21, cropped by 2 % a side by 36 (median); the closest strangers by 42, most by 128.
MAX_DISTANCE = 40


def fingerprint(image: Image.Image) -> np.ndarray:
    """Perceptual hash, uint64 [2, 4]: signs of the low cosine frequencies about their median (Zauner 2010, pHash), of
    the photo and of its mirror image."""
    gray = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    return np.stack([_bits(gray), _bits(gray[:, ::-1])])


def _bits(gray: np.ndarray) -> np.ndarray:
    low = scipy.fft.dctn(gray, norm="ortho")[: FREQUENCIES + 1, : FREQUENCIES + 1].ravel()[1 : FREQUENCIES**2 + 1]
    return np.packbits(low > np.median(low)).view(np.uint64)


def find_neighbours(prints: Sequence[np.ndarray], parts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs (i, j), i < j, of photos in different parts whose fingerprints differ by MAX_DISTANCE bits or fewer, one
    of them perhaps mirrored; a photo without a part has no neighbours."""
    if not len(prints):
        return
    stacked, names = np.stack(prints), np.asarray(parts)
    placed = names != ""
    for first in range(len(stacked) - 1):
        others = slice(first + 1, None)
        apart = placed[others] & placed[first] & (names[others] != names[first])
        distance = np.bitwise_count(stacked[first][:, None] ^ stacked[others, 0]).sum(axis=2).min(axis=0)
        yield from ((first, first + 1 + int(second)) for second in np.flatnonzero(apart & (distance <= MAX_DISTANCE)))


def read_reviewed(file: Path) -> frozenset[frozenset[str]]:
    """Pairs that a person has looked at and found different: two paths of the manifest a line; none without a file."""
    if not file.is_file():
        return frozenset()
    with file.open(newline="", encoding="utf-8-sig") as handle:
        return frozenset(frozenset(cell.strip() for cell in line[:2]) for line in csv.reader(handle) if len(line) >= 2)
