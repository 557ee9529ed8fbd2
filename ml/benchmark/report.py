"""The benchmark's figures as Markdown, and into a document between two markers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- benchmark:begin -->", "<!-- benchmark:end -->"
TARGETS = {"engine to eager": 0.40, "engine to limit": 1.5}
RESIDENT_TARGET = 600  # megabytes of a CPU worker
CUDA_SPEEDUP, CUDA_MILLISECONDS, CUDA_BATCH = 6, 6, 64
# What is known to us of the paper's table 2: what issue 4 of this project quotes. Nothing here is an estimate.
PAPER_LOCAL, PAPER_NETWORK = "under 1 s", "under 1.5 s"
PAPER_HEAD = ("from photo to result, one client", "the paper says", "its stack here, p50", "Smart Derma here, p50")


class MarkersMissing(Exception):
    """A document that does not say where the figures belong; the message is one sentence."""


def to_markdown(found: Mapping[str, Any]) -> str:
    """All tables of one run of `run_benchmark`."""
    machine, release = found["machine"], found["release"]
    members = ", ".join(f"{name} {side} px" for name, side in release["members"].items())
    parts = [
        f"Release {release['name']} ({members}) on {machine['processor']}, {machine['cores']} cores, accelerator: "
        f"{machine['accelerator']}; {machine['versions']}; load {machine['load']}; {machine['date']}.",
        _table(("target", "measured", "at most or at least"), _targets(found)),
        _table(("one photo, ms", "p50", "p95"), _one_photo(found)),
        _table(("stage of one photo, ms", "p50", "p95"), _percentiles(found["stages_ms"])),
        _table(("photos at once", *_names(found)), _throughput(found)),
    ]
    if found["resident_megabytes"]:
        rows = [(name, f"{value:.0f}") for name, value in found["resident_megabytes"].items()]
        parts.append(_table(("CPU engine's process, MB resident", ""), rows))
    parts += ["The paper's table 2 beside ours:", _table(PAPER_HEAD, _paper_table(found))]
    return "\n\n".join(parts) + "\n"


def write_between_markers(file: Path, text: str) -> None:
    """Replace what stands between the two markers of ``file``. Raises ``MarkersMissing``."""
    document = file.read_text(encoding="utf-8")
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MarkersMissing(f"{file} has no lines {BEGIN} and {END}.")
    file.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def _targets(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    if found["machine"]["accelerator"] != "none":
        return _cuda_targets(found)
    rows = [(f"{name} (model time of one photo)", _two(found["ratios"][name]), _two(t)) for name, t in TARGETS.items()]
    highest = found["resident_megabytes"]["after photos"]
    return [*rows, ("CPU engine's process, MB resident", f"{highest:.0f}", str(RESIDENT_TARGET))]


def _cuda_targets(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    single = found["one_photo_ms"]["engine, networks"]["p50"]
    rows: list[tuple[str, ...]] = [("model time of one photo, ms", _two(single), str(CUDA_MILLISECONDS))]
    speeds = found["photos_per_second"].get(CUDA_BATCH)
    if speeds:
        ratio = speeds["engine, networks"] / speeds["eager, same networks"]
        rows.append((f"engine to eager, photos per second at {CUDA_BATCH} at once", _two(ratio), str(CUDA_SPEEDUP)))
    return rows


def _one_photo(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    limits = [
        (f"arithmetic limit, {name}: {work:.2f} GFLOP at {found['peak_gflop_per_second']:.0f} GFLOP/s",
         f"{found['limit_ms'][name]:.1f}", "")
        for name, work in found["gflop"].items()
    ]  # fmt: skip
    return [*_percentiles(found["one_photo_ms"]), *limits]


def _percentiles(rows: Mapping[str, Mapping[str, float]]) -> list[tuple[str, ...]]:
    return [(name, f"{row['p50']:.1f}", f"{row['p95']:.1f}") for name, row in rows.items()]


def _paper_table(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Locally as measured in this run; over HTTP as `make load` measured it, with its client on the same machine."""
    one, rows = found["one_photo_ms"], []
    for photo in dict.fromkeys(row["photo"] for row in found["network"]):
        p50 = {row["stack"]: row["p50_ms"] for row in found["network"] if (row["photo"], row["clients"]) == (photo, 1)}
        if len(p50) == 2:  # a run of `make load` that was cut short may hold one stack only
            rows.append((f"over HTTP, {photo}", PAPER_NETWORK, _whole(p50["eager"]), _whole(p50["ours"])))
    local = [_whole(one[f"{name}, photo to result"]["p50"]) for name in ("paper's stack", "engine")]
    return [("local, no HTTP", PAPER_LOCAL, *local), *rows]


def _whole(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms"


def _names(found: Mapping[str, Any]) -> list[str]:
    return [f"{name}, photos/s" for name in next(iter(found["photos_per_second"].values()), {})]


def _throughput(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(str(n), *(f"{speed:.1f}" for speed in row.values())) for n, row in found["photos_per_second"].items()]


def _two(value: float) -> str:
    return f"{value:.2f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
