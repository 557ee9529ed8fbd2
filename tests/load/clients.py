"""Clients in a closed loop (locust): each sends a photo, waits for its result, and sends the next.

    python -m tests.load.clients {ours,eager} ADDRESS PHOTO --clients N --seconds S

Prints JSON: milliseconds of each photo from the request to its result, the seconds that all took, and how many photos
were lost. Who is under way when the time is up ends its turn, so that nothing is cut off. LOAD_KEY holds the API key.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, constant, task
from locust.env import Environment
from locust.exception import StopUser

BOUNDARY = "photo-boundary-4711"
ANSWERS = {
    "country": "GB",
    "red_flags": ["none"],
    "age_band": "40_49",
    "skin_type": "II",
    "site": "arm",
    "duration": "1_4_weeks",
}
WAIT_SECONDS = 20
POLL_SECONDS = 0.1
GIVE_UP_SECONDS = 120
WARM_SECONDS = 1.5


@dataclass
class Tally:
    """What came of the photos of one measurement."""

    milliseconds: list[float] = field(default_factory=list)
    lost: int = 0
    waited: int = 0  # answered by `Prefer: wait`, without polling
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


def multipart(fields: dict[str, str], name: str, photo: bytes) -> bytes:
    """The body of a form with texts and one file."""
    part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    texts = [f'{part}"{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
    head = f'{part}"{name}"; filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return "".join([*texts, head]).encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


class Client(FastHttpUser):
    """One client; what it does with a photo and the rest of its settings come with the measurement."""

    abstract = True
    wait_time = constant(0)
    connection_timeout = network_timeout = GIVE_UP_SECONDS
    photo: bytes
    tally: Tally
    deadline: float
    result_problem: Callable[[], str]  # a function of KINDS

    @task
    def send(self) -> None:
        if time.monotonic() >= self.deadline:
            raise StopUser
        start = time.perf_counter()
        problem = self.result_problem()
        if problem:
            self.tally.lost += 1
            self.tally.problems.append(problem)
        else:
            self.tally.milliseconds.append((time.perf_counter() - start) * 1000)


def eager_problem(user: Client) -> str:
    """Send one photo to the stack of the paper, whose answer is the result; "" or what went wrong."""
    answer = user.client.post("/predict", data=multipart({}, "file", user.photo), headers=HEADERS)
    whole = answer.status_code == 200 and len(answer.json()["probabilities"]) == 13
    return "" if whole else f"{answer.status_code}"


def our_problem(user: Client) -> str:
    """The same through the partner API: the result is stored, and each photo is that of another patient."""
    fields = {"answers": json.dumps(ANSWERS), "external_patient": uuid.uuid4().hex}
    headers = {**HEADERS, **own_headers(), "Prefer": f"wait={WAIT_SECONDS}"}
    answer = user.client.post("/api/v1/analyses", data=multipart(fields, "photos", user.photo), headers=headers)
    if answer.status_code not in (200, 202):
        return f"{answer.status_code} {answer.text[:200]}"
    user.tally.waited += answer.status_code == 200
    job = answer.json() if answer.status_code == 200 else polled(user, answer.headers["Location"])
    return "" if job["status"] == "succeeded" else f"job {job['status']}"


def polled(user: Client, location: str) -> dict[str, Any]:
    """The job of an analysis once it is over, or when we give up."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while True:
        job = user.client.get(location, headers=own_headers()).json()
        if job["status"] in {"succeeded", "failed"} or time.monotonic() > deadline:
            return job
        gevent.sleep(POLL_SECONDS)


def own_headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {os.environ['LOAD_KEY']}", "X-Forwarded-Proto": "https"}


KINDS: dict[str, Callable[[Client], str]] = {"ours": our_problem, "eager": eager_problem}


def measure(kind: str, address: str, photo: bytes, *, clients: int, seconds: float) -> Tally:
    """Run `clients` side by side for `seconds` and until the last one has its result."""
    start = time.monotonic()
    tally = Tally()
    settings = {"photo": photo, "tally": tally, "deadline": start + seconds, "result_problem": KINDS[kind]}
    environment = Environment(user_classes=[type(kind, (Client,), {**settings, "abstract": False})], host=address)
    runner = environment.create_local_runner()
    runner.start(clients, spawn_rate=clients)
    while time.monotonic() < start + seconds or runner.user_count:
        gevent.sleep(0.02)
    tally.seconds = time.monotonic() - start
    runner.quit()
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("address")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    asked = parser.parse_args()
    photo = asked.photo.read_bytes()
    for seconds in (WARM_SECONDS, asked.seconds):  # whoever stood still starts slowly: the first run does not count
        tally = measure(asked.kind, asked.address, photo, clients=asked.clients, seconds=seconds)
    json.dump(asdict(tally), sys.stdout)


if __name__ == "__main__":
    main()
