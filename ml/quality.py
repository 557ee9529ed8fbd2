"""Is this photo good enough to judge, and does it show skin? Each finding says what the person can do about it.

All measures are taken at one scale, so that a phone photo and a thumbnail are judged alike. Thresholds were read off
the train part of skin13 per source: 1.1 of 100 photos end as *poor*, none of the source with dark skin. Skin is
recognised by the ratios of its colours, not by its brightness: log(R/G) and log(G/B) hardly change from Fitzpatrick I
to VI.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

SCALE = 256  # short side in pixels at which sharpness, exposure and contrast are measured
CHROMA_SCALE = 64  # short side in pixels at which colours are measured: averages noise and pen strokes away

# Share of fine contrast that a second blur leaves (see `_blur`); a Gaussian of 2.5 px at SCALE passes 0.88.
BLUR_HIGH, BLUR_MEDIUM = 0.885, 0.81
# Mean luma step between neighbours at SCALE. On very dark skin a blurred photo has so little contrast that rounding
# counts as detail in `_blur`; 1 in 100 photos of skin13 (train) lies below 1.6, none of the dark ones.
DETAIL_HIGH, DETAIL_MEDIUM = 0.4, 0.8
GRADES = ("", "medium", "high")
NOISE_BLUR = 0.165  # below this neighbouring pixels have nothing in common: no camera makes that
DARK_HIGH, DARK_MEDIUM = 50.0, 60.0  # luma of the brightest 2 %: skin of type VI in fair light stays above
BURNT_LUMA, BURNT_HIGH, BURNT_MEDIUM = 250.0, 0.55, 0.30
CONTRAST_HIGH, CONTRAST_MEDIUM = 2.5, 5.0  # standard deviation of luma, 0..255
SIDE_HIGH, SIDE_MEDIUM = 64, 200  # pixels, short side
SKIN_NONE, SKIN_FEW, SKIN_LITTLE = 0.15, 0.35, 0.30

ADVICE = {
    "hold_still": "Hold the camera still, tap the screen on the spot to focus, and take the photo again.",
    "more_light": "Go near a window or switch on a light, and take the photo again.",
    "less_light": "Turn the flash off, step out of direct sun, and take the photo again.",
    "plain_light": "Wipe the lens, use even daylight, and take the photo again.",
    "come_closer": "Send the original photo, or go closer: about 10 to 15 cm from the skin.",
    "fill_frame": "Go closer, so that skin fills most of the picture.",
    "show_skin": "We could not find skin in this photo. Take a photo of the skin problem itself.",
}
ADVICE_FOR = {
    "blurred": "hold_still",
    "too_dark": "more_light",
    "too_bright": "less_light",
    "low_contrast": "plain_light",
    "too_small": "come_closer",
    "little_skin": "fill_frame",
    "not_skin": "show_skin",
}
_PENALTY = {"medium": 0.7, "high": 0.3}


@dataclass(frozen=True)
class Issue:
    """One finding. ``severity`` is ``medium`` (worth a better photo) or ``high`` (the photo cannot be judged)."""

    code: str
    severity: str
    advice_code: str

    @property
    def advice(self) -> str:
        """What the person can do, one English sentence."""
        return ADVICE[self.advice_code]


@dataclass(frozen=True)
class Quality:
    """``score`` 0..1; ``band`` good, fair or poor; ``sharpness`` 0..1; ``brightness`` and ``contrast`` in luma 0..255
    (mean, standard deviation); ``skin_share`` 0..1; ``width`` and ``height`` of the original in pixels."""

    score: float
    band: str
    issues: tuple[Issue, ...]
    sharpness: float
    brightness: float
    contrast: float
    skin_share: float
    width: int
    height: int

    def has(self, code: str, severity: str | None = None) -> bool:
        """True where an issue ``code`` was found (of this severity, where given)."""
        return any(issue.code == code and severity in (None, issue.severity) for issue in self.issues)


def assess(image: Image.Image | np.ndarray) -> Quality:
    """Judge one RGB picture (a PIL image, or an array uint8 [height, width, 3]).

    For a picture that ``open_photo`` scaled down, width and height are those of the original.
    """
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    width, height = image.info.get("full_size", image.size)
    image = image if image.mode == "RGB" else image.convert("RGB")
    luma = np.asarray(_shrink(image.convert("L"), SCALE), dtype=np.float32)
    blur, (skin, foreign) = _blur(luma), _colour_shares(image)
    severities = {
        "blurred": max(
            _grade(blur, BLUR_MEDIUM, BLUR_HIGH),
            _grade(-_gradient(luma), -DETAIL_MEDIUM, -DETAIL_HIGH),
            key=GRADES.index,
        ),
        "too_dark": _grade(-float(np.percentile(luma, 98)), -DARK_MEDIUM, -DARK_HIGH),
        "too_bright": _grade(float((luma >= BURNT_LUMA).mean()), BURNT_MEDIUM, BURNT_HIGH),
        "low_contrast": _grade(-float(luma.std()), -CONTRAST_MEDIUM, -CONTRAST_HIGH),
        "too_small": _grade(-min(width, height), -SIDE_MEDIUM, -SIDE_HIGH),
        **_skin_severities(skin, foreign, blur),
    }
    issues = tuple(Issue(code, grade, ADVICE_FOR[code]) for code, grade in severities.items() if grade)
    return Quality(
        score=_score(issues, blur), band=_band(issues), issues=issues, sharpness=round(1 - blur, 4),
        brightness=round(float(luma.mean()), 2), contrast=round(float(luma.std()), 2), skin_share=round(skin, 4),
        width=width, height=height,
    )  # fmt: skip


def _shrink(image: Image.Image, side: int, resample: Image.Resampling = Image.Resampling.BICUBIC) -> Image.Image:
    scale = side / min(image.size)
    if scale >= 1:
        return image
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), resample)


def _grade(value: float, medium: float, high: float) -> str:
    """One of GRADES: the larger the value, the worse."""
    return "high" if value > high else "medium" if value > medium else ""


def _blur(luma: np.ndarray) -> float:
    """No-reference blur, 0 (sharp) to 1 (Crete et al. 2007, "The blur effect").

    Blurring a sharp picture again takes most of its fine contrast away, blurring a blurred one hardly any. Unlike the
    variance of the Laplacian this does not call smooth skin blurred.
    """
    if min(luma.shape) < 8:
        return 1.0
    before = _gradient(luma[2:-2, 2:-2])
    return min(1.0, _gradient(_smooth(luma)) / before) if before > 1e-3 else 1.0


def _gradient(luma: np.ndarray) -> float:
    return float(np.abs(np.diff(luma, axis=0)).mean() + np.abs(np.diff(luma, axis=1)).mean())


def _smooth(luma: np.ndarray) -> np.ndarray:
    """Binomial 5 x 5 filter; the result is four pixels smaller on each axis."""
    for _ in range(2):
        length = len(luma) - 4
        parts = [luma[start : start + length] for start in range(5)]
        luma = ((parts[0] + parts[4] + 4 * (parts[1] + parts[3]) + 6 * parts[2]) / 16).T
    return luma


def _colour_shares(image: Image.Image) -> tuple[float, float]:
    """Shares of pixels with the colour ratios of skin, and of pixels that skin never has (green, blue)."""
    small = np.asarray(_shrink(image, CHROMA_SCALE, Image.Resampling.BOX), dtype=np.float32)
    red, green, blue = np.moveaxis(small + 8, -1, 0)
    red_green, green_blue = np.log(red / green), np.log(green / blue)
    red_blue, lit = red_green + green_blue, small.mean(-1) > 12
    skin = (red_green >= 0.03) & (red_green <= 1.2) & (np.abs(green_blue - 0.25) <= 0.5) & (red_blue >= 0.02) & lit
    foreign = ((red_green < -0.06) | (red_blue < -0.12)) & lit
    return float(skin.mean()), float(foreign.mean())


def _skin_severities(skin: float, foreign: float, blur: float) -> dict[str, str]:
    if skin < SKIN_NONE or (skin < SKIN_FEW and foreign > skin) or blur < NOISE_BLUR:
        return {"not_skin": "high"}
    return {"little_skin": "medium" if skin < SKIN_LITTLE else ""}


def _band(issues: tuple[Issue, ...]) -> str:
    severities = {issue.severity for issue in issues}
    return "poor" if "high" in severities else "fair" if severities else "good"


def _score(issues: tuple[Issue, ...], blur: float) -> float:
    penalty = float(np.prod([_PENALTY[issue.severity] for issue in issues])) if issues else 1.0
    return round(penalty * min(1.0, 1.6 * (1 - blur) + 0.4), 4)
