"""Sections of the model card that come from single studies, and its checklist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ml.evaluation.markdown import figure, table

NOT_MEASURED = "Not measured for this release."

# After the four sections of CLEAR Derm (Daneshjou et al., JAMA Dermatology 2022), in our words.
CHECKLIST = """## CLEAR Derm checklist

| question | answer |
| --- | --- |
| **Data** | |
| kind of images | clinical (phones, cameras, websites) and dermoscopic photos; counts under Data |
| artefacts | pen marks, rulers, hair, a watermark in one source; the watermark's box is erased in training |
| devices and light | not stated by the sources |
| preprocessing | short side resized, centre crop or squash as listed under Networks; nothing else when serving |
| synthetic images | none |
| public availability | photos are not ours to publish; every source is named with its licence |
| patients | sex, age and skin type by count under Data; "unknown" where the sources say nothing |
| skin type | Fitzpatrick, from PAD-UFES-20 alone; absent elsewhere, not guessed from pixels |
| known biases | source and class are linked, few dark skin types among lesions: see Limits and the source control |
| split | by patient, else lesion, else look-alike cluster; copies across parts are refused by perceptual hash |
| sample size | what could be had; every figure has its 95 % interval |
| external test | whole sources held out in turn, where measured; no hospital of our own |
| **Technique** | |
| labels | biopsy for part of PAD-UFES-20 and HAM10000, else expert consensus, website topic or search term |
| histopathology review | not available to us |
| development | configs, code and seeds are in the repository; one command trains, one exports and measures |
| public evaluation | `python -m ml evaluate --manifest YOURS` on your own photos; the site itself |
| **Technical assessment** | |
| measures | accuracy, balanced accuracy, precision, recall, F1, AUC, calibration, coverage, by class and group |
| comparison with clinicians | none |
| bias assessment | by source, kind of photo, skin type, sex and age, with counts; darkening check |
| **Application** | |
| use and conditions | under Intended use; what is not covered is listed and, where recognised, refused |
| effect on care | not studied; every result says that it is a draft, and a dermatologist can be asked |
"""


def studies_text(studies: Mapping[str, Any]) -> list[str]:
    """One section for each study, also where it was not done."""
    sections = (
        ("Pictures that are no covered condition", "ood", _ood),
        ("Whole sources held out", "leave_source_out", _left_out),
        ("Families of sources held out", "leave_family_out", _left_out),
        ("What the source alone explains", "source_control", _source_control),
        ("Darkened lesions", "darkening", _darkening),
        ("Each member against the same network trained plainly", "plain_controls", _plain_controls),
    )
    texts = [
        f"## {title}\n\n" + (write(studies[name]) if studies.get(name) else NOT_MEASURED)
        for title, name, write in sections
    ]
    extra = (
        ("Class imbalance, compared on validation", "balance"),
        ("Settings that were searched, on validation", "tuning"),
        ("Members and votes, on validation", "ensemble"),
    )
    return texts + [f"## {title}\n\n{_rows(studies[name])}" for title, name in extra if studies.get(name)]


def tried_text(tried: Sequence[Mapping[str, Any]]) -> str:
    """What was tried and how far it came."""
    if not tried:
        return "## What was tried\n\nNot recorded for this release."
    rows = [[entry["what"], entry["result"], "yes" if entry["kept"] else "no"] for entry in tried]
    return "## What was tried\n\n" + table(["what", "result on validation or held-out sources", "kept"], rows)


def _ood(study: Mapping[str, Any]) -> str:
    rows = [[row["kind"], row["category"], *_refused(row)] for row in study["categories"]]
    rows += [[f"**all: {kind}**", "", *_refused(row)] for kind, row in study["kinds"].items()]
    head = ["kind", "category", "pictures", "refused by the score alone", "refused by any check"]
    return (
        table(head, rows) + f"\n\nAt a false rejection of {study['false_rejection']}. Few photographs: wide intervals."
    )


def _refused(row: Mapping[str, Any]) -> list[Any]:
    return [row["n"], figure(row["by_score"]), figure(row["by_any_check"])]


def _left_out(study: Mapping[str, Any]) -> str:
    methods = study["methods"]
    rows = [
        [row["source"], row["photos"], row["classes"], *(figure(row["found"].get(method)) for method in methods)]
        for row in study["sources"]
    ]
    means = [study["mean"].get(method) for method in methods]
    rows.append(["**mean**", "", "", *(f"{mean:.3f}" if mean is not None else "-" for mean in means)])
    return table(["held-out source", "photos", "classes", *methods], rows) + (
        f"\n\nBalanced accuracy over the classes of that source which other sources also have. {study['budget']}"
    )


def _source_control(study: Mapping[str, Any]) -> str:
    named = study["source_named"]
    rows = [[f"source, from {view} photos", figure(found)] for view, found in named.items()]
    rows += [
        ["source, always the commonest", figure(study["commonest"])],
        ["label, from the features", figure(study["label_from_features"])],
        ["label, from the true source alone", figure(study["label_from_source"])],
        ["label, always the commonest", figure(study["commonest_label"])],
    ]
    return table([f"a linear model on frozen {study['network']} names", "accuracy on test"], rows) + (
        f"\n\nShare of the gain over guessing that knowing the source alone would give: {study['explained']:.2f}."
    )


def _darkening(study: Mapping[str, Any]) -> str:
    rows = [
        [f"{step['lightness']:.2f}", f"{step['p_normal']['value']:.3f}", _signed(step["rise"]), step["called_normal"]]
        for step in study["steps"]
    ]
    verdict = "It does not rise." if study["passed"] else f"It rises by up to {study['largest_rise']:.3f}."
    return table(["L* times", "mean p(normal)", "rise", "photos called normal"], rows) + (
        f"\n\n{study['photos']} lesion photos of the part {study['part']}. {verdict}"
    )


def _plain_controls(study: Mapping[str, Any]) -> str:
    rows = [
        [
            row["member"],
            f"{row['epochs']} epochs at {row['size']} px, from {_start(row['init'])}",
            part,
            figure(found["control"]),
            figure(found["member"]),
            _signed(found["difference"]),
        ]
        for row in study["rows"]
        for part, found in row["parts"].items()
    ]
    head = ["member", "control", "part", "balanced accuracy of the control", "of the member alone", "difference"]
    return table(head, rows) + (
        "\n\nThe control had no teacher. Intervals of the difference come from the same resamples of patients for both."
    )


def _start(init: str) -> str:
    """Where the control's first weights came from, without the place where a file lay."""
    starts = {"none": "random weights", "packaged": "ImageNet weights", "pretrained": "ImageNet weights"}
    return starts.get(init.partition(":")[0], "weights of another network")


def _signed(found: Mapping[str, float]) -> str:
    return f"{found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"


def _rows(study: Mapping[str, Any]) -> str:
    """A study that is a list of like rows."""
    head = list(study["rows"][0])
    return table(head, [[row[name] for name in head] for row in study["rows"]])
