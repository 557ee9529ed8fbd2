"""Is this machine ready? Each check gives one plain sentence, or "" when all is well. Standard library only."""

import ctypes.util
import errno
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

PYTHON = (3, 11)
FREE_BYTES = 1_000_000_000
# Debian package of each shared library that WeasyPrint opens.
LIBRARIES = {
    "pango-1.0": "libpango-1.0-0",
    "pangoft2-1.0": "libpangoft2-1.0-0",
    "harfbuzz-subset": "libharfbuzz-subset0",
}


def python_problem(version: "tuple[int, ...]" = sys.version_info[:2]) -> str:
    """Pinned to one version: the model's packages are built and tested for it."""
    if tuple(version[:2]) == PYTHON:
        return ""
    found = ".".join(str(part) for part in version[:2])
    return f"Smart Derma needs Python 3.11, but this is Python {found}: install python3.11 and python3.11-venv."


def disk_problem(folder: Path) -> str:
    """A database that cannot grow loses answers: stop before it starts."""
    free = shutil.disk_usage(folder).free
    if free >= FREE_BYTES:
        return ""
    return f"The disk is nearly full: {free // 1_000_000} MB are free, Smart Derma needs 1 GB. Please make room."


def port_problem(host: str, port: str) -> str:
    """Tries to bind the address, as the web server will."""
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        return "PORT must be a number from 1 to 65535."
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            return _bind_sentence(error, host, port)
    return ""


def _bind_sentence(error: OSError, host: str, port: str) -> str:
    if error.errno == errno.EADDRINUSE:
        other = int(port) % 65535 + 1
        return f"Port {port} is taken by another program: stop it, or choose another port: make run PORT={other}"
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than you have: choose one above 1024, for example make run PORT=8000"
    return f"The address {host}:{port} cannot be used: {error.strerror}."


def missing_packages(*, venv_exists: bool) -> "list[str]":
    """Names of the Debian packages that are missing, in a fixed order."""
    missing = [package for library, package in LIBRARIES.items() if ctypes.util.find_library(library) is None]
    if not venv_exists and importlib.util.find_spec("ensurepip") is None:
        missing.append("python3.11-venv")
    if shutil.which("fc-list") is None:
        return [*missing, "fontconfig", "fonts-noto-core"]
    return missing if _has_devanagari() else [*missing, "fonts-noto-core"]


def _has_devanagari() -> bool:
    """A report in Hindi without such a font would be a page of empty boxes."""
    listed = subprocess.run(["fc-list", ":lang=hi", "family"], stdout=subprocess.PIPE, check=False)
    return bool(listed.stdout.strip())


def packages_problem(*, venv_exists: bool) -> str:
    """The one line that installs what is missing."""
    missing = missing_packages(venv_exists=venv_exists)
    if not missing:
        return ""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"System packages are missing. Please run: {sudo}apt-get install --yes {' '.join(missing)}"
