"""Which signed photos may train the next release, and the manifest that `python -m ml data check` reads.

Pseudonymous: keyed ids in place of people and photos, no dates, no free text, no case ids.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils.crypto import salted_hmac

from accounts.models import Consent, Purpose
from diagnosis.models import Analysis, Case, CaseImage, FaceInPhoto, ReviewState
from ml.releases.loader import installed_classes
from ml.taxonomy import SLUGS

COLUMNS = (
    "path", "label", "part", "source", "licence", "group", "modality", "fitzpatrick", "sex", "age", "sha256",
    "judged_by",
)  # fmt: skip
SOURCE = "smart-derma-reviews"
DEMO_ADDRESSES = "@demo.example"
FITZPATRICK = {"I": "1", "II": "2", "III": "3", "IV": "4", "V": "5", "VI": "6"}
# The lower end of each band, in years: `ml.data.stats` groups by it.
AGES = {
    "under_2": "0", "2_11": "2", "12_17": "12", "18_29": "18", "30_39": "30", "40_49": "40", "50_59": "50",
    "60_69": "60", "70_79": "70", "80_plus": "80",
}  # fmt: skip
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file in the ZIP: the day of a photo is nobody's business


@dataclass
class Sifted:
    """What is in an export, and what was left out and why; filled while its photos are written."""

    photos: int = 0
    cases: list[UUID] = field(default_factory=list)
    people: set[str] = field(default_factory=set)
    labels: Counter[str] = field(default_factory=Counter)
    releases: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, Any]:
        """As `TrainingExport.counts` keeps it; `left_out` counts cases, and photos where a face is why."""
        return {
            "photos": self.photos,
            "cases": len(self.cases),
            "people": len(self.people),
            "labels": dict(sorted(self.labels.items())),
            "releases": dict(sorted(self.releases.items())),
            "left_out": dict(sorted(self.left_out.items())),
        }


def write_archive(file: IO[bytes], *, release: str = "") -> Sifted:
    """Write manifest.csv, its photos and export.json as a ZIP; `release`: only cases that this release judged."""
    sifted = Sifted(left_out=Counter(_never_signed()))
    with zipfile.ZipFile(file, "w", compression=zipfile.ZIP_STORED) as archive:
        rows = sorted(_write_photos(archive, release, sifted), key=lambda row: row["path"])
        _write_text(archive, "manifest.csv", _csv(rows))
        new = sorted(sifted.labels.keys() - set(SLUGS))
        if new:
            _write_text(archive, "classes.txt", "\n".join([*(s for s in SLUGS if s in sifted.labels), *new]) + "\n")
        _write_text(archive, "export.json", json.dumps({"release": release, **sifted.counts()}, indent=1))
    return sifted


def may_stay(cases: Iterable[UUID]) -> bool:
    """True while everybody in these cases still agrees; `cases` are primary keys, an erased one is not among them."""
    return not Case.objects.filter(pk__in=cases).exclude(patient__in=_agreed().values("user")).exists()


def _agreed():
    """Consents to research in force, to the text of today."""
    return Consent.objects.in_force().filter(purpose=Purpose.RESEARCH, version=settings.CONSENT_VERSION)


def _never_signed() -> dict[str, int]:
    count = Case.objects.filter(reviews=None).count()
    return {"not_signed": count} if count else {}


def _write_photos(archive: zipfile.ZipFile, release: str, sifted: Sifted) -> Iterator[dict[str, str]]:
    agreed = set(_agreed().values_list("user", flat=True))
    known = {*SLUGS, *installed_classes()}
    signed = Case.objects.filter(reviews__version=1).select_related("patient")
    for case in signed.prefetch_related("reviews", "images", "analyses").order_by().iterator(chunk_size=200):
        judged_by = _judged_by(case)
        reason = _why_not(case, agreed, known) or ("other_release" if release not in ("", judged_by) else "")
        if reason:
            sifted.left_out[reason] += 1
        else:
            yield from _write_case(archive, case, judged_by, sifted)


def _judged_by(case: Case) -> str:
    """The release of the newest finished analysis."""
    return next((one.release for one in case.analyses.all() if one.status == Analysis.Status.DONE), "")


def _why_not(case: Case, agreed: set[int], known: set[str]) -> str:
    """Why a signed case stays here; "" for one that may go."""
    review = case.latest_review
    tests = (
        ("sandbox", case.sandbox),
        ("partner", case.patient is None),
        ("demo", case.patient is not None and case.patient.email.endswith(DEMO_ADDRESSES)),
        ("no_consent", case.patient_id not in agreed),
        ("being_read_again", case.review_state != ReviewState.DONE or review is None),
        ("cannot_judge", review is not None and review.diagnosis == "cannot_judge"),
        ("other_diagnosis", review is not None and review.diagnosis not in known),
        ("no_photos", not any(image.file for image in case.images.all())),
    )
    return next((reason for reason, holds in tests if holds), "")


def _write_case(archive: zipfile.ZipFile, case: Case, judged_by: str, sifted: Sifted) -> Iterator[dict[str, str]]:
    label, group = case.reviews.all()[0].diagnosis, keyed("person", case.patient_id)
    photos = _without_faces(case, sifted)
    if photos:
        sifted.cases.append(case.pk)
        sifted.people.add(group)
    for image in photos:
        name = keyed("photo", image.pk)
        with default_storage.open(str(image.file.name), "rb") as file:
            data = under_another_hash(file.read(), name)
        path = f"photos/{name}.jpg"
        archive.writestr(zipfile.ZipInfo(path, EPOCH), data)
        sifted.photos += 1
        sifted.labels[label] += 1
        sifted.releases[judged_by] += 1
        yield {
            "path": path,
            "label": label,
            "source": SOURCE,
            "licence": f"consent to research {settings.CONSENT_VERSION}",
            "group": group,
            "modality": "clinical",
            "sha256": hashlib.sha256(data).hexdigest(),
            "judged_by": judged_by,
            **_person(case.answers),
        }


def _without_faces(case: Case, sifted: Sifted) -> list[CaseImage]:
    """The photos in which nobody can be recognised, as far as a worker has looked."""
    stored = [image for image in case.images.all() if image.file]
    sifted.left_out.update(f"face_{image.face}" for image in stored if image.face not in FaceInPhoto.MAY_LEAVE)
    return [image for image in stored if image.face in FaceInPhoto.MAY_LEAVE]


def under_another_hash(jpeg: bytes, comment: str) -> bytes:
    """The same pixels with a comment (COM, ITU-T T.81 B.2.4.5) after the first marker.

    The database knows the hash of the stored file: as it is, it would lead from the manifest back to a case.
    Raises ValueError for what is no JPEG.
    """
    start, text = b"\xff\xd8", comment.encode()
    if not jpeg.startswith(start):
        raise ValueError("This is no JPEG.")
    return start + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


def _person(answers: dict[str, Any]) -> dict[str, str]:
    """What training groups by, no finer than the answers are."""
    sex = answers.get("sex", "")
    return {
        "fitzpatrick": FITZPATRICK.get(answers.get("skin_type", ""), ""),
        "sex": sex if sex in ("female", "male") else "",
        "age": AGES.get(answers.get("age_band", ""), ""),
    }


def keyed(kind: str, pk: object) -> str:
    """An id that stays the same over exports, and that nobody can follow back without the key."""
    return salted_hmac(
        f"diagnosis.training.{kind}", str(pk), secret=settings.TRAINING_EXPORT_KEY, algorithm="sha256"
    ).hexdigest()[:24]


def _csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write_text(archive: zipfile.ZipFile, name: str, text: str) -> None:
    archive.writestr(zipfile.ZipInfo(name, EPOCH), text)
