"""`manage.py benchmark_reports`: how long a report takes on this machine, language by language, signing included."""

from __future__ import annotations

import io
import statistics
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone
from PIL import Image

from diagnosis.demo import draw_photo
from diagnosis.facts import CaseFacts, PhotoFacts
from ml.releases.loader import release_info
from reports.certificates import signing_identity
from reports.models import verification_code
from reports.services import pdf_from_facts
from reports.signing import sign_pdf

TARGET_SECONDS = 0.5


class Command(BaseCommand):
    help = "Print the time that a two-page report with three drawn photos takes, with and without signing."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--times", type=int, default=5, help="reports per language (default 5)")

    def handle(self, *args: Any, times: int, **options: Any) -> None:
        facts, identity = drawn_facts(), signing_identity()
        self.stdout.write("language  drawing  signing  together  of it processor  kB     (seconds, medians)")
        for language, _name in settings.LANGUAGES:
            pdf = pdf_from_facts(facts, language, code=verification_code())  # loads fonts and pyHanko
            drawing = medians(partial(pdf_from_facts, facts, language, code=verification_code()), times)
            signing = medians(partial(sign_pdf, pdf, identity), times)
            wall, processor = drawing[0] + signing[0], drawing[1] + signing[1]
            size = len(sign_pdf(pdf, identity)) / 1000
            self.stdout.write(
                f"{language:8}  {drawing[0]:7.3f}  {signing[0]:7.3f}  {wall:8.3f}  {processor:15.3f}  {size:.0f}"
            )
        self.stdout.write(f"Target: {TARGET_SECONDS} s together on a machine that does nothing else.")


def medians(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Seconds on the wall clock and of the processor; runs `work` once more than it measures."""
    work()
    walls, processors = [], []
    for _attempt in range(times):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return statistics.median(walls), statistics.median(processors)


def drawn_facts() -> CaseFacts:
    """A case with three drawn photos and a full differential; nothing is stored and no model runs."""
    info = release_info(settings.MODEL_RELEASE)
    classes = list(info["trained_classes"])
    picture, heat = io.BytesIO(), io.BytesIO()
    draw_photo().save(picture, format="JPEG")
    Image.radial_gradient("L").save(heat, format="PNG")
    photo = PhotoFacts(1, picture.getvalue, heat.getvalue, outcome="assessed", focus="centre")
    return CaseFacts(
        reference="C-BENCHMARK",
        created_at=timezone.now(),
        country="GB",
        answers={"country": "GB", "age_band": "40_49", "site": "arm", "red_flags": ["none"]},
        tier="soon",
        status="done",
        outcome="assessed",
        fired=[{"code": "prediction_set", "tier": "soon", "detail": ""}],
        photos=[replace(photo, number=number) for number in (1, 2, 3)],
        probabilities={slug: 0.6 if slug == classes[0] else 0.4 / len(classes) for slug in classes},
        release=info["name"],
        weights_sha256=info["weights"]["sha256"],
    )
