"""What the page says about a photo that was just received."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from diagnosis.models import FaceChoice, IntakePhoto
from diagnosis.presentation import photo_advice, photo_issues


def intake_photo_card(photo: IntakePhoto, error: str = "") -> dict[str, Any]:
    """Values for `partials/_intake_photo.html`. `error`: why the last change of this photo was refused."""
    return {
        "photo": photo,
        "error": error,
        "issues": [
            {"text": photo_issues()[issue["code"]], "advice": photo_advice()[issue["advice_code"]]}
            for issue in photo.quality.get("issues", [])
        ],
        "looking": not photo.is_looked_at,
        "unknown": photo.faces is None and photo.is_looked_at,
        "boxes": [_box(photo, face) for face in photo.faces or []] if photo.shows_face else [],
        "kept": photo.face_choice == FaceChoice.KEPT,
    }


def intake_photo_cards(photos: Iterable[IntakePhoto], errors: dict[str, str]) -> list[dict[str, Any]]:
    """The cards of all waiting photos; `errors` by the photo's id."""
    return [intake_photo_card(photo, errors.get(str(photo.pk), "")) for photo in photos]


def _box(photo: IntakePhoto, face: dict[str, Any]) -> dict[str, int]:
    """A face's box in pixels of the stored photo."""
    return {
        "x": round(face["left"] * photo.width),
        "y": round(face["top"] * photo.height),
        "width": round(face["width"] * photo.width),
        "height": round(face["height"] * photo.height),
    }
