"""Waits until an address answers with 200: `python -m deploy.wait URL SECONDS`. Exit status 1 when it never does."""

import sys
import time
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit


def answers(url: str) -> bool:
    """One GET over plain HTTP: our own servers on this machine."""
    place = urlsplit(url)
    connection = HTTPConnection(place.netloc, timeout=2)
    try:
        connection.request("GET", place.path or "/")
        return connection.getresponse().status == 200
    except (HTTPException, OSError):
        return False
    finally:
        connection.close()


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
