"""Figures against scikit-learn, choices against cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from ml.data.manifest import Row
from ml.ensemble import balanced_log_loss, ood_score, search_weights, softmax, vote
from ml.evaluation.decisions import (
    choose_threshold,
    conformal_quantile,
    coverage,
    fit_temperature,
    operating_point,
)
from ml.evaluation.metrics import auc, bootstrap, confusion, measure, proportion, reliability, risk_curve
from ml.evaluation.ood import fit_reference
from ml.evaluation.report import report_part

CLASSES = ("acne", "moles", "melanoma", "normal")


def _sample(seed: int = 0, count: int = 400, skill: float = 1.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(4, count, p=[0.5, 0.3, 0.15, 0.05])
    logits = rng.normal(size=(count, 4)) + skill * np.eye(4)[labels]
    return softmax(logits), labels, logits


def test_figures_agree_with_scikit_learn() -> None:
    probabilities, labels, _ = _sample()
    guess = probabilities.argmax(1)
    figures = measure(probabilities, labels, [str(i) for i in range(400)], CLASSES)
    precision, recall, f1, _ = reference.precision_recall_fscore_support(labels, guess, average="macro")
    expected = {
        "accuracy": reference.accuracy_score(labels, guess),
        "balanced_accuracy_all": reference.balanced_accuracy_score(labels, guess),
        "macro_precision": precision,
        "macro_recall": recall,
        "macro_f1": f1,
        "top3": reference.top_k_accuracy_score(labels, probabilities, k=3),
    }
    expected["macro_auc"] = reference.roc_auc_score(labels, probabilities, multi_class="ovr")
    assert {name: figures[name]["value"] for name in expected} == pytest.approx(expected, abs=1e-4)
    recalls = reference.recall_score(labels, guess, average=None)
    assert [figures["per_class"][slug]["recall"]["value"] for slug in CLASSES] == pytest.approx(recalls, abs=1e-4)


def test_intervals_hold_the_value_and_widen_with_grouping() -> None:
    right = np.random.default_rng(1).random(300) < 0.7
    right = np.repeat(right[:30], 10)
    score = {"accuracy": lambda weights: float((right * weights).sum() / weights.sum())}
    alone = bootstrap(score, [str(i) for i in range(300)])["accuracy"]
    grouped = bootstrap(score, [str(i // 10) for i in range(300)])["accuracy"]
    assert alone["low"] < alone["value"] < alone["high"]
    assert grouped["high"] - grouped["low"] > 2 * (alone["high"] - alone["low"])


def test_wilson_interval_of_a_textbook_case() -> None:
    figure = proportion(8, 10)
    assert (figure["low"], figure["high"]) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert proportion(0, 0) is None


def test_weight_search_beats_equal_votes() -> None:
    good, labels, _ = _sample(seed=1, skill=3)
    bad = np.roll(good, 1, axis=0)
    weights = search_weights([good, bad, bad], labels)
    assert weights[0] > 0.8
    assert sum(weights) == pytest.approx(1)
    found, equal = (balanced_log_loss(vote([good, bad, bad], w), labels) for w in (weights, [1, 1, 1]))
    assert found < equal - 0.1
    assert min(search_weights([good, bad, bad], labels, least=1)) == pytest.approx(0.05)
    assert search_weights([good, bad, bad], labels, least=[1, 7, 1]) == pytest.approx([0.6, 0.35, 0.05])
    with pytest.raises(ValueError, match=r"add up to 1\.05"):
        search_weights([good, bad, bad], labels, least=7)


@pytest.mark.parametrize("stretch", [0.5, 1.0, 3.0])
def test_temperature_undoes_a_stretch(stretch: float) -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(20000, 3)) * 2
    cumulative = softmax(logits).cumsum(1)
    labels = (rng.random((20000, 1)) > cumulative).sum(1)
    assert fit_temperature(logits * stretch, labels) == pytest.approx(stretch, rel=0.05)


def test_threshold_is_the_highest_that_keeps_the_sensitivity() -> None:
    scores = np.array([0.91234567, 0.8, 0.6, 0.4, 0.05, 0.7, 0.3])
    positive = np.array([True, True, True, True, True, False, False])
    assert choose_threshold(scores, positive, 0.8) == pytest.approx(0.4)
    point = operating_point(scores, positive, choose_threshold(scores, positive, 0.2))
    assert point["sensitivity"]["value"] == pytest.approx(0.2)
    assert point["specificity"]["value"] == 1
    assert choose_threshold(scores, np.zeros(7, bool), 0.9) is None


def test_prediction_sets_cover_as_promised() -> None:
    val, val_labels, _ = _sample(seed=3, count=2000)
    new, new_labels, _ = _sample(seed=4, count=5000)
    result = coverage(new, new_labels, conformal_quantile(val, val_labels, alpha=0.1))
    assert result["coverage"]["value"] == pytest.approx(0.9, abs=0.02)
    assert 1 < result["mean_size"] < 4


def test_strange_embeddings_score_higher() -> None:
    rng = np.random.default_rng(5)
    centers = rng.normal(size=(3, 32))
    labels = np.repeat(np.arange(3), 100)

    def unit(values: np.ndarray) -> np.ndarray:
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    known = unit(centers[labels] + 0.3 * rng.normal(size=(300, 32)))
    fresh = unit(centers[labels] + 0.3 * rng.normal(size=(300, 32)))
    strange = unit(rng.normal(size=(300, 32)))
    arrays = fit_reference(known, labels, components=8)
    ours, theirs = (ood_score("mahalanobis", np.zeros((300, 1)), e, arrays) for e in (fresh, strange))
    assert (theirs > np.quantile(ours, 0.95)).mean() > 0.95


def test_the_area_under_the_curve_counts_ties_half_and_has_an_interval() -> None:
    scores, positive = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True])
    found = auc(scores, positive)
    assert found["value"] == pytest.approx(reference.roc_auc_score(positive, scores))
    assert found["low"] < found["value"] <= found["high"]
    assert auc(scores, np.zeros(4, bool)) is None


def test_confusion_agrees_with_scikit_learn() -> None:
    probabilities, labels, _ = _sample()
    assert confusion(probabilities, labels) == reference.confusion_matrix(labels, probabilities.argmax(1)).tolist()


def test_abstaining_from_the_least_certain_lowers_the_error() -> None:
    probabilities, labels, _ = _sample(count=2000)
    curve = risk_curve(probabilities, labels)
    assert curve[0]["error"] == pytest.approx(1 - reference.accuracy_score(labels, probabilities.argmax(1)), abs=1e-4)
    assert curve[0]["n"] == 2000
    half = next(point for point in curve if point["coverage"] == 0.5)
    sure = probabilities.max(1) >= half["threshold"]
    assert sure.sum() == pytest.approx(half["n"], abs=2)
    assert half["error"] == pytest.approx((probabilities.argmax(1) != labels)[sure].mean(), abs=2e-3)
    assert curve[-1]["error"] < half["error"] < curve[0]["error"]


def test_reliability_counts_every_pair_of_photo_and_class() -> None:
    probabilities, labels, _ = _sample()
    bins = reliability(probabilities, labels)
    assert sum(entry["n"] for entry in bins) == probabilities.size
    assert sum(entry["correct"] for entry in bins) == len(labels)


def test_reliability_words_a_second_place() -> None:
    bins = reliability(np.array([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75]]), np.array([0, 1, 1]))
    assert bins[2] == {"low": 0.2, "high": 0.3, "n": 3, "correct": 1}
    assert bins[7] == {"low": 0.7, "high": 0.8, "n": 3, "correct": 2}


def test_a_part_is_reported_by_modality_source_and_skin_type() -> None:
    probabilities, labels, _ = _sample(count=200)
    rows = [
        Row(i, f"{i}.png", part="test", source="ab"[i % 2], modality=("clinical", "dermoscopic")[i % 4 == 0])
        for i in range(200)
    ]
    release = {
        "classes": list(CLASSES),
        "members": [{"weight": 1.0}],
        "calibration": {"ensemble": 1.0},
        "thresholds": {"melanoma": 0.1},
        "conformal": {"quantile": 0.9},
    }
    release["ood"] = {"threshold": 1.0}
    strangeness = np.where(np.arange(200) < 20, 2.0, 0.5)
    report = report_part({"only": probabilities}, release, labels, rows, strangeness)
    served = report["abstaining"]["as_served"]
    assert served["reasons"]["out_of_distribution"]["value"] == 0.1
    assert served["answered"]["n"] == 200
    assert served["error_answered"]["n"] + served["error_refused"]["n"] == 200
    assert report["sex"] == {name: report["sex"][name] for name in ("female", "male", "unknown")}
    assert report["sex"]["unknown"]["n"] == report["age"]["unknown"]["n"] == 200
    assert report["clinical"]["accuracy"]["n"] == 150
    assert report["per_source"]["a"]["n"] == 100
    assert report["fitzpatrick"]["unknown"]["n"] == 200
    assert report["fitzpatrick"]["V-VI"] == {"n": 0, "accuracy": None}
    assert report["operating_points"]["melanoma"]["dermoscopic"]["n"] == (labels[::4] == 2).sum()
    assert report["members"]["only"]["accuracy"] == report["accuracy"]
