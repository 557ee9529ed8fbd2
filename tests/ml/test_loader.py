"""Releases on disk: found, verified, and refused with one sentence for each way to be broken."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ml.releases.loader import ReleaseError, list_releases, load_release, release_info
from ml.taxonomy import SLUGS


def refusal(folder: Path, load: Callable = load_release) -> str:
    with pytest.raises(ReleaseError) as caught:
        load(str(folder))
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    file = folder / "release.json"
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def test_a_good_release_loads(toy_release: Path):
    release = load_release(str(toy_release))
    assert release.classes == SLUGS
    assert [member.name for member in release.members] == ["mobilenetv3", "densenet121", "efficientnet_b3"]
    assert release.temperature == 0.8
    assert {member.temperature for member in release.members} == {1.3}
    assert release.max_set_size == 13
    assert release.non_commercial
    assert release["licence"]["non_commercial"]
    assert release.get("nothing", 5) == 5


def test_found_by_name_in_an_extra_folder(toy_release: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SMARTDERMA_RELEASE_DIR", str(toy_release.parent))
    monkeypatch.setenv("SMARTDERMA_RELEASE", "toy")
    assert load_release().path == toy_release
    assert "toy" in list_releases()


def test_an_unknown_name_says_which_exist(toy_release: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SMARTDERMA_RELEASE_DIR", str(toy_release.parent))
    with pytest.raises(ReleaseError, match=r"r99 was not found \(available: .*toy.*\)"):
        load_release("r99")


@pytest.mark.parametrize("name", ["weights.safetensors", "densenet121.onnx"])
def test_a_changed_file_is_refused(toy_copy: Path, name: str):
    content = bytearray((toy_copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (toy_copy / name).write_bytes(content)
    assert f"{name} does not match its checksum" in refusal(toy_copy)
    assert release_info(str(toy_copy)).name == "toy"


@pytest.mark.parametrize("name", ["weights.safetensors", "mobilenetv3.onnx"])
def test_a_missing_file_is_refused(toy_copy: Path, name: str):
    (toy_copy / name).unlink()
    assert f"{name} is missing" in refusal(toy_copy)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(schema=2), "schema 2"),
        (lambda d: d.pop("members"), "damaged"),
        (lambda d: d.update(members=[]), "out of range"),
        (lambda d: d["members"][0].update(weight=-1), "out of range"),
        (lambda d: d["members"][0].update(weight="heavy"), "damaged"),
        (lambda d: d["members"][0].update(file="../weights.safetensors"), "outside its folder"),
        (lambda d: d["members"][0].update(crop="diagonal"), "unknown crop"),
        (lambda d: d["thresholds"].pop("melanoma"), "melanoma has no threshold"),
        (lambda d: d["thresholds"].update(melanoma=0), "out of range"),
        (lambda d: d["calibration"].update(ensemble=float("nan")), "out of range"),
        (lambda d: d["classes"].__setitem__(0, "measles"), "unknown class measles"),
        (lambda d: d.update(ood={"method": "gut feeling"}), "unknown out-of-distribution score"),
        (lambda d: d["conformal"].update(method="APS"), "unknown kind of prediction set"),
    ],
)
def test_a_senseless_description_is_refused(toy_copy: Path, change: Callable, words: str):
    edit(toy_copy, change)
    assert words in refusal(toy_copy)
    assert words in refusal(toy_copy, release_info)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', "\xff"])
def test_broken_json_is_refused(toy_copy: Path, text: str):
    (toy_copy / "release.json").write_text(text, encoding="latin-1")
    assert "damaged" in refusal(toy_copy)


def test_reading_a_release_needs_no_heavy_library(toy_release: Path):
    script = (
        "import sys; from ml.releases.loader import load_release; load_release(sys.argv[1])\n"
        "print(sorted({'torch', 'onnxruntime', 'numpy', 'django'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, toy_release], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
