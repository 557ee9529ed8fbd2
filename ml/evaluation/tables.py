"""The paper's tables 1, 3 and 4 and figures 6 and 7 beside a release, from its release.json alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ml.evaluation.markdown import figure, table

UNKNOWN = "not known to us"
# What is known to us of the paper: its text as issue 3 of this project quotes it. Nothing here is an estimate.
PAPER_MEMBERS = {"mobilenetv3": 0.856, "densenet121": 0.872, "efficientnet_b3": 0.885}
PAPER_EQUAL, PAPER_OPTIMISED, PAPER_F1 = 0.901, 0.914, 0.92
PAPER_WEIGHTS = {"mobilenetv3": 0.4, "densenet121": 0.3, "efficientnet_b3": 0.3}
PAPER_SETUP = {
    "photos": "57,600",
    "classes": "13",
    "split": "random; whether photos of one patient were kept together is not known to us",
    "optimiser": "Adam",
    "learning rate": "from 1e-3, reduced on a plateau",
    "batch": "32",
    "epochs": "25 to 50, early stopping on validation loss",
    "dropout in the head": "0.3 to 0.5",
    "class imbalance": "oversampling, undersampling, class weights",
}
SURE = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1")
IMAGES = "images"

INTRODUCTION = """# The paper's tables beside ours

Written by `python -m ml tables` from release {name}; no number is typed by hand. Left is what the paper reports, as
far as it is known to us: the rest is marked "not known to us" and not guessed. The two columns are **not** comparable
as they stand: the paper tests on a random split of 57,600 photos, we on {photos} photos of patients (or look-alike
clusters) that training has never seen, from {sources} sources. Ours stand with 95 % intervals."""


def write_tables(release: Mapping[str, Any], out: Path) -> list[Path]:
    """Write ``out`` (Markdown) and its figures into IMAGES beside it; returns the files."""
    images = out.parent / IMAGES
    images.mkdir(parents=True, exist_ok=True)
    curves, matrix = images / "paper-figure-6.svg", images / "paper-figure-7.svg"
    drawn = draw_curves(release, curves)
    draw_matrix(release, matrix)
    out.write_text(tables_text(release, curves.name if drawn else "", matrix.name), encoding="utf-8")
    return [out, *([curves] if drawn else []), matrix]


def tables_text(release: Mapping[str, Any], curves: str, matrix: str) -> str:
    """The page; ``curves`` is empty where no run left a history."""
    test = release["metrics"]["test"]
    head = INTRODUCTION.format(name=release["name"], photos=test["accuracy"]["n"], sources=len(test["per_source"]))
    shown = f"![Loss and accuracy by epoch]({IMAGES}/{curves})" if curves else "No run of this release left a history."
    sections = [
        head,
        "## Table 1: data and training\n\n" + _setup(release),
        "## Table 3: each network alone (test)\n\n" + _members(release, test),
        "## Table 4: the ensemble (test)\n\n" + _ensemble(release, test),
        "## Figure 6: training curves\n\n" + shown + f"\n\nThe paper's curves: {UNKNOWN}.",
        f"## Figure 7: confusion matrix (test)\n\n![Confusion matrix]({IMAGES}/{matrix})\n\n"
        f"The paper's matrix: {UNKNOWN}.",
    ]
    return "\n\n".join(sections) + "\n"


def _setup(release: Mapping[str, Any]) -> str:
    data, recipes = release["data"], [member["training"] for member in release["members"]]
    photos = sum(sum(parts.values()) for parts in data["per_class"].values())

    def each(field: str, default: Any) -> str:
        return ", ".join(str(value) for value in dict.fromkeys(recipe.get(field, default) for recipe in recipes))

    ours = {
        "photos": f"{photos:,}",
        "classes": len(release["trained_classes"]),
        "split": data["split"],
        "optimiser": each("optimizer", "adamw"),
        "learning rate": f"{each('lr', '-')}, {each('schedule', 'cosine')}",
        "batch": each("batch", "-"),
        "epochs": each("epochs_done", "-"),
        "dropout in the head": each("dropout", "-"),
        "class imbalance": each("balance", "sqrt"),
    }
    return table(["", "paper", "ours"], [[name, paper, ours[name]] for name, paper in PAPER_SETUP.items()])


def _members(release: Mapping[str, Any], test: Mapping[str, Any]) -> str:
    rows = []
    for member in release["members"]:
        paper = PAPER_MEMBERS.get(member["name"])
        figures = test["members"][member["name"]]
        reported = f"{paper:.3f}" if paper else "not in the paper"
        rows.append([member["architecture"], reported, *(figure(figures.get(name)) for name in SURE)])
    head = ["network", "paper: accuracy", *(name.replace("_", " ") for name in SURE)]
    return table(head, rows) + f"\n\nThe paper's precision, recall and F1 by network: {UNKNOWN}."


def _ensemble(release: Mapping[str, Any], test: Mapping[str, Any]) -> str:
    ours = {member["name"]: member["weight"] for member in release["members"]}
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in ours.items())
    theirs = ", ".join(f"{name} {weight}" for name, weight in PAPER_WEIGHTS.items())
    equal = test["equal_weights"]
    best = max(test["members"].values(), key=lambda found: found["accuracy"]["value"])
    rows = [
        [
            "best network alone",
            f"{max(PAPER_MEMBERS.values()):.3f}",
            figure(best["accuracy"]),
            figure(best["macro_f1"]),
        ],
        ["equal weights", f"{PAPER_EQUAL:.3f}", figure(equal["accuracy"]), figure(equal["macro_f1"])],
        [
            "chosen weights",
            f"{PAPER_OPTIMISED:.3f} (F1 {PAPER_F1})",
            figure(test["accuracy"]),
            figure(test["macro_f1"]),
        ],
    ]
    head = ["vote", "paper: accuracy", "ours: accuracy", "ours: macro F1"]
    return table(head, rows) + f"\n\nWeights in the paper: {theirs}; ours, chosen on validation: {weights}."


def draw_curves(release: Mapping[str, Any], file: Path) -> bool:
    """Loss (training, validation) and validation accuracy by epoch of each member; False without a history."""
    known = [(m["architecture"], m["training"].get("history") or []) for m in release["members"]]
    known = [(name, history) for name, history in known if history]
    if not known:
        return False
    plot = _figure(5 * len(known), 6)
    for column, (name, history) in enumerate(known):
        epochs = [record["epoch"] for record in history]
        above, below = (plot.add_subplot(2, len(known), row * len(known) + column + 1) for row in (0, 1))
        above.plot(epochs, [record["loss"] for record in history], label="training (with augmentation)")
        above.plot(epochs, [record["val_loss"] for record in history], label="validation")
        above.set(title=name, ylabel="loss" if not column else "")
        above.legend(fontsize=8)
        below.plot(epochs, [record["accuracy"] for record in history], label="accuracy")
        below.plot(epochs, [record["balanced_accuracy"] for record in history], label="balanced accuracy")
        below.set(xlabel="epoch", ylabel="validation" if not column else "", ylim=(0, 1))
        below.legend(fontsize=8)
    _save(plot, file)
    return True


def draw_matrix(release: Mapping[str, Any], file: Path) -> None:
    """Confusion matrix of the test part, each row as shares of its class."""
    test = release["metrics"]["test"]
    counts, classes = np.array(test["confusion"]), list(test["per_class"])
    plot = _figure(0.6 * len(classes) + 3, 0.6 * len(classes) + 2)
    axes = plot.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=90)
    axes.set_yticks(range(len(classes)), [f"{slug} ({n})" for slug, n in zip(classes, counts.sum(axis=1), strict=True)])
    axes.set(xlabel="likeliest class", ylabel="true class (photos)")
    for row, column in np.argwhere(counts):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{shares[row, column]:.2f}", ha="center", va="center", color=color, fontsize=7)
    _save(plot, file)


def _figure(width: float, height: float):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    plot = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(plot)
    return plot


def _save(plot, file: Path) -> None:
    """SVG that is the same bytes for the same numbers: no date, ids from a fixed salt."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": file.stem}):
        plot.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
