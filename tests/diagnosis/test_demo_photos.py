"""The drawn photos of the demo under the release that a newcomer starts with: there must be results to look at."""

from __future__ import annotations

import pytest
from django.conf import settings

from diagnosis import assessment
from diagnosis.demo import draw_jpeg
from diagnosis.management.commands.seed_demo import CASES

pytestmark = pytest.mark.django_db


def test_all_but_the_blurred_photo_are_judged():
    for drawing, _answers, _review in CASES:
        result = assessment.predict([draw_jpeg(**drawing)], settings.MODEL_RELEASE)
        assert result.outcome == ("inconclusive" if "blur" in drawing else "assessed"), (drawing, result.reasons)
