"""`manage.py diagnose PHOTO...`: the same services without account, broker, database or web."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand

from diagnosis import images
from diagnosis.assessment import Assessment, assess
from diagnosis.facts import CaseFacts, facts_of_assessment
from diagnosis.presentation import present
from diagnosis.questions import clean_answers

ASSESSED, UNUSABLE, INCONCLUSIVE = 0, 2, 3


class Unusable(Exception):
    """Input that cannot be used; the message is the one line to print."""


class Command(BaseCommand):
    help = "Assess 1 to 5 photos of one skin problem. Exit 0 assessed, 3 inconclusive, 2 unusable input."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="JPEG, PNG, WebP or HEIC")
        parser.add_argument("--json", action="store_true", help="print JSON instead of text")
        parser.add_argument("--pdf", type=Path, metavar="FILE", help="write the report to FILE")
        parser.add_argument("--answers", type=Path, metavar="FILE", help="JSON file with answers to the questions")

    def handle(self, *args, photos: list[Path], **options) -> None:
        try:
            facts = assess_files(photos, options["answers"])
            if options["pdf"]:
                _write_pdf(facts, options["pdf"])
        except Unusable as problem:
            self.stderr.write(str(problem))
            sys.exit(UNUSABLE)
        view = present(facts)
        self.stdout.write(as_json(facts, view) if options["json"] else as_text(view))
        sys.exit(ASSESSED if view["judged"] else INCONCLUSIVE)


def assess_files(paths: list[Path], answers_file: Path | None) -> CaseFacts:
    """Read, inspect, assess. Raises Unusable with one line."""
    answers = read_answers(answers_file)
    photos = [photo.jpeg for photo in read_photos(paths)]
    assessment: Assessment = _assess(photos, answers)
    return facts_of_assessment(photos=photos, answers=answers, assessment=assessment)


def _assess(photos: list[bytes], answers: dict[str, Any]) -> Assessment:
    from ml.releases.loader import ReleaseError
    from ml.serving import EngineError  # a worker's import

    try:
        return assess(photos, answers)
    except (ReleaseError, EngineError) as error:
        raise Unusable(f"The model cannot be used: {error}") from error


def read_answers(path: Path | None) -> dict[str, Any]:
    """Answers that were given; without any, only the photos speak. Raises Unusable."""
    if path is None:
        return {}
    try:
        return clean_answers(json.loads(path.read_text(encoding="utf-8")), partial=True)
    except (OSError, ValueError, RecursionError) as error:  # AnswersError and JSON errors are ValueErrors
        raise Unusable(f"{path}: the answers cannot be used: {error}") from error


def read_photos(paths: list[Path]) -> list[images.InspectedPhoto]:
    if len(paths) > 5:
        raise Unusable("Please give at most five photos of one problem.")
    return [_read_photo(path) for path in paths]


def _read_photo(path: Path) -> images.InspectedPhoto:
    try:
        with path.open("rb") as file:
            return images.inspect_uploads([file])[0]
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}.") from error
    except ValidationError as error:
        raise Unusable(f"{path}: {error.messages[0].partition(': ')[2]}") from error


def _write_pdf(facts: CaseFacts, path: Path) -> None:
    from reports.services import pdf_from_facts

    try:
        path.write_bytes(pdf_from_facts(facts, "en"))
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}.") from error


def as_json(facts: CaseFacts, view: dict[str, Any]) -> str:
    """Machine-readable: codes, not sentences, except advice on the photos."""
    return json.dumps(
        {
            "outcome": facts.outcome,
            "tier": facts.tier,
            "needs_review": facts.needs_review,
            "review_reasons": list(facts.review_reasons),
            "reasons": list(facts.reasons),
            "fired": list(facts.fired),
            "probabilities": dict(facts.probabilities),
            "prediction_set": list(facts.prediction_set),
            "members": list(facts.members),
            "photos": [{"outcome": p.outcome, "quality": p.quality, "focus": p.focus} for p in facts.photos],
            "retake": view["retake"],
            "release": facts.release,
            "weights_sha256": facts.weights_sha256,
        },
        indent=2,
    )


def as_text(view: dict[str, Any]) -> str:
    """Tier and next step first, likelihood second; no condition where it cannot be judged."""
    lines = [view["standing_text"], "", view["tier"]["label"], view["tier"]["next_step"]]
    if view["emergency"]:
        lines.append(view["emergency"]["text"])
    lines += ["", *(f"- {sentence}" for sentence in view["why"]), view["tier_note"]]
    if view["judged"]:
        lines += [
            "",
            *(f"{item['percent']:3d} %  {item['label']}. {item['likelihood_text']}" for item in view["differential"]),
        ]
    else:
        lines += ["", "We cannot judge this from the photos.", *view["reasons"], *view["retake"]]
    lines += ["", *view["safety_net"], "", *view["limits"], f"Release {view['release']['name']}."]
    return "\n".join(lines)
