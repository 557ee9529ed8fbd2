"""The model card as plain values: what release.json says, in words and numbers for a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from diagnosis.names import condition_label
from diagnosis.presentation import limits, tested_on
from ml.releases.loader import ReleaseError, release_info

Numbers = Mapping[str, Any]


def release_page(name: str) -> dict[str, Any] | None:
    """Everything that the card shows; None where no release is installed."""
    try:
        release = release_info(name)
    except ReleaseError:
        return None
    info = release.document
    test = info["metrics"].get("test", {})
    return {
        "name": info["name"],
        "created": info["created"],
        "code_commit": info["code_commit"],
        "licence": info["licence"],
        "weights_sha256": info["weights"]["sha256"],
        "members": [_member(one, test.get("members", {})) for one in info["members"]],
        "overall": _overall(test),
        "per_camera": _per_camera(test),
        "per_class": [_per_class(slug, info, test) for slug in info["classes"]],
        "not_covered": [condition_label(s) for s in info["classes"] if s not in info["trained_classes"]],
        "operating_points": _operating_points(info),
        "groups": _groups(test),
        "answered": _answered(test),
        "refused": _refused(info),
        "held_out": _held_out(info),
        "controls": _controls(info),
        "sources": info.get("data", {}).get("sources", []),
        "split": info.get("data", {}).get("split", ""),
        "tested_on": tested_on(release),
        "limits": limits(release),
    }


def measure(found: Any) -> dict[str, Any] | None:
    """A share as whole per cents with its 95 % interval where the release has one; None where it was not measured."""
    if isinstance(found, int | float):
        return {"percent": round(100 * found), "interval": "", "n": None}
    if not isinstance(found, Mapping) or found.get("value") is None:
        return None
    interval = ""
    if found.get("low") is not None and found.get("high") is not None:
        interval = f"{100 * found['low']:.0f}–{100 * found['high']:.0f}"
    return {"percent": round(100 * found["value"]), "interval": interval, "n": found.get("n")}


def _overall(test: Numbers) -> list[dict[str, Any]]:
    """The headline measures, each with a sentence that says what it means."""
    rows = (
        ("accuracy", _("Right first time"), _("The likeliest condition was the true one.")),
        ("top3", _("Right among the first three"), _("The true condition was one of the three that are shown.")),
        ("balanced_accuracy", _("Balanced accuracy"), _("Every condition counts the same, however rare it is.")),
        (
            "macro_f1",
            _("Macro F1"),
            _("Balances missed and wrongly named conditions, each condition counting the same."),
        ),
        ("ece", _("Calibration error"), _("How far the stated likelihood is from the truth; 0 is perfect.")),
    )
    found = [(label, text, measure(test.get(key))) for key, label, text in rows]
    return [{"label": label, "text": text, **numbers} for label, text, numbers in found if numbers]


def _per_camera(test: Numbers) -> list[dict[str, Any]]:
    labels = {"clinical": _("Phone or ordinary camera"), "dermoscopic": _("Skin microscope (dermoscope)")}
    rows = [(label, measure(test.get(key, {}).get("accuracy"))) for key, label in labels.items()]
    return [{"label": label, **numbers} for label, numbers in rows if numbers]


def _groups(test: Numbers) -> list[dict[str, Any]]:
    """Right first time by source and by skin type; a group without photos says so."""
    sources = [(name, found) for name, found in test.get("per_source", {}).items()]
    types = [(_("Skin type %(type)s") % {"type": name}, found) for name, found in _skin_types(test)]
    rows = [(label, found["n"], measure(found.get("accuracy"))) for label, found in [*sources, *types]]
    return [{"label": label, "n": n, "accuracy": accuracy} for label, n, accuracy in rows]


def _skin_types(test: Numbers) -> list[tuple[str, Numbers]]:
    return [(name, found) for name, found in test.get("fitzpatrick", {}).items() if name != "unknown"]


def _answered(test: Numbers) -> dict[str, Any] | None:
    """How many photos get an answer, and how many answers are wrong: what abstaining buys."""
    found = test.get("abstaining", {}).get("as_served", {})
    answered, wrong = measure(found.get("answered")), measure(found.get("error_answered"))
    everyone = measure(test.get("accuracy"))
    if not (answered and wrong and everyone):
        return None
    return {"answered": answered["percent"], "wrong": wrong["percent"], "wrong_of_all": 100 - everyone["percent"]}


def _refused(info: Numbers) -> list[dict[str, Any]]:
    """How much of what is no covered condition is refused, photographs apart."""
    labels = {
        "photograph": _("Photographs of other things"),
        "drawn": _("Drawings, documents and noise"),
        "disease": _("Skin diseases that are not covered"),
    }
    kinds = (info.get("studies") or {}).get("ood", {}).get("kinds", {})
    return [
        {"label": labels[kind], "share": measure(found.get("by_any_check")), "n": found["n"]}
        for kind, found in kinds.items()
        if kind in labels
    ]


def _held_out(info: Numbers) -> list[dict[str, Any]]:
    """Balanced accuracy on sources that a training of the same kind had never seen: the vote's, and with all sources of
    a family away (the harder question), where measured."""
    studies = info.get("studies") or {}
    rows = (studies.get("leave_family_out") or studies.get("leave_source_out") or {}).get("sources", [])
    answers = [(row, row["found"].get("vote") or row["found"].get("ours")) for row in rows]
    found = [(row["source"], row["photos"], measure(answer)) for row, answer in answers]
    return [{"label": source, "n": n, "balanced": value} for source, n, value in found if value]


def _controls(info: Numbers) -> list[dict[str, Any]]:
    """Balanced accuracy on test of each network of the release and of the same one trained without a teacher."""
    rows = (info.get("studies") or {}).get("plain_controls", {}).get("rows", [])
    found = [(row["architecture"], row["parts"]["test"]) for row in rows]
    return [
        {"label": name, "member": measure(both["member"]), "control": measure(both["control"])} for name, both in found
    ]


def _per_class(slug: str, info: Numbers, test: Numbers) -> dict[str, Any]:
    found = test.get("per_class", {}).get(slug, {})
    return {
        "label": condition_label(slug),
        "trained": slug in info["trained_classes"],
        "recall": measure(found.get("recall")),
        "precision": measure(found.get("precision")),
        "n": found.get("n"),
        "train_n": info.get("data", {}).get("per_class", {}).get(slug, {}).get("train"),
    }


def _member(member: Numbers, measured: Numbers) -> dict[str, Any]:
    found = measured.get(member["name"], {})
    return {
        "architecture": member["architecture"],
        "weight_percent": round(100 * member["weight"]),
        "input_size": member["input_size"],
        "accuracy": measure(found.get("accuracy")),
    }


def _operating_points(info: Numbers) -> list[dict[str, Any]]:
    """For each cancer class and camera: how many are caught at the alarm threshold, and at what price."""
    rows = []
    for slug, cameras in info.get("operating_points", {}).items():
        for camera, point in cameras.items():
            if isinstance(point, Mapping) and measure(point.get("sensitivity")):
                rows.append(_operating_point(slug, camera, point))
    return rows


def _operating_point(slug: str, camera: str, point: Numbers) -> dict[str, Any]:
    cameras = {"clinical": _("phone or camera"), "dermoscopic": _("skin microscope")}
    return {
        "label": condition_label(slug),
        "camera": cameras.get(camera, camera),
        "sensitivity": measure(point["sensitivity"]),
        "specificity": measure(point.get("specificity")),
        "n": point.get("n"),
    }
