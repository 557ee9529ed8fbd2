"""Half a year of a demo partner's signed cases, so that the numbers have something to show.

Written as the rows that the services would have left: nobody can sign in the past. The partner keeps no photos, so
these cases have none. The same seed gives the same history; nothing in it says anything about skin or about the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.db import models, transaction

from accounts.models import Partner, User
from diagnosis.models import (
    Analysis,
    Case,
    CaseEvent,
    CaseImage,
    EventKind,
    FirstOpinion,
    Outcome,
    PhotoFinding,
    Prediction,
    Read,
    Review,
    ReviewState,
)
from diagnosis.questions import clean_answers
from diagnosis.triage import review_deadline
from ml.taxonomy import BY_SLUG, SLUGS, TIERS

DAYS = 170
COMMON = {"eczema": 6, "acne": 5, "moles": 5, "psoriasis": 4, "seborrheic-keratosis": 3, "tinea": 3, "warts": 3,
          "actinic-keratosis": 2, "basal-cell-carcinoma": 2, "melanoma": 2, "vitiligo": 1}  # fmt: skip
SKIN = {"I": 1, "II": 4, "III": 5, "IV": 4, "V": 2, "VI": 1}
BANDS = {"good": 6, "fair": 3, "poor": 1}
SITES = dict.fromkeys(("arm", "leg", "back", "face", "hand"), 1)
REASONS = {"poor_image": 3, "out_of_distribution": 2, "wide_prediction_set": 3, "members_disagree": 1}
WRITTEN: tuple[Any, ...] = (
    Case, CaseImage, Analysis, Prediction, PhotoFinding, FirstOpinion, Review, Read, CaseEvent
)  # fmt: skip
NOTE = "This is a drawn demo case. In a real one you would read here what the doctor thinks."


@dataclass
class Story:
    """What happened to one case; `rows` in the order in which they can be written."""

    rng: np.random.Generator
    asked: datetime
    readers: list[User]
    truth: str
    model: str
    tier: str
    rows: list[models.Model] = field(default_factory=list)

    def add(self, row: Any) -> Any:
        self.rows.append(row)
        return row

    def happens(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)


@transaction.atomic
def history_create(*, partner: Partner, readers: Sequence[User], now: datetime, count: int = 240) -> None:
    """`count` signed cases of `partner` over the last DAYS, read by three verified dermatologists."""
    rng = np.random.default_rng(6)
    rows: dict[type[models.Model], list[Any]] = {}
    for _number in range(count):
        for row in _case(rng, partner, readers, now):
            rows.setdefault(type(row), []).append(row)
    for model in WRITTEN:
        model._default_manager.bulk_create(rows.get(model, []))


def _case(rng: np.random.Generator, partner: Partner, readers: Sequence[User], now: datetime) -> list[models.Model]:
    truth = _draw(rng, COMMON)
    model = truth if rng.random() < 0.72 else _draw(rng, COMMON)
    tier = max(BY_SLUG[truth].tier, BY_SLUG[model].tier, key=TIERS.index)
    asked = now - timedelta(days=float(rng.uniform(4, DAYS)))
    order = [readers[number] for number in rng.permutation(len(readers))]
    story = Story(rng, asked, order, truth, model, tier)
    case = _visit(story, partner)
    _reading(story, case, _check(story, case))
    return story.rows


def _draw(rng: np.random.Generator, weights: Mapping[str, int]) -> str:
    parts = np.array(list(weights.values()), dtype=float)
    return str(rng.choice(list(weights), p=parts / parts.sum()))


def _visit(story: Story, partner: Partner) -> Case:
    skin = _draw(story.rng, SKIN)
    answers: dict[str, Any] = {"country": "GB", "red_flags": ["none"], "age_band": "40_49", "skin_type": skin}
    answers["site"] = _draw(story.rng, SITES)
    due = review_deadline(story.tier, start=story.asked, flagged=False, hours=settings.REVIEW_DEADLINE_HOURS)
    case = Case(
        partner=partner,
        external_patient=f"demo-{story.rng.integers(10_000, 99_999)}",
        keep_photos=False,
        expires_at=story.asked + timedelta(days=partner.retention_days),
        country="GB",
        body_site=answers["site"],
        answers=clean_answers(answers),
        skin_type=skin,
        tier=story.tier,
        tier_rank=TIERS.index(story.tier),
        review_requested_at=story.asked,
        review_due_at=due,
        review_state=ReviewState.DONE,
        created_at=story.asked - timedelta(minutes=3),
    )
    story.add(CaseEvent(case=case, kind=EventKind.SUBMITTED, at=case.created_at))
    story.add(CaseEvent(case=case, kind=EventKind.REVIEW_REQUESTED, at=story.asked))
    return story.add(case)


def _check(story: Story, case: Case) -> Analysis:
    """The model's answer: sure of `story.model`, next of the truth; one in twelve cannot be judged."""
    refused = story.happens(0.08)
    weights = dict.fromkeys(SLUGS, 0.01) | {story.truth: 0.2} | {story.model: 0.6}
    chances = {slug: weight / sum(weights.values()) for slug, weight in weights.items()}
    analysis = story.add(
        Analysis(
            case=case,
            status=Analysis.Status.DONE,
            queued_at=case.created_at,
            finished_at=case.created_at + timedelta(seconds=2),
            release=settings.MODEL_RELEASE,
            weights_sha256="0" * 64,
            outcome=Outcome.INCONCLUSIVE if refused else Outcome.ASSESSED,
            reasons=[_draw(story.rng, REASONS)] if refused else [],
            prediction_set=[story.model],
            top_condition=story.model,
            members=[{"name": "mobilenetv3", "weight": 1.0, "probabilities": chances}],
        )
    )
    for slug, chance in chances.items():
        story.add(Prediction(analysis=analysis, condition=slug, probability=chance))
    _photo(story, case, analysis)
    return analysis


def _photo(story: Story, case: Case, analysis: Analysis) -> None:
    image = CaseImage(case=case, position=0, width=640, height=480, created_at=case.created_at)
    image.sha256 = image.pixel_sha256 = image.pk.hex * 2
    story.add(image)
    quality = {"band": _draw(story.rng, BANDS), "issues": []}
    story.add(PhotoFinding(analysis=analysis, image=image, outcome=analysis.outcome, quality=quality))


def _reading(story: Story, case: Case, analysis: Analysis) -> None:
    """One read, or two for urgent cases; where two differ the third decides."""
    hours = settings.REVIEW_DEADLINE_HOURS[story.tier] * float(story.rng.gamma(2, 0.25))
    signed = story.asked + timedelta(hours=hours)
    reads = [_read(story, case, analysis, Read.Kind.FIRST, signed)]
    if story.tier == "urgent":
        reads.append(_read(story, case, analysis, Read.Kind.SECOND, signed + timedelta(hours=2)))
    if len(reads) == 2 and reads[0].verdict != reads[1].verdict:
        reads.append(_read(story, case, analysis, Read.Kind.THIRD, signed + timedelta(hours=5)))
    _publish(story, case, reads)


def _read(story: Story, case: Case, analysis: Analysis, kind: Read.Kind, at: datetime) -> Read:
    reader = story.readers[list(Read.Kind).index(kind)]
    first = story.truth if story.happens(0.84) else _draw(story.rng, COMMON)
    final = story.model if first != story.model and story.happens(0.25) else first
    if story.happens(0.03):
        first = final = "cannot_judge"
    opinion = FirstOpinion(case=case, reader=reader, photos=1, diagnosis=first, tier=story.tier, stored_at=at)
    assessed = analysis.outcome == Outcome.ASSESSED
    differs = assessed and final != story.model
    return story.add(
        Read(
            case=case,
            kind=kind,
            reader=reader,
            reader_name=reader.dermatologist.full_name,
            reader_licence=reader.dermatologist.licence_number,
            first_opinion=story.add(opinion),
            changed=first != final,
            change_reason="The model's answer made me look again." if first != final else "",
            override_reason=_draw(story.rng, {"pattern": 4, "history": 3, "photo": 2, "": 2}) if differs else "",
            analysis=analysis,
            model_rank=_rank(story, final) if assessed else None,
            diagnosis=final,
            tier=story.tier,
            note_to_patient=NOTE,
            signed_at=at,
        )
    )


def _rank(story: Story, diagnosis: str) -> int | None:
    """1 for the model's own answer, 2 for the truth beside it, then anywhere; None for what is no class."""
    if diagnosis not in SLUGS:
        return None
    if diagnosis == story.model:
        return 1
    return 2 if diagnosis == story.truth else 3 + SLUGS.index(diagnosis) % 10


def _publish(story: Story, case: Case, reads: list[Read]) -> None:
    read = reads[0] if len(reads) < 3 else reads[2]
    review = story.add(
        Review(
            case=case,
            version=1,
            reviewer=read.reader,
            reviewer_name=read.reader_name,
            reviewer_licence=read.reader_licence,
            confirmed_by_name=reads[1].reader_name if len(reads) == 2 else "",
            signed_at=reads[-1].signed_at,
            **read.opinion(),
        )
    )
    for one in [read, reads[1]] if len(reads) == 2 else [read]:
        one.review = review
    story.add(CaseEvent(case=case, kind=EventKind.REVIEW_SIGNED, actor=read.reader, at=review.signed_at))
