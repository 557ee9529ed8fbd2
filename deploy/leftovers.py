"""Ends what a killed start left behind. Every process of a start carries a mark in its environment (Linux /proc)."""

import os
import signal
import time
from pathlib import Path

MARK = "SMARTDERMA_RUN"


def marked(folder: Path) -> "dict[str, str]":
    """The environment variable that marks the processes of the site in `folder`."""
    return {MARK: str(folder)}


def find(folder: Path) -> "list[int]":
    """Process ids with the mark of `folder`, without this process."""
    wanted = f"{MARK}={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # another person's process, or one that has just ended
            continue
        if wanted in variables:
            found.append(int(entry.name))
    return found


def end(folder: Path, *, seconds: float = 5.0) -> None:
    """Kill every marked process and wait until none is left; call it only while holding the lock of `folder`."""
    deadline = time.monotonic() + seconds
    killed: set[int] = set()
    while (left := set(find(folder)) | {pid for pid in killed if _is_ending(pid)}) and time.monotonic() < deadline:
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        killed |= left
        time.sleep(0.05)


def _is_ending(process: int) -> bool:
    """A killed process gives up its environment before its sockets: until it is a zombie, its port may be taken."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
