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
    """One client; `photo`, `tally` and `deadline` are set before the start."""

    abstract = True
    wait_time = constant(0)
    connection_timeout = network_timeout = GIVE_UP_SECONDS
    photo: bytes
    tally: Tally
    deadline: float

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

    def result_problem(self) -> str:
        """Send one photo and have its result; "" or what went wrong."""
        raise NotImplementedError


class EagerClient(Client):
    """The stack of the paper: the answer is the result."""

    def result_problem(self) -> str:
        answer = self.client.post("/predict", data=multipart({}, "file", self.photo), headers=HEADERS)
        whole = answer.status_code == 200 and len(answer.json()["probabilities"]) == 13
        return "" if whole else f"{answer.status_code}"


class OurClient(Client):
    """The partner API: the result is stored, and each photo is that of another patient."""

    def result_problem(self) -> str:
        fields = {"answers": json.dumps(ANSWERS), "external_patient": uuid.uuid4().hex}
        headers = {**HEADERS, **self.own_headers(), "Prefer": f"wait={WAIT_SECONDS}"}
        body = multipart(fields, "photos", self.photo)
        answer = self.client.post("/api/v1/analyses", data=body, headers=headers)
        if answer.status_code not in (200, 202):
            return f"{answer.status_code} {answer.text[:200]}"
        self.tally.waited += answer.status_code == 200
        job = answer.json() if answer.status_code == 200 else self.polled(answer.headers["Location"])
        return "" if job["status"] == "succeeded" else f"job {job['status']}"

    def polled(self, location: str) -> dict[str, Any]:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            job = self.client.get(location, headers=self.own_headers()).json()
            if job["status"] in {"succeeded", "failed"} or time.monotonic() > deadline:
                return job
            gevent.sleep(POLL_SECONDS)

    @staticmethod
    def own_headers() -> dict[str, str]:
        return {"Authorization": f"Bearer {os.environ['LOAD_KEY']}", "X-Forwarded-Proto": "https"}


KINDS = {"ours": OurClient, "eager": EagerClient}


def measure(kind: type[Client], address: str, photo: bytes, *, clients: int, seconds: float) -> Tally:
    """Run `clients` side by side for `seconds` and until the last one has its result."""
    start = time.monotonic()
    tally = Tally()
    settings = {"photo": photo, "tally": tally, "deadline": start + seconds, "abstract": False}
    environment = Environment(user_classes=[type(kind.__name__, (kind,), settings)], host=address)
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
    kind, photo = KINDS[asked.kind], asked.photo.read_bytes()
    measure(
        kind, asked.address, photo, clients=asked.clients, seconds=WARM_SECONDS
    )  # whoever stood still starts slowly
    tally = measure(kind, asked.address, photo, clients=asked.clients, seconds=asked.seconds)
    json.dump(asdict(tally), sys.stdout)


if __name__ == "__main__":
    main()
