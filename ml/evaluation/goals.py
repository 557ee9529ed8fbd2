"""What a release has to reach, set before it was trained (issue 3), against what its release.json says it reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ml.evaluation.studies import LEAST_PHOTOS
from ml.evaluation.tables import PAPER_MEMBERS

# Balanced accuracy on the test part of skin13 of the plainly fine-tuned EfficientNet-Lite2 (data BASELINE.md).
BASELINE = 0.689
PAPER_GAIN = 0.029  # optimised ensemble over its best member: 91.4 % against 88.5 % in the paper
ABOVE_BASELINE = 0.03
MAX_ECE = 0.05
MIN_TOP3 = 0.85
MIN_SENSITIVITY = 0.90
MIN_SPECIFICITY = 0.5
MIN_REJECTED = 0.95
COVERAGE_BAND = (0.87, 0.93)


@dataclass(frozen=True)
class Goal:
    """``reached`` is None where it was not measured."""

    what: str
    wanted: str
    found: str
    reached: bool | None


def goals(release: Mapping[str, Any]) -> list[Goal]:
    """Every goal with the figure of this release."""
    test = release["metrics"]["test"]
    return [*_ensemble(test), *_calibration(test), *_melanoma(test), *_studies(release.get("studies", {}))]


def _ensemble(test: Mapping[str, Any]) -> Iterator[Goal]:
    own = test["balanced_accuracy"]["value"]
    best = max(member["balanced_accuracy"]["value"] for member in test["members"].values())
    equal = test["equal_weights"]["balanced_accuracy"]["value"]
    yield _at_least(
        "balanced accuracy, 3 points above the fine-tuned Lite2 of BASELINE.md", own, BASELINE + ABOVE_BASELINE
    )
    yield _at_least("gain of the chosen weights over the best member", own - best, PAPER_GAIN)
    between = best <= equal <= own
    yield Goal(
        "equal weights between best member and chosen weights", f"{best:.3f} to {own:.3f}", f"{equal:.3f}", between
    )


def _calibration(test: Mapping[str, Any]) -> Iterator[Goal]:
    ece, covered = test["ece"]["value"], test["conformal"]["coverage"]["value"]
    yield Goal("calibration error", f"at most {MAX_ECE}", f"{ece:.3f}", ece <= MAX_ECE)
    yield _at_least("top-3 accuracy", test["top3"]["value"], MIN_TOP3)
    low, high = COVERAGE_BAND
    yield Goal("coverage of the 90 % prediction sets", f"{low} to {high}", f"{covered:.3f}", low <= covered <= high)


def _melanoma(test: Mapping[str, Any]) -> Iterator[Goal]:
    points = test["operating_points"].get("melanoma", {})
    shares = [point["sensitivity"] for point in points.values() if point["sensitivity"]]
    photos = sum(share["n"] for share in shares)
    if photos:
        caught = sum(share["value"] * share["n"] for share in shares) / photos
        yield _at_least("melanoma sensitivity at the threshold, all photos", caught, MIN_SENSITIVITY)
    clinical = points.get("clinical", {})
    for name, least in (("sensitivity", MIN_SENSITIVITY), ("specificity", MIN_SPECIFICITY)):
        found = clinical.get(name)
        if found:
            yield _at_least(f"melanoma {name} at the threshold, clinical photos", found["value"], least)


def _studies(studies: Mapping[str, Any]) -> Iterator[Goal]:
    photographs = (studies.get("ood") or {}).get("kinds", {}).get("photograph")
    rejected = photographs["by_score"]["value"] if photographs else None
    yield _measured("photographs of other things refused at 5 % false rejection", MIN_REJECTED, rejected)
    darkening = studies.get("darkening")
    yield Goal(
        "darkening a lesion does not raise p(normal)",
        "rise at most 0.02",
        f"{darkening['largest_rise']:+.3f}" if darkening else "-",
        darkening["passed"] if darkening else None,
    )
    yield from (_plain(name, studies.get("plain_controls")) for name in PAPER_MEMBERS)
    for kind in ("source", "family"):
        yield from _left_out(kind, studies.get(f"leave_{kind}_out"))


def _plain(name: str, study: Mapping[str, Any] | None) -> Goal:
    """A named member on test against the best of its controls."""
    rows = [row for row in (study or {}).get("rows", []) if row["member"] == name]
    what = f"{name} alone above the same network trained plainly, balanced accuracy"
    if not rows:
        return Goal(what, "above +0.000", "-", None)
    gain = min(row["parts"]["test"]["difference"]["value"] for row in rows)
    return Goal(what, "above +0.000", f"{gain:+.3f}", gain > 0)


def _left_out(kind: str, study: Mapping[str, Any] | None) -> Iterator[Goal]:
    """The vote (or the network alone, where that was measured) above every baseline: in the mean, and on each source or
    family of LEAST_PHOTOS."""
    mean = f"mean with each {kind} held out in turn, above both baselines"
    least = f"no held-out {kind} with {LEAST_PHOTOS} photos below a baseline, margin of the worst"
    methods = (study or {}).get("methods", [])
    ours = next((name for name in ("vote", "ours") if name in methods), None)
    baselines = [name for name in methods if name in ("frozen", "plain")]
    if study is None or ours is None or not baselines:
        yield Goal(mean, f"+{ABOVE_BASELINE}", "-", None)
        yield Goal(least, "at least +0.000", "-", None)
        return
    gain = study["mean"][ours] - max(study["mean"][name] for name in baselines)
    yield Goal(mean, f"+{ABOVE_BASELINE}", f"{gain:+.3f}", gain >= ABOVE_BASELINE)
    margins = [
        (row["found"][ours]["value"] - max(row["found"][name]["value"] for name in baselines), row["source"])
        for row in study["sources"]
        if row["photos"] >= LEAST_PHOTOS
    ]
    worst, where = min(margins, default=(0.0, "none"))
    yield Goal(least, "at least +0.000", f"{worst:+.3f} ({where})", worst >= 0 if margins else None)


def _measured(what: str, least: float, found: float | None) -> Goal:
    return _at_least(what, found, least) if found is not None else Goal(what, f"at least {least}", "-", None)


def _at_least(what: str, found: float, least: float, shown: Callable[[float], str] = "{:.3f}".format) -> Goal:
    return Goal(what, f"at least {shown(least)}", shown(found), found >= least)
