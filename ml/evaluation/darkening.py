"""Does a darker lesion look more normal to a release? In the data normal skin is often dark, lesions hardly are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from ml.evaluation.asking import ask_release
from ml.evaluation.metrics import bootstrap
from ml.releases.loader import Release

NORMAL = "normal"
STEPS = (1.0, 0.85, 0.7, 0.55, 0.4)  # factor of CIE lightness L*; hue and chroma stay
ALLOWED_RISE = 0.02  # of the mean p(normal); below it the check is passed
_RGB, _LAB = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
_TO_LAB = ImageCms.buildTransform(_RGB, _LAB, "RGB", "LAB")
_TO_RGB = ImageCms.buildTransform(_LAB, _RGB, "LAB", "RGB")


def darken(photo: np.ndarray, factor: float) -> np.ndarray:
    """uint8 [h, w, 3] with its CIE 1976 lightness L* multiplied by ``factor``."""
    if factor == 1:
        return photo
    image = Image.fromarray(photo).convert("RGB")
    lab = ImageCms.applyTransform(image, _TO_LAB)
    if lab is None:  # only when asked to work in place
        raise ValueError("The colours of a photo could not be converted.")
    lightness, a, b = lab.split()
    darker = Image.merge("LAB", (lightness.point(lambda value: round(value * factor)), a, b))
    return np.asarray(ImageCms.applyTransform(darker, _TO_RGB))


def check_darkening(
    release: Release,
    photos: Sequence[np.ndarray],
    groups: Sequence[str],
    *,
    steps: Sequence[float] = STEPS,
    progress=lambda rows: rows,
) -> dict[str, Any]:
    """Mean p(normal) of lesion photos (uint8 [h, w, 3]) at each step, and how far it rises above the photos as taken.

    ``passed``: at no step is the mean more than ALLOWED_RISE above that of the photos as taken.
    """
    column = release.classes.index(NORMAL)
    found, rows = [], []
    for factor in steps:
        voted = ask_release(release, [darken(photo, factor) for photo in photos], progress=progress).voted
        found.append(voted[:, column])
        rows.append(_step(factor, voted, column, found[0], groups))
    rise = max(row["rise"]["value"] for row in rows)
    return {"photos": len(photos), "steps": rows, "largest_rise": rise, "passed": rise <= ALLOWED_RISE}


def _step(factor: float, voted: np.ndarray, column: int, taken: np.ndarray, groups: Sequence[str]) -> dict[str, Any]:
    normal = voted[:, column]
    figures = bootstrap(
        {
            "p_normal": lambda weights: float((normal * weights).sum() / weights.sum()),
            "rise": lambda weights: float(((normal - taken) * weights).sum() / weights.sum()),
        },
        groups,
    )
    return {"lightness": factor, **figures, "called_normal": int((voted.argmax(1) == column).sum())}
