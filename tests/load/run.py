"""`make load`: from upload to stored result under load, our whole site beside the stack of the paper, in one run.

    python -m tests.load.run [--seconds 5] [--rounds 2] [--clients 1 4 16] [--write]

Both stacks run on this machine; while one is measured the other stands still. Prints a table, writes load.json and
load.md to var/benchmarks; `--write` puts the table into docs/BENCHMARKS.md. Measure on a machine that does nothing
else.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import psutil

from diagnosis.demo import draw_photo
from tests.kit.processes import ROOT
from tests.load import stacks

SIZES = {"1 MP": (1152, 864), "12 MP": (4000, 3000)}
OUT = ROOT / "var" / "benchmarks"
PAGE = ROOT / "docs" / "BENCHMARKS.md"
BEGIN, END = "<!-- load: begin -->", "<!-- load: end -->"
# What issue 4 asks for, as ratios to the stack of the paper in the same run.
P50_TARGET = {"1 MP": 0.75, "12 MP": 1.0}
RATE_TARGET, RATE_CLIENTS = 1.5, 16
MEMORY_TARGETS = {stacks.WEB: 220, stacks.WORKER: 600}


@dataclass
class Cell:
    """All rounds of one stack with one photo and one number of clients."""

    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0.0
    lost: int = 0
    waited: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, tally: dict) -> None:
        for name in ("milliseconds", "problems"):
            getattr(self, name).extend(tally[name])
        for name in ("seconds", "lost", "waited"):
            setattr(self, name, getattr(self, name) + tally[name])

    def percentile(self, share: float) -> float:
        ordered = sorted(self.milliseconds) or [float("nan")]
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

    @property
    def figures(self) -> dict[str, float]:
        """p50 and p95 in milliseconds, results a second, photos lost, share answered without polling."""
        count = len(self.milliseconds)
        return {
            "photos": count,
            "p50_ms": round(statistics.median(self.milliseconds), 1) if count else float("nan"),
            "p95_ms": round(self.percentile(0.95), 1),
            "per_second": round(count / self.seconds, 2),
            "lost": self.lost,
        }


Cells = dict[tuple[str, int, str], Cell]


def write_photos(folder: Path) -> dict[str, Path]:
    """Drawn photos: what a web page makes of a photo, and what a phone's camera writes."""
    files = {}
    for name, size in SIZES.items():
        buffer = io.BytesIO()
        draw_photo(size=size).save(buffer, format="JPEG", quality=93)
        files[name] = folder / f"{size[0]}.jpg"
        files[name].write_bytes(buffer.getvalue())
    return files


def clients(kind: str, address: str, photo: Path, number: int, seconds: float) -> dict:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "tests.load.clients", kind, address, str(photo)]
    command += ["--clients", str(number), "--seconds", str(seconds)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def measure(running: dict[str, stacks.Measured], photos: dict[str, Path], asked: argparse.Namespace) -> Cells:
    cells: Cells = {key: Cell() for key in product(SIZES, asked.clients, running)}
    for _round, size, number, kind in product(range(asked.rounds), SIZES, asked.clients, running):
        with running[kind].awake():
            tally = clients(kind, running[kind].address, photos[size], number, asked.seconds)
        cells[size, number, kind].add(tally)
        sys.stderr.write(f"{size}, {number} clients, {kind}: {len(tally['milliseconds'])} photos\n")
    return cells


def table(cells: Cells, peaks: dict[str, float], command: str) -> str:
    lines = [machine(), "", f"`{command}`, {datetime.now(UTC):%d %B %Y}.", ""]
    lines += ["| photo | clients | stack | p50 | p95 | results/s | lost | p50 ratio | results/s ratio |"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for (size, number, kind), cell in cells.items():
        own, eager = cell.figures, cells[size, number, "eager"].figures
        ratios = ["", ""]
        if kind == "ours":
            ratios = [f"{own['p50_ms'] / eager['p50_ms']:.2f}", f"{own['per_second'] / eager['per_second']:.2f}"]
        name = "Smart Derma" if kind == "ours" else "paper's stack"
        figures = [f"{own['p50_ms']:.0f} ms", f"{own['p95_ms']:.0f} ms", f"{own['per_second']:.1f}", str(own["lost"])]
        lines.append("| " + " | ".join([size, str(number), name, *figures, *ratios]) + " |")
    lines += ["", "| resident memory, the most during the run | MB | at most |", "|---|---|---|"]
    lines += [f"| {role} | {peaks[role]:.0f} | {limit} |" for role, limit in MEMORY_TARGETS.items()]
    return "\n".join(lines)


def machine() -> str:
    """The machine in one sentence, with its load: figures of a busy machine are worth little."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    cores, memory = len(os.sched_getaffinity(0)), psutil.virtual_memory().total / 1e9
    name = model.partition(":")[2].strip() or platform.machine()
    return f"{cores} cores of {name}, {memory:.0f} GB; load of the machine at the start {START_LOAD:.1f}."


START_LOAD = os.getloadavg()[0]


def missed(cells: Cells, peaks: dict[str, float]) -> list[str]:
    """One sentence for each target that was missed."""
    found = []
    for (size, number, kind), cell in cells.items():
        own, eager = cell.figures, cells[size, number, "eager"].figures
        if cell.lost:
            found.append(f"{cell.lost} photos were lost ({kind}, {size}, {number} clients): {cell.problems[0]}")
        if kind == "ours" and number == 1 and own["p50_ms"] > P50_TARGET[size] * eager["p50_ms"]:
            found.append(f"p50 with one client, {size}: {own['p50_ms'] / eager['p50_ms']:.2f} > {P50_TARGET[size]}")
        ratio = own["per_second"] / eager["per_second"]
        if kind == "ours" and number == RATE_CLIENTS and size == "1 MP" and ratio < RATE_TARGET:
            found.append(f"results per second with {number} clients, {size}: {ratio:.2f} < {RATE_TARGET}")
    for role, limit in MEMORY_TARGETS.items():
        if peaks[role] > limit:
            found.append(f"{role}: {peaks[role]:.0f} MB > {limit} MB")
    return found


def write_results(cells: Cells, peaks: dict[str, float], text: str, *, page: bool) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    rows = [
        {"photo": size, "clients": number, "stack": kind, **cell.figures, "answered_by_waiting": cell.waited}
        for (size, number, kind), cell in cells.items()
    ]
    (OUT / "load.json").write_text(json.dumps({"rows": rows, "memory_mb": peaks, "machine": machine()}, indent=1))
    (OUT / "load.md").write_text(text + "\n")
    if page:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--write", action="store_true", help="put the table into docs/BENCHMARKS.md")
    asked = parser.parse_args()
    running: dict[str, stacks.Measured] = {}
    with tempfile.TemporaryDirectory(prefix="smartderma-load-") as name:
        folder = Path(name)
        try:
            running["eager"] = stacks.start_eager(folder)
            running["eager"].freeze()
            running["ours"], os.environ["LOAD_KEY"] = stacks.start_ours(folder / "site")
            running["ours"].freeze()
            cells = measure(running, write_photos(folder), asked)
        finally:
            for stack in running.values():
                stack.end()
    peaks = dict(running["ours"].peaks)
    text = table(cells, peaks, f"make load LOAD='{' '.join(sys.argv[1:])}'" if sys.argv[1:] else "make load")
    write_results(cells, peaks, text, page=asked.write)
    sys.stdout.write(text + "\n")
    sys.stdout.writelines(f"Missed: {sentence}\n" for sentence in missed(cells, peaks))
    return 0


if __name__ == "__main__":
    sys.exit(main())
