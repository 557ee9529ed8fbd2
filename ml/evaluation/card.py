"""The model card (Mitchell et al. 2019), written from release.json alone so that no number is typed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ml.data.manifest import PARTS
from ml.data.stats import GROUPINGS
from ml.evaluation.card_studies import CHECKLIST, studies_text, tried_text
from ml.evaluation.goals import goals
from ml.evaluation.markdown import figure, table

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
        "## What this release had to reach\n\n" + _goals(release),
        "## By class (test)\n\n" + _classes(release, test),
        "## Confusion (test)\n\n" + _confusion(test),
        "## Thresholds of the cancer classes\n\n" + _thresholds(release),
        "## Calibration, prediction sets, refusal\n\n" + _decisions(release, test),
        "## What abstaining buys (test)\n\n" + _abstaining(test),
        "## By source, skin type, sex and age (test)\n\n" + _subgroups(test),
        *studies_text(release.get("studies", {})),
        "## Data\n\n" + _data(release["data"]),
        tried_text(release.get("tried", [])),
        LIMITS.strip(),
        CHECKLIST.strip(),
    ]
    return "\n\n".join(sections) + "\n"


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


STARTS = {
    "none": "random start",
    "pretrained": "ImageNet weights from the hub",
    "packaged": "ImageNet weights of a pip package",
    "inherit": "weights inherited from EfficientNet-Lite",
}
PROBED = {
    "none": [],
    False: [],  # releases up to r3 knew one kind of probe
    "discriminant": ["mixture discriminant with a centre for each family of sources of a class"],
}


def _training(config: dict[str, Any]) -> str:
    """What was done to the weights, in a few words."""
    if not config:
        return "not stated"
    start, _, parent = config["init"].partition(":")
    steps = [STARTS.get(start, "weights of an earlier run")]
    steps[0] += f" as fine-tuned in the run {Path(parent).parent.name}" if parent else ""
    steps += PROBED.get(config.get("probe", "none"), ["linear probe"])
    epochs = config["epochs_done"]
    steps.append(f"{epochs} epochs{_taught(config)}" if epochs else _untrained(config))
    steps += [f"mean weights of the runs {' and '.join(config['averaged'])}"] if config.get("averaged") else []
    return ", then ".join(steps)


def _untrained(config: dict[str, Any]) -> str:
    return "no fine-tuning (validation was better without)" if config.get("epochs") else "no epochs of its own"


def _taught(config: dict[str, Any]) -> str:
    """By whom, and with which settings that change the result."""
    teacher = Path(config.get("teacher", "")).parent.name or config.get("teacher", "")
    lessons = [name for name, key in (("features", "distill"), ("answers", "imitate")) if config.get(key)]
    words = [f"taught {' and '.join(lessons)} of {teacher}"] if lessons else []
    words += [f"{config['balance']} class balance"] if config.get("balance") else []
    words += [f"MixUp/CutMix on {config['mix']:.0%}"] if config.get("mix") else []
    words += [f"layer decay {config['layer_decay']}"] if config.get("layer_decay", 1) != 1 else []
    return ", " + ", ".join(words) if words else ""


def _overall(test: dict[str, Any]) -> str:
    every = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "macro_auc", "top3", "ece")
    names = [name for name in every if name in test]
    parts = {"all": test} | {kind: test[kind] for kind in ("clinical", "dermoscopic") if kind in test}
    rows = [[name.replace("_", " "), *(figure(part[name]) for part in parts.values())] for name in names]
    rows.append(["photos", *(part["accuracy"]["n"] for part in parts.values())])
    equal = figure(test["equal_weights"]["balanced_accuracy"])
    return table(["figure", *parts], rows) + (
        "\n\nBalanced accuracy: classes with 10 photos or more. In brackets: 95 % interval, bootstrap over patients."
        f" With equal weights the balanced accuracy is {equal}. macro auc: one class against the rest, mean."
    )


def _goals(release: dict[str, Any]) -> str:
    """Goals that stood before the release was made, and what was reached; a miss stays visible."""
    rows = [[goal.what, goal.wanted, goal.found, _verdict(goal.reached)] for goal in goals(release)]
    return table(["goal", "wanted", "found", "reached"], rows) + ("\n\nOn the test part; nothing was chosen on it.")


def _verdict(reached: bool | None) -> str:
    return "not measured" if reached is None else "yes" if reached else "no"


def _confusion(test: dict[str, Any]) -> str:
    if "confusion" not in test:
        return "Not measured."
    classes = list(test["per_class"])
    rows = [[slug, *(count or "" for count in row)] for slug, row in zip(classes, test["confusion"], strict=True)]
    keys = ", ".join(f"{number} {slug}" for number, slug in enumerate(classes, start=1))
    return table(["true class", *range(1, len(classes) + 1)], rows) + f"\n\nColumns, the likeliest class: {keys}."


def _abstaining(test: dict[str, Any]) -> str:
    if "abstaining" not in test:
        return "Not measured."
    rows = [[f"{p['coverage']:.0%}", p["n"], f"{p['error']:.2f}"] for p in test["abstaining"]["curve"]]
    served = test["abstaining"]["as_served"]
    reasons = ", ".join(f"{name.replace('_', ' ')} {figure(found)}" for name, found in served["reasons"].items())
    return table(["answered, the surest first", "photos", "error among them"], rows) + (
        f"\n\nAs served, {figure(served['answered'])} of photos get an answer. Error among them"
        f" {figure(served['error_answered'])}, among the refused {figure(served['error_refused'])}."
        f" Refused for: {reasons}."
    )


def _classes(release: dict[str, Any], test: dict[str, Any]) -> str:
    counts = release["data"]["per_class"]
    rows = [
        [
            slug,
            *(counts[slug][part] for part in PARTS),
            figure(entry["recall"]),
            figure(entry["precision"]),
            f"{entry['f1']:.2f}",
            figure(entry.get("auc")),
        ]
        for slug, entry in test["per_class"].items()
    ]
    return table(["class", *PARTS, "recall", "precision", "F1", "AUC"], rows)


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
    apart = release["disagreement"]
    bins = [[f"{b['low']:.1f}-{b['high']:.1f}", b["n"], _share(b)] for b in release["reliability"]]
    return "\n".join(
        [
            f"- Calibration error on test: {figure(test['ece'])}; `{release['calibration']['formula']}`.",
            f"- Prediction sets at 90 %: cover {figure(conformal['coverage'])} of test photos,"
            f" {conformal['mean_size']} conditions on average; more than {release['conformal']['limit']} count as"
            " no answer.",
            f"- Photos unlike the training photos are refused: {ood['method']} distance in the features of"
            f" {ood['embedding_member']} above {ood['threshold']} ({ood['chosen']}).",
            f"- Networks that are apart by more than {apart['threshold']} (Jensen-Shannon divergence, 0 to 1;"
            f" {apart.get('chosen', 'not chosen')}) ask for a human look.",
            "",
            "Calibration table, over all pairs of a test photo and a class:",
            "",
            table(["stated probability", "pairs", "was the class"], bins),
        ]
    )


def _share(entry: dict[str, Any]) -> str:
    return f"{entry['correct'] / entry['n']:.2f}" if entry["n"] else "-"


def _subgroups(test: dict[str, Any]) -> str:
    groups = dict(test["per_source"])
    for group in GROUPINGS:
        name_of = {"fitzpatrick": "skin type", "sex": "sex", "age": "age"}[group]
        groups |= {f"{name_of} {name}": entry for name, entry in test.get(group, {}).items()}
    rows = [[name, entry["n"], figure(entry["accuracy"])] for name, entry in groups.items()]
    return table(["group", "photos", "accuracy"], rows) + (
        "\n\nA group with 0 photos is unknown: nothing is claimed for it. Rows 'unknown' are photos whose data say"
        " nothing."
    )


def _data(data: dict[str, Any]) -> str:
    rows = [[entry["source"], entry["n"], entry["licence"]] for entry in data["sources"]]
    kinds = ", ".join(f"{name}: {count}" for name, count in data["modality"].items())
    parts = [
        table(["source", "photos", "licence as stated"], rows),
        f"Split: {data['split']}. Copies across parts: `python -m ml data check` compares perceptual hashes.",
        "Photos by class and source:\n\n" + _crossed(data.get("per_class_source", {})),
        "Photos by class and skin type (Fitzpatrick):\n\n" + _skin_types(data),
        *(f"{group.capitalize()}: {_counts(data[group])}." for group in ("sex", "age") if group in data),
        f"Kind of photo: {kinds}.",
    ]
    return "\n\n".join(parts)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items())


def _crossed(counts: dict[str, dict[str, int]]) -> str:
    sources = sorted({source for found in counts.values() for source in found})
    keys = ", ".join(f"{number} {source}" for number, source in enumerate(sources, start=1))
    rows = [[slug, *(found.get(source, "") for source in sources)] for slug, found in counts.items()]
    return table(["class", *range(1, len(sources) + 1)], rows) + f"\n\nColumns: {keys}."


def _skin_types(data: dict[str, Any]) -> str:
    names = list(data["fitzpatrick"])
    by_class = data.get("fitzpatrick_per_class", {})
    rows = [[slug, *(found[name] for name in names)] for slug, found in by_class.items()]
    return table(["class", *names], [*rows, ["all", *data["fitzpatrick"].values()]])
