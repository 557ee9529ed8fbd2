"""Waits until an address answers with 200: `python -m deploy.wait URL SECONDS`. Exit status 1 when it never does."""

import sys
import time
import urllib.error
import urllib.request


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310  (our own loopback address)
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def wait(url: str, seconds: float) -> bool:
    """True as soon as `url` answers, False after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers(url):
            return True
        time.sleep(0.1)
    return False


if __name__ == "__main__":
    sys.exit(0 if wait(sys.argv[1], float(sys.argv[2])) else 1)
