"""Case first, then its analyses: whoever waits for a case holds none of its analyses, so no two wait in turn."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, transaction

from accounts.models import Purpose
from diagnosis import services
from diagnosis.models import Analysis, Case
from diagnosis.services.erasure import consents_withdraw
from tests.kit import factories


@pytest.mark.parametrize("step", ["fail", "withdraw", "erase"])
def test_the_case_is_locked_before_its_analysis(on_postgres, step):
    case = factories.case_running()
    analysis = case.analyses.get()
    steps = {
        "fail": lambda: services.analysis_fail(analysis=analysis, failure="error"),
        "withdraw": lambda: consents_withdraw(user=case.patient, purposes=[Purpose.CARE]),
        "erase": lambda: services.case_erase(case=case),
    }

    def other() -> None:
        try:
            steps[step]()
        finally:
            connection.close()

    thread = threading.Thread(target=other)
    with transaction.atomic():
        Case.objects.select_for_update().get(pk=case.pk)
        thread.start()
        time.sleep(0.7)
        assert thread.is_alive(), "it waits for the case"
        Analysis.objects.select_for_update(nowait=True).get(pk=analysis.pk)  # raises where the other one has it
    thread.join(10)
    assert not thread.is_alive()
