"""schemathesis over the whole API of a running site: all checks, every phase."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import schemathesis
from schemathesis import engine
from schemathesis.engine import events

# A request may fit the schema and still be refused for what it means: a photo that is none, an answer that is unknown.
MAY_BE_REFUSED = ["2xx", "400", "401", "403", "404", "406", "409", "413", "415", "422"]


schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
PHASES = ("examples", "coverage", "fuzzing", "stateful")


def failures(
    site: str, headers: Mapping[str, str], *, examples: int, seed: int, phases: Collection[str] = PHASES
) -> list[str]:
    """What schemathesis found with all its checks, one text per failure; empty when the API keeps its promises.

    `examples` is the number of requests per operation and phase, beside those that a phase makes by itself.
    """
    config = {
        "seed": seed,
        "headers": dict(headers),
        "continue-on-failure": True,
        "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
        "checks": {"positive_data_acceptance": {"expected-statuses": MAY_BE_REFUSED}},
        "phases": {phase: {"enabled": phase in phases} for phase in PHASES},
    }
    schema = schemathesis.openapi.from_url(
        f"{site}/api/schema/",
        config=schemathesis.Config.from_dict(config),
        headers={"Accept": "application/json"},
    )
    found: dict[str, None] = {}
    for event in engine.from_schema(schema).execute():
        found.update(dict.fromkeys(_texts(event)))
    return list(found)


def _texts(event: Any) -> list[str]:
    if isinstance(event, events.FatalError):
        raise event.exception
    if isinstance(event, events.NonFatalError):
        return [f"{event.label}: {event.info.format()}"]
    if not isinstance(event, events.ScenarioFinished):
        return []
    return [
        f"{event.label} [{event.phase.value}] {check.name}: {check.failure_info.failure.title}: "
        f"{check.failure_info.failure.message}\n{check.failure_info.code_sample}"
        for checks in event.recorder.checks.values()
        for check in checks
        if check.failure_info is not None
    ]
