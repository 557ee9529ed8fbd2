"""Hand-made facts for reports: drawn photos, real answers, a small release document."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from diagnosis.facts import CaseFacts, PhotoFacts, ReviewFacts
from ml.taxonomy import CONDITIONS, SLUGS

RELEASE = "sample"
WEIGHTS = "5f2c" * 16
WHEN = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
ANSWERS = {
    "country": "GB", "red_flags": ["none"], "age_band": "40_49", "sex": "female", "skin_type": "unknown",
    "pregnancy": "no", "immunosuppression": "no", "diabetes": False, "skin_cancer": ["family_melanoma"], "site": "arm",
    "duration": "3_12_months", "changes": ["size", "colour"], "texture": ["rough"], "size_mm": 8, "many_spots": False,
    "pigmented": "yes", "seven_point": ["change_size"], "symptoms": ["itch"], "whole_body": ["none"],
    "treatment": ["none"],
}  # fmt: skip
PROBABILITIES = dict.fromkeys(SLUGS, 0.01) | {
    "eczema": 0.62, "psoriasis": 0.17, "tinea": 0.11, "melanoma": 0.03,
}  # fmt: skip


def drawn_photo(width: int = 1200, height: int = 900) -> bytes:
    """A drawn spot on drawn skin; a real photo never enters a test."""
    image = Image.new("RGB", (width, height), (203, 158, 132))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.35, height * 0.3, width * 0.65, height * 0.7), fill=(150, 80, 70))
    draw.ellipse((width * 0.45, height * 0.4, width * 0.6, height * 0.6), fill=(110, 50, 50))
    return jpeg(image)


def jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


def drawn_heatmap(width: int = 64, height: int = 48) -> bytes:
    """A round peak in the middle of the frame, as a grey PNG."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    buffer = io.BytesIO()
    Image.fromarray((255 * np.exp(-4 * (x**2 + y**2))).astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def photo(number: int = 1, *, outcome: str = "assessed", heatmap: bool = True, issues=(), **changes: Any) -> PhotoFacts:
    band = "poor" if issues else "good"
    values: dict[str, Any] = {
        "number": number,
        "read": drawn_photo,
        "read_heatmap": drawn_heatmap if heatmap else bytes,
        "outcome": outcome,
        "quality": {"score": 0.9, "band": band, "issues": list(issues)},
        "focus": "centre" if heatmap else "",
        "width": 1200,
        "height": 900,
    }
    return PhotoFacts(**values | changes)


def members() -> list[dict[str, Any]]:
    names = {"mobilenetv3": 0.3, "densenet121": 0.35, "efficientnet_b3": 0.35}
    return [{"name": name, "weight": weight, "probabilities": PROBABILITIES} for name, weight in names.items()]


def assessed(**changes: Any) -> CaseFacts:
    facts = CaseFacts(
        reference="C-1A2B3C4D",
        created_at=WHEN,
        country="GB",
        answers=ANSWERS,
        tier="soon",
        status="done",
        outcome="assessed",
        fired=[{"code": "prediction_set", "tier": "soon", "detail": ""}],
        photos=[photo(1)],
        probabilities=PROBABILITIES,
        prediction_set=["eczema", "psoriasis"],
        members=members(),
        disagreement=0.1,
        release=RELEASE,
        weights_sha256=WEIGHTS,
        pseudonym="P-7K3MQ2XA",
        dermatologists=True,
    )
    return replace(facts, **changes)


def cancer(**changes: Any) -> CaseFacts:
    """Melanoma over the threshold but outside the top three, three photos."""
    values: dict[str, Any] = {
        "tier": "urgent",
        "fired": [{"code": "cancer_threshold", "tier": "urgent", "detail": ""}],
        "probabilities": PROBABILITIES | {"eczema": 0.5, "melanoma": 0.12, "tinea": 0.15},
        "photos": [photo(number) for number in (1, 2, 3)],
    }
    return assessed(**values | changes)


def inconclusive(**changes: Any) -> CaseFacts:
    issues = [
        {"code": "blurred", "severity": "high", "advice_code": "hold_still"},
        {"code": "too_dark", "severity": "high", "advice_code": "more_light"},
    ]
    values: dict[str, Any] = {
        "tier": "routine",
        "outcome": "inconclusive",
        "fired": [{"code": "not_judged", "tier": "routine", "detail": ""}],
        "needs_review": True,
        "review_reasons": ["poor_image"],
        "reasons": ["poor_image"],
        "photos": [photo(1, outcome="inconclusive", issues=issues), photo(2, outcome="inconclusive", heatmap=False)],
        "prediction_set": [],
    }
    return assessed(**values | changes)


def emergency(**changes: Any) -> CaseFacts:
    values: dict[str, Any] = {
        "tier": "emergency",
        "country": "US",
        "answers": ANSWERS | {"country": "US", "red_flags": ["swelling"]},
        "fired": [{"code": "fever_with_rash", "tier": "emergency", "detail": ""}],
        "photos": [photo(1), photo(2)],
    }
    return assessed(**values | changes)


def failed(**changes: Any) -> CaseFacts:
    values: dict[str, Any] = {
        "tier": "routine",
        "status": "failed",
        "outcome": "",
        "fired": [],
        "needs_review": True,
        "review_reasons": ["analysis_failed"],
        "photos": [photo(1, outcome="", heatmap=False, quality={})],
        "probabilities": {},
        "prediction_set": [],
        "members": [],
        "release": "",
        "weights_sha256": "",
    }
    return assessed(**values | changes)


def waiting(**changes: Any) -> CaseFacts:
    return failed(status="queued", needs_review=False, review_reasons=[], **changes)


def signed(facts: CaseFacts | None = None, *, version: int = 1, **changes: Any) -> CaseFacts:
    """`facts` with a dermatologist's opinion: final, or amended from version 2."""
    values: dict[str, Any] = {
        "version": version,
        "name": "Dr Ada Example",
        "licence": "GB 1234567",
        "diagnosis": "psoriasis",
        "diagnosis_text": "",
        "tier": "routine",
        "note": "This looks like psoriasis.\nKeep the skin moist and see your doctor about treatment.",
        "signed_at": datetime(2026, 11, 21, 14, 5, tzinfo=UTC),
        "amendment_reason": "New photos from the clinic." if version > 1 else "",
    }
    return replace(facts or assessed(), review=ReviewFacts(**values | changes))


def write_release(folder: Path) -> None:
    """`release.json` of a release that only pages read; it has no weights."""
    place = folder / RELEASE
    place.mkdir(parents=True)
    (place / "release.json").write_text(json.dumps(release_document()))


def release_document() -> dict[str, Any]:
    member = {
        "architecture": "a", "input_size": 224, "resize": 256, "crop": "center", "mean": [0.5] * 3, "std": [0.2] * 3,
        "sha256": "0" * 64, "cam": True, "embedding_dim": 8,
    }  # fmt: skip
    names = ("mobilenetv3", "densenet121", "efficientnet_b3")
    share = {"value": 0.71, "low": 0.68, "high": 0.74, "n": 1240}
    groups = {"I-II": {"n": 210}, "III-IV": {"n": 96}, "V-VI": {"n": 24}, "unknown": {"n": 910}}
    return {
        "schema": 1,
        "name": RELEASE,
        "licence": {"name": "CC BY-NC 4.0", "non_commercial": True, "file": "LICENSE-WEIGHTS.md"},
        "classes": list(SLUGS),
        "trained_classes": [slug for slug in SLUGS if slug not in ("vitiligo", "sun-damage")],
        "members": [{**member, "name": name, "weight": 1.0, "file": f"{name}.onnx"} for name in names],
        "weights": {"file": "weights.safetensors", "sha256": WEIGHTS},
        "temperature": 1.2,
        "thresholds": {c.slug: 0.1 for c in CONDITIONS if c.is_cancer_class},
        "conformal": {"alpha": 0.1, "quantile": 0.9, "method": "LAC"},
        "ood": {},
        "disagreement": {"threshold": 0.5},
        "metrics": {
            "test": {
                "accuracy": share,
                "clinical": {"accuracy": {**share, "n": 900}},
                "dermoscopic": {"accuracy": {**share, "n": 340}},
                "fitzpatrick": groups,
            }
        },
        "reliability": [
            {"low": low / 10, "high": low / 10 + 0.1, "n": 120, "correct": 12 * low + 6} for low in range(10)
        ],
    }
