"""`manage.py diagnose`: the same services without account, broker, database or web."""

from __future__ import annotations

import json
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from pypdf import PdfReader

from ml.taxonomy import SLUGS
from tests.kit import factories, photos

# No django_db mark: touching the database fails these tests.
pytestmark = pytest.mark.usefixtures("toy_release")


def diagnose(*arguments: object) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("diagnose", *map(str, arguments), stdout=out, stderr=err)
    return left.value.code, out.getvalue(), err.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture
def photo(tmp_path) -> Path:
    return write(tmp_path / "photo.jpg", photos.skin())


def test_json_has_every_class_and_the_release(photo):
    status, out, err = diagnose(photo, "--json")
    result = json.loads(out)
    assert err == ""
    assert status == (0 if result["outcome"] == "assessed" else 3)
    assert list(result["probabilities"]) == list(SLUGS)
    assert result["release"] == "toy"
    assert [member["weight"] for member in result["members"]] == [0.4, 0.3, 0.3]


@pytest.mark.parametrize("make", [photos.blurred, photos.dark, photos.not_skin])
def test_a_photo_that_cannot_be_judged_is_3_and_names_no_condition(tmp_path, make):
    from diagnosis.names import condition_label

    status, out, _err = diagnose(write(tmp_path / "bad.jpg", make()))
    assert status == 3
    assert "We cannot judge this" in out
    assert not [slug for slug in SLUGS if condition_label(slug) in out]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("empty.jpg", b"", "This file is empty"),
        ("text.jpg", b"hello", "cannot read this file as a photo"),
        ("cut.jpg", photos.skin()[:4000], "damaged or cut off"),
    ],
)
def test_unusable_input_is_2_with_one_line(tmp_path, name, data, words):
    path = write(tmp_path / name, data)
    status, out, err = diagnose(path)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert words in err
    assert str(path) in err


def test_missing_file_and_too_many(tmp_path, photo):
    assert diagnose(tmp_path / "nothing.jpg")[0] == 2
    status, _out, err = diagnose(*[photo] * 6)
    assert (status, err) == (2, "Please give at most five photos of one problem.\n")


def test_wrong_extension_does_not_matter(tmp_path):
    path = write(tmp_path / "photo.txt", photos.skin("PNG"))
    assert diagnose(path)[0] in {0, 3}


def test_answers_raise_the_tier(tmp_path, photo):
    answers = write(tmp_path / "answers.json", json.dumps({**factories.ANSWERS, "red_flags": ["swelling"]}).encode())
    _status, out, _err = diagnose(photo, "--answers", answers, "--json")
    assert json.loads(out)["tier"] == "emergency"
    _status, out, _err = diagnose(photo, "--answers", answers)
    assert "999" in out


@pytest.mark.parametrize("text", ["{", "[]", '{"site": "moon"}', '{"nosuch": 1}', "\xff"], ids=repr)
def test_bad_answers_are_2(tmp_path, photo, text):
    status, _out, err = diagnose(photo, "--answers", write(tmp_path / "a.json", text.encode("latin-1")))
    assert status == 2
    assert err.count("\n") == 1


def test_pdf_is_written(tmp_path, photo):
    target = tmp_path / "report.pdf"
    diagnose(photo, "--pdf", target)
    text = "".join(page.extract_text() for page in PdfReader(BytesIO(target.read_bytes())).pages)
    assert "not checked by a dermatologist" in text


def test_pdf_that_cannot_be_written_is_2(tmp_path, photo):
    assert diagnose(photo, "--pdf", tmp_path / "no" / "folder.pdf")[0] == 2


def test_a_damaged_release_is_one_line(photo, settings):
    settings.MODEL_RELEASE = "nosuch"
    status, _out, err = diagnose(photo)
    assert status == 2
    assert err.startswith("The model cannot be used:")
