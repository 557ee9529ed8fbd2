"""`make run`: checks the machine, installs, builds the CSS, then becomes the process that starts everything.

Standard library only: this runs before .venv exists.
"""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

from deploy import install, leftovers, machine

ROOT = install.ROOT


def var_folder() -> Path:
    """All that the site writes: database, photos, sockets, schedules. Only its owner may look inside."""
    folder = Path(os.environ.get("VAR_DIR") or ROOT / "var").resolve()
    (folder / "run").mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "run").chmod(0o700)
    return folder


def lock(folder: Path) -> int | None:
    """Held as long as the site runs, also across exec; None when another start holds it."""
    descriptor = os.open(folder / "run" / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, True)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def first_problem(folder: Path, host: str, port: str) -> str:
    """The first thing that keeps the site from starting, as one sentence."""
    return (
        machine.python_problem()
        or machine.disk_problem(folder)
        or machine.port_problem(host, port)
        or machine.packages_problem(venv_exists=install.PYTHON.exists())
    )


def build() -> None:
    """The style sheet and the translations: made from sources, not kept in git."""
    for step in ("deploy.css", "deploy.messages"):
        subprocess.run([str(install.PYTHON), "-m", step], check=True, cwd=ROOT)


def become_stack(folder: Path, host: str, port: str) -> None:
    """Replace this process, so that a signal to `make run` reaches the one that stops everything."""
    environment = {**os.environ, "HOST": host, "PORT": port, "VAR_DIR": str(folder), **leftovers.marked(folder)}
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(install.PYTHON, [str(install.PYTHON), "-m", "deploy.stack"], environment)


def stop(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


def start(host: str, port: str) -> int:
    problem = machine.python_problem()
    if problem:
        return stop(problem)
    folder = var_folder()
    held = lock(folder)
    if held is None:
        running = "Smart Derma already runs from this folder: stop it first (Ctrl-C in its window)."
        return stop(machine.port_problem(host, port) or running)
    leftovers.end(folder)
    problem = first_problem(folder, host, port)
    if problem:
        return stop(problem)
    install.install("base")
    build()
    become_stack(folder, host, port)
    return 0


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return start(os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000")
    except KeyboardInterrupt:
        return stop("Stopped.")
    except subprocess.CalledProcessError as error:
        return stop(f"A step failed ({' '.join(error.cmd[1:4])} ...): see its message above.")


if __name__ == "__main__":
    sys.exit(main())
