"""A release with a 14th class: drawn, trained, exported, served and shown on the site without a change of code."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.__main__ import main
from ml.evaluation.studies import add_study
from ml.releases.loader import ReleaseError, load_release, release_info
from ml.taxonomy import BY_SLUG, SLUGS, add_conditions, describe_new
from ml.tiers import tier_from_probabilities
from tests.ml.toyset import draw_set

ROOT = Path(__file__).parents[2]
NEW = "merkel-cell-carcinoma"
DETAILS = {"label": "Merkel cell carcinoma", "tier": "urgent", "kind": "malignant", "icd10": "C4A.9"}


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder with the release ``fourteen``."""
    folder = tmp_path_factory.mktemp("fourteen")
    classes = [*SLUGS, NEW]
    manifest = draw_set(folder / "set", classes=classes, photos=10)
    (folder / "set" / "classes.txt").write_text("\n".join(classes))
    (folder / "set" / "conditions.json").write_text(json.dumps({NEW: DETAILS}))
    settings = ["--set", "architecture=test_efficientnet", "epochs=1", "threads=1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train = ["train", str(ROOT / "ml/configs/tiny.toml"), "--manifest", str(manifest), "--out", "run", *settings]
        assert main(train) == 0
        export = ["export", "run", "--manifest", str(manifest), "--release", "fourteen", "--out", "fourteen"]
        assert main(export) == 0
    yield folder
    BY_SLUG.pop(NEW)


def test_the_release_says_what_the_class_is(releases: Path) -> None:
    release = load_release(releases / "fourteen")
    assert release.classes == (*SLUGS, NEW)
    assert release["conditions"] == {NEW: DETAILS | {"snomed": ""}}
    assert NEW in release.thresholds  # malignant: chosen for sensitivity like the others
    assert BY_SLUG[NEW].is_cancer_class
    assert tier_from_probabilities({NEW: 0.9}, (), {NEW: 0.5}) == "urgent"


def test_predict_gives_it_a_column_behind_those_of_the_contract(releases: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    photo = releases / "set" / f"{NEW}_0.png"
    assert main(["predict", str(photo), "--csv", str(out), "--release", str(releases / "fourteen")]) == 0
    with out.open() as handle:
        (row,) = csv.DictReader(handle)
    assert list(row)[-2:] == [f"p_{SLUGS[-1]}", f"p_{NEW}"]
    assert sum(float(value) for name, value in row.items() if name.startswith("p_")) == pytest.approx(1, abs=1e-4)


@pytest.mark.django_db
def test_the_result_page_names_it(releases: Path, settings, monkeypatch: pytest.MonkeyPatch, client) -> None:
    from diagnosis.models import Outcome
    from diagnosis.tasks import run_analysis_task
    from tests.kit.factories import case_queued

    monkeypatch.setenv("SMARTDERMA_RELEASE_DIR", str(releases))
    monkeypatch.setenv("SMARTDERMA_RELEASE", "fourteen")
    settings.MODEL_RELEASE = "fourteen"
    case = case_queued()
    run_analysis_task(str(case.analyses.get().pk))
    analysis = case.analyses.get()
    assert {row.condition for row in analysis.predictions.all()} == {*SLUGS, NEW}
    # One epoch on drawn pictures recognises nothing: what it would say of such a photo is put in its place.
    case.analyses.update(outcome=Outcome.ASSESSED, prediction_set=[NEW], reasons=[])
    analysis.predictions.filter(condition=NEW).update(probability=0.9)
    client.force_login(case.patient)
    page = client.get(f"/cases/{case.pk}/").content.decode()
    assert "Merkel cell carcinoma" in page
    assert "Read more about Merkel cell carcinoma" not in page  # nobody has written advice for it yet


@pytest.mark.django_db
def test_the_card_on_the_site_names_it_and_shows_the_studies(
    releases: Path, settings, monkeypatch: pytest.MonkeyPatch, client
) -> None:
    monkeypatch.setenv("SMARTDERMA_RELEASE_DIR", str(releases))
    settings.MODEL_RELEASE = "fourteen"
    share = {"value": 0.9, "low": 0.7, "high": 0.98, "n": 22}
    add_study(
        releases / "fourteen" / "release.json",
        "ood",
        {"kinds": {"photograph": {"n": 22, "by_score": share, "by_any_check": share}}},
    )
    held = {"source": "clinic_a", "photos": 60, "classes": 3, "found": {"ours": share | {"value": 0.41}}}
    add_study(releases / "fourteen" / "release.json", "leave_source_out", {"sources": [held]})
    page = client.get("/model/").content.decode()
    for words in ("Merkel cell carcinoma", "Photographs of other things", "clinic_a", "41 %", "source1"):
        assert words in page
    assert "Unknown: no photos" in page  # skin types V-VI do not occur in the drawn test part


def test_a_class_that_the_release_does_not_describe_is_refused(toy_copy: Path) -> None:
    file = toy_copy / "release.json"
    document = json.loads(file.read_text())
    document["classes"][-1] = document["trained_classes"][-1] = "wart-like"
    file.write_text(json.dumps(document))
    with pytest.raises(ReleaseError, match="unknown class wart-like"):
        release_info(toy_copy)


def test_a_new_class_is_treated_with_caution_and_the_13_stay() -> None:
    assert describe_new([*SLUGS, "rare-rash"], {})["rare-rash"]["tier"] == "soon"
    before = BY_SLUG["acne"]
    add_conditions({"acne": {"tier": "self_care", "label": "Not acne"}})
    assert BY_SLUG["acne"] is before
    for wrong in ({"tier": "tomorrow"}, {"kind": "bad"}):
        with pytest.raises(ValueError, match="tier is one of"):
            add_conditions({"rare-rash": wrong})
    with pytest.raises(ValueError, match="no name of a class"):
        add_conditions({"Rare rash!": {}})
    assert "rare-rash" not in BY_SLUG
