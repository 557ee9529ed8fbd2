"""The model card (Mitchell et al. 2019), written from release.json alone so that no number is typed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ml.data.manifest import PARTS

PURPOSE = """## Intended use

A draft for people and for dermatologists who check it: which of {count} skin conditions a photo looks like and how
soon it should be seen. Research and non-commercial use only. It is not a medical device and makes no diagnosis.

## Not for

- deciding alone that a spot is harmless: a melanoma can look like a mole in every photo;
- conditions outside the list: they get the name of a listed one or are refused as unlike the training photos;
- hair, nails, inside of the mouth, wounds, rashes of the whole body;
- skin types V and VI: nearly no such photos of lesions were at hand, nothing is claimed for them;
- screening for melanoma where the specificity below is under one half.
"""

LIMITS = """## Limits

- Few photos: every figure stands with its 95 % interval, and small classes have wide ones.
- Photos of a class often come from one source. Figures on these sources are better than on others. In training
  the watermark box was erased in every photo, and resolution, JPEG quality and colour were varied, but source and
  class stay linked. Figures are on untouched photos, as served.
- Most melanomas were photographed with a dermatoscope; phone photos of melanoma are few (clinical rows).
- Labels come from data sets and websites, partly from search terms, checked once by eye by a non-clinician.
- Part of the normal skin is dark while nearly no lesion is: the model may have learned "dark is normal".
- Temperature, weights, thresholds and limits were chosen on validation photos, never on the test part.
"""


def write_card(release_file: Path, out: Path) -> None:
    """Write the card of a release as Markdown."""
    release = json.loads(release_file.read_text(encoding="utf-8"))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(card_text(release), encoding="utf-8")


def card_text(release: dict[str, Any]) -> str:
    """Markdown; written by `python -m ml card`, never by hand."""
    test = release["metrics"]["test"]
    sections = [
        f"# Model card: release {release['name']}",
        f"Written by `python -m ml card`. Created {release['created'][:10]}, code {release['code_commit'][:12]}.",
        PURPOSE.format(count=len(release["trained_classes"])).strip(),
        "## Networks\n\n" + _members(release),
        "## Figures on the test part\n\n" + _overall(test),
        "## By class (test)\n\n" + _classes(release, test),
        "## Thresholds of the cancer classes\n\n" + _thresholds(release),
        "## Calibration, prediction sets, refusal\n\n" + _decisions(release, test),
        "## By source and skin type (test)\n\n" + _subgroups(test),
        "## Data\n\n" + _data(release["data"]),
        LIMITS.strip(),
    ]
    return "\n\n".join(sections) + "\n"


def figure(value: dict[str, float] | None) -> str:
    """0.67 (0.61-0.72), or a dash where there were no photos."""
    return f"{value['value']:.2f} ({value['low']:.2f}-{value['high']:.2f})" if value else "-"


def table(head: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _members(release: dict[str, Any]) -> str:
    figures = release["metrics"]["test"]["members"]
    rows = [
        [
            m["name"],
            m["architecture"],
            m["activation"],
            f"{m['weight']:.2f}",
            f"{m['input_size']} px, {m['crop']}",
            _training(m["training"]),
            figure(figures[m["name"]]["balanced_accuracy"]),
        ]
        for m in release["members"]
    ]
    head = ["name", "architecture", "activation", "vote", "view", "training", "balanced accuracy (test)"]
    return table(head, rows)


def _training(config: dict[str, Any]) -> str:
    """What was done to the weights, in a few words."""
    start = {"inherit": "weights of EfficientNet-Lite (ImageNet)", "none": "random start"}.get(config["init"], "a file")
    steps = [start, *(["linear probe"] if config.get("probe") else [])]
    epochs = config["epochs_done"]
    teacher = ", taught by features of EfficientNet-Lite2" if config["distill"] else ""
    steps.append(f"{epochs} epochs{teacher}" if epochs else "no fine-tuning (validation was better without)")
    return ", then ".join(steps)


def _overall(test: dict[str, Any]) -> str:
    names = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "top3", "ece")
    parts = {"all": test} | {kind: test[kind] for kind in ("clinical", "dermoscopic") if kind in test}
    rows = [[name.replace("_", " "), *(figure(part[name]) for part in parts.values())] for name in names]
    rows.append(["photos", *(part["accuracy"]["n"] for part in parts.values())])
    equal = figure(test["equal_weights"]["balanced_accuracy"])
    return table(["figure", *parts], rows) + (
        "\n\nBalanced accuracy: classes with 10 photos or more. In brackets: 95 % interval, bootstrap over patients."
        f" With equal weights the balanced accuracy is {equal}."
    )


def _classes(release: dict[str, Any], test: dict[str, Any]) -> str:
    counts = release["data"]["per_class"]
    rows = [
        [slug, *(counts[slug][part] for part in PARTS), figure(entry["recall"]), figure(entry["precision"])]
        for slug, entry in test["per_class"].items()
    ]
    return table(["class", *PARTS, "recall", "precision"], rows)


def _thresholds(release: dict[str, Any]) -> str:
    rows = [
        [
            slug,
            part,
            kind,
            f"{point['value']:.4f}",
            figure(point["sensitivity"]),
            figure(point["specificity"]),
            point["n"],
        ]
        for part in ("val", "test")
        for slug, kinds in release["metrics"][part]["operating_points"].items()
        for kind, point in kinds.items()
    ]
    warning = "".join(f"\n\nThis release cannot screen for {slug}: {why}." for slug, why in _too_costly(release))
    head = ["class", "part", "photos", "threshold", "sensitivity", "specificity", "photos of the class"]
    return table(head, rows) + "\n\nChosen on clinical validation photos for sensitivity." + warning


def _too_costly(release: dict[str, Any]):
    for slug, kinds in release["operating_points"].items():
        point = kinds.get("clinical")
        if point and point["specificity"] and point["specificity"]["value"] < 0.5:
            yield slug, f"the threshold would send {1 - point['specificity']['value']:.0%} of other photos too"


def _decisions(release: dict[str, Any], test: dict[str, Any]) -> str:
    conformal, ood = test["conformal"], release["ood"]
    return "\n".join(
        [
            f"- Calibration error on test: {figure(test['ece'])}; `{release['calibration']['formula']}`.",
            f"- Prediction sets at 90 %: cover {figure(conformal['coverage'])} of test photos,"
            f" {conformal['mean_size']} conditions on average; more than {release['conformal']['limit']} count as"
            " no answer.",
            f"- Photos unlike the training photos are refused: {ood['method']} distance in the features of"
            f" {ood['embedding_member']} above {ood['threshold']} ({ood['chosen']}); not yet measured on other"
            " kinds of photos.",
        ]
    )


def _subgroups(test: dict[str, Any]) -> str:
    groups = test["per_source"] | {f"skin type {name}": entry for name, entry in test["fitzpatrick"].items()}
    rows = [[name, entry["n"], figure(entry["accuracy"])] for name, entry in groups.items()]
    return table(["group", "photos", "accuracy"], rows)


def _data(data: dict[str, Any]) -> str:
    rows = [[entry["source"], entry["n"], entry["licence"]] for entry in data["sources"]]
    types = ", ".join(f"{name}: {count}" for name, count in data["fitzpatrick"].items())
    kinds = ", ".join(f"{name}: {count}" for name, count in data["modality"].items())
    return table(["source", "photos", "licence as stated"], rows) + (
        f"\n\nSplit: {data['split']}.\n\nSkin types (Fitzpatrick): {types}.\n\nKind of photo: {kinds}."
    )
