"""What makes a face unrecognisable in a photo: painting over it, over its eyes, or cutting it off. Pixels change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

PAINT = (96, 96, 96)
FACE_MARGIN = 0.15  # of the box on each side: the network's box leaves ears, hair and chin out
EYES_REACH = 0.45  # half the length of the band over the eyes, in sides of the face's box
EYES_HEIGHT = 0.32  # height of that band, in sides of the face's box

Box = Mapping[str, Any]  # `ml.faces.Face` as a dictionary


def cover_faces(picture: Image.Image, faces: Sequence[Box]) -> Image.Image:
    """Every face's box, and a little around it, in one colour."""
    pen = ImageDraw.Draw(picture)
    for face in faces:
        size = np.array([face["width"], face["height"]])
        first = np.array([face["left"], face["top"]]) - FACE_MARGIN * size
        last = first + (1 + 2 * FACE_MARGIN) * size
        pen.rectangle([_pixels(picture, first.tolist()), _pixels(picture, last.tolist())], fill=PAINT)
    return picture


def cover_eyes(picture: Image.Image, faces: Sequence[Box]) -> Image.Image:
    """A band over both eyes of every face, along the line between them, whichever way the head is turned."""
    pen = ImageDraw.Draw(picture)
    for face in faces:
        side = max(face["width"] * picture.width, face["height"] * picture.height)
        first, second = (np.array(_pixels(picture, eye)) for eye in face["eyes"])
        along = (second - first) / max(float(np.hypot(*(second - first))), 1.0)
        reach, middle = along * side * EYES_REACH, (first + second) / 2
        line = [tuple(middle - reach), tuple(middle + reach)]
        pen.line(line, fill=PAINT, width=max(3, round(side * EYES_HEIGHT)))
    return picture


def cut(picture: Image.Image, *, top: int, bottom: int, left: int, right: int) -> Image.Image:
    """Without these shares (per cent) of each edge."""
    x, y = _pixels(picture, (left / 100, top / 100))
    far_x, far_y = _pixels(picture, (1 - right / 100, 1 - bottom / 100))
    return picture.crop((round(x), round(y), round(far_x), round(far_y)))


def _pixels(picture: Image.Image, point: Sequence[float]) -> tuple[float, float]:
    return point[0] * picture.width, point[1] * picture.height
