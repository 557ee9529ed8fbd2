"""Find, read and verify a release: one folder with ``release.json``, ONNX graphs and one weights file.

Reads files only: no network, no ONNX Runtime, no torch.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ml.taxonomy import BY_SLUG, add_conditions

SCHEMA = 1
DEFAULT_RELEASE = "r6"
# A conformal set with more classes than this says nothing that helps; a release may state its own limit.
DEFAULT_MAX_SET = 5
OOD_METHODS = ("max_probability", "knn", "mahalanobis")  # those of `ml.ensemble.ood_score`
_BUILT_IN = Path(__file__).parent


class ReleaseError(Exception):
    """A release that cannot be used; the message is one sentence for whoever runs the worker."""


@dataclass(frozen=True)
class Member:
    """One network. ``resize``: short side before a centre crop in pixels, None for none; ``crop``: center or squash."""

    name: str
    architecture: str
    weight: float
    input_size: int
    resize: int | None
    crop: str
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    file: str
    sha256: str
    cam: bool
    embedding_dim: int
    temperature: float


@dataclass(frozen=True)
class Release:
    """``release.json``, parsed. ``document`` is the whole file, for what pages show (metrics, data, reliability).

    ``digest``: sha256 of release.json, which names the sha256 of every other file: equal digests are equal releases.
    """

    name: str
    path: Path
    classes: tuple[str, ...]
    trained_classes: tuple[str, ...]
    members: tuple[Member, ...]
    weights_file: str
    weights_sha256: str
    temperature: float
    thresholds: Mapping[str, float]
    conformal: Mapping[str, Any]
    ood: Mapping[str, Any]
    disagreement_threshold: float
    document: Mapping[str, Any]
    digest: str = ""

    def __getitem__(self, key: str) -> Any:
        """A top-level field of release.json."""
        return self.document[key]

    def get(self, key: str, default: Any = None) -> Any:
        """A top-level field of release.json, ``default`` where it is missing."""
        return self.document.get(key, default)

    @property
    def non_commercial(self) -> bool:
        """True where the licences of the training photos forbid commercial use (also where nothing is said)."""
        return bool(self.document.get("licence", {}).get("non_commercial", True))

    @property
    def max_set_size(self) -> int:
        """Largest prediction set that still counts as an answer."""
        return int(self.conformal.get("limit", DEFAULT_MAX_SET))


def active_name() -> str:
    """Name of the release this process should serve: ``SMARTDERMA_RELEASE``, else ``DEFAULT_RELEASE``."""
    return os.environ.get("SMARTDERMA_RELEASE") or DEFAULT_RELEASE


def list_releases() -> list[str]:
    """Names of the releases that can be found, sorted."""
    found = (file.parent.name for folder in _folders() if folder.is_dir() for file in folder.glob("*/release.json"))
    return sorted(set(found))


def installed_classes() -> set[str]:
    """Slugs of all classes of all releases that can be read."""
    found: set[str] = set()
    for name in list_releases():
        try:
            found |= set(release_info(name).classes)
        except ReleaseError:
            continue
    return found


def release_info(name_or_path: str | Path | None = None) -> Release:
    """Read ``release.json`` only, without touching weights: for pages. Raises ``ReleaseError``."""
    file = _find(name_or_path) / "release.json"
    try:
        return _read(file, file.read_bytes())
    except OSError as error:
        raise ReleaseError(f"Release {file.parent.name}: release.json cannot be read.") from error


def unknown_release(name: str) -> Release:
    """What is left to say of a release that is not installed any more: its name. It promises nothing."""
    empty: dict[str, Any] = {
        "name": name, "classes": [], "trained_classes": [], "thresholds": {}, "metrics": {},
        "licence": {"non_commercial": True},
    }  # fmt: skip
    return Release(name, Path(name), (), (), (), "", "", 1.0, {}, {}, {}, 1.0, empty)


def load_release(name_or_path: str | Path | None = None) -> Release:
    """Read a release and verify the sha256 of every file it names. Raises ``ReleaseError`` with one sentence."""
    release = release_info(name_or_path)
    expected = {member.file: member.sha256 for member in release.members}
    expected[release.weights_file] = release.weights_sha256
    if "file" in release.ood:
        expected[release.ood["file"]] = release.ood.get("sha256", "")
    for file, digest in expected.items():
        _verify(release, file, digest)
    return release


def _folders() -> list[Path]:
    extra = os.environ.get("SMARTDERMA_RELEASE_DIR")
    return [*([Path(extra)] if extra else []), _BUILT_IN]


def _find(name_or_path: str | Path | None) -> Path:
    wanted = str(name_or_path or active_name())
    places = [Path(wanted)] if os.sep in wanted else [folder / wanted for folder in _folders()]
    for place in places:
        if (place / "release.json").is_file():
            return place
    known = ", ".join(list_releases()) or "none"
    raise ReleaseError(f"Release {Path(wanted).name} was not found (available: {known}).")


@lru_cache(maxsize=16)
def _read(file: Path, content: bytes) -> Release:
    name = file.parent.name
    try:
        document = json.loads(content.decode("utf-8"))
        if document["schema"] != SCHEMA:
            raise ReleaseError(f"Release {name} has schema {document['schema']}; this version reads schema {SCHEMA}.")
        add_conditions(document.get("conditions") or {})
        release = _parse(document, file.parent, hashlib.sha256(content).hexdigest())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReleaseError(f"Release {name}: release.json is damaged ({type(error).__name__}: {error}).") from error
    _check(release)
    return release


def _parse(document: dict[str, Any], path: Path, digest: str) -> Release:
    calibration = document.get("calibration") or {}
    temperatures = calibration.get("per_member") or {}
    return Release(
        name=document["name"],
        path=path,
        classes=tuple(document["classes"]),
        trained_classes=tuple(document["trained_classes"]),
        members=tuple(_member(entry, temperatures) for entry in document["members"]),
        weights_file=document["weights"]["file"],
        weights_sha256=document["weights"]["sha256"],
        temperature=float(calibration.get("ensemble", document.get("temperature") or 1.0)),
        thresholds={slug: float(value) for slug, value in document["thresholds"].items() if value is not None},
        conformal=document["conformal"],
        ood=document["ood"] or {},
        disagreement_threshold=float(document["disagreement"]["threshold"]),
        document=document,
        digest=digest,
    )


def _member(entry: dict[str, Any], temperatures: dict[str, float]) -> Member:
    return Member(
        name=entry["name"],
        architecture=entry["architecture"],
        weight=float(entry["weight"]),
        input_size=int(entry["input_size"]),
        resize=entry.get("resize"),
        crop=entry["crop"],
        interpolation=entry.get("interpolation", "bilinear"),
        mean=tuple(entry["mean"]),
        std=tuple(entry["std"]),
        file=entry["file"],
        sha256=entry["sha256"],
        cam=bool(entry.get("cam")),
        embedding_dim=int(entry["embedding_dim"]),
        temperature=float(temperatures.get(entry["name"], 1.0)),
    )


def _check(release: Release) -> None:
    problem = next(_problems(release), "")
    if problem:
        raise ReleaseError(f"Release {release.name} cannot be used: {problem}.")


def _problems(release: Release) -> Iterator[str]:
    known, trained = set(release.classes), set(release.trained_classes)
    yield from (f"unknown class {slug}" for slug in sorted((known | set(release.thresholds)) - set(BY_SLUG)))
    yield from (f"{slug} was trained but is not among its classes" for slug in sorted(trained - known))
    cancers = {slug for slug in trained & set(BY_SLUG) if BY_SLUG[slug].is_cancer_class}
    yield from (f"{slug} has no threshold" for slug in sorted(cancers - set(release.thresholds)))
    if not release.members or not _numbers_make_sense(release):
        yield "a member, weight, temperature or threshold is missing or out of range"
    if any(member.crop not in ("center", "squash") for member in release.members):
        yield "it asks for an unknown crop"
    if not str(release.conformal.get("method", "LAC")).startswith("LAC"):
        yield "it asks for an unknown kind of prediction set"
    if release.ood and release.ood.get("method") not in OOD_METHODS:
        yield "it asks for an unknown out-of-distribution score"
    if any(Path(name).name != name for name in _file_names(release)):
        yield "it names a file outside its folder"


def _numbers_make_sense(release: Release) -> bool:
    weights = [member.weight for member in release.members]
    positive = [sum(weights), release.temperature, *release.thresholds.values()]
    positive += [member.temperature for member in release.members]
    return all(math.isfinite(number) and number > 0 for number in positive) and min(weights) >= 0


def _file_names(release: Release) -> list[str]:
    return [release.weights_file, *(m.file for m in release.members), *filter(None, [release.ood.get("file")])]


def _verify(release: Release, name: str, digest: str) -> None:
    file = release.path / name
    if not file.is_file():
        raise ReleaseError(f"Release {release.name}: {name} is missing.")
    with file.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
            raise ReleaseError(f"Release {release.name}: {name} does not match its checksum.")
