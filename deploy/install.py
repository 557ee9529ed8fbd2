"""Makes .venv and installs requirements into it; does nothing while they are unchanged. Standard library only.

`python3 -m deploy.install base` or `dev`.
"""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "requirements"


def requirement_files(start: Path) -> "list[Path]":
    """A requirements file and every file it includes with `-r`, each once."""
    found = [start]
    for line in start.read_text().splitlines():
        if line.startswith("-r "):
            found += [
                path for path in requirement_files((start.parent / line[3:].strip()).resolve()) if path not in found
            ]
    return found


def fingerprint(path: Path) -> str:
    """Changes when any of the files, or the Python version, does."""
    parts = [str(sys.version_info[:3]), *(included.read_text() for included in requirement_files(path))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def stamp_of(path: Path) -> Path:
    return VENV / f".installed-{path.stem}"


def is_installed(path: Path) -> bool:
    """True when this requirements file was installed as it is now."""
    stamp = stamp_of(path)
    return PYTHON.exists() and stamp.exists() and stamp.read_text() == fingerprint(path)


def install(name: str) -> None:
    """Install requirements/<name>.txt. Raises CalledProcessError when pip fails; the stamp is then not written."""
    path = REQUIREMENTS / f"{name}.txt"
    if is_installed(path):
        return
    if not PYTHON.exists():
        print("Making .venv ...", flush=True)
        venv.create(VENV, with_pip=True, clear=True)
    print(f"Installing requirements/{path.name} (once; this takes a few minutes) ...", flush=True)
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--quiet"]
    subprocess.run([*pip, "--requirement", str(path)], check=True, cwd=ROOT)
    for included in requirement_files(path):
        stamp_of(included).write_text(fingerprint(included))


def main(arguments: "list[str]") -> int:
    from deploy.machine import packages_problem, python_problem

    problem = python_problem() or packages_problem(venv_exists=PYTHON.exists())
    if problem:
        print(problem, file=sys.stderr)
        return 1
    try:
        install(arguments[0])
    except subprocess.CalledProcessError:
        print("The Python packages could not be installed: see pip's message above.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
