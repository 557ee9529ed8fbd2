"""Google Places, Overpass and Nominatim as local servers that check requests as their documentation says."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from PIL import Image

KEY = "test-key"
SEARCH_FIELDS = {"textQuery", "languageCode", "regionCode", "locationBias", "rankPreference", "maxResultCount"}
STATUS_NAMES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Reply:
    """`drip`: seconds between single bytes of the body; `delay`: seconds of silence first."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    drip: float = 0


class Service(ABC):
    """A local HTTP server in a thread. `script` holds replies that go out before the real answers start."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.script: list[Reply] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, parts.path, parse_qs(parts.query), headers, body, time.monotonic())
                service.seen.append(seen)
                self.reply(service.script.pop(0) if service.script else service.answer(seen))

            do_GET = do_POST = handle_any

            def reply(self, reply: Reply) -> None:
                time.sleep(reply.delay)
                try:
                    self.send_response(reply.status)
                    for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    for chunk in [bytes([b]) for b in reply.body] if reply.drip else [reply.body]:
                        self.wfile.write(chunk)
                        self.wfile.flush()
                        time.sleep(reply.drip)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client gave up, as it should

            def log_message(self, *_values: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Service:
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @abstractmethod
    def answer(self, seen: Seen) -> Reply:
        """What it says to a request, where a test has not written down anything else."""


def reply_json(value: object, status: int = 200, **options) -> Reply:
    return Reply(status, json.dumps(value).encode(), **options)


def google_error(code: int, message: str = "No.", **options) -> Reply:
    error = {"code": code, "message": message, "status": STATUS_NAMES.get(code, "INTERNAL")}
    return reply_json({"error": error}, code, **options)


class GoogleService(Service):
    """Places API (New): text search and place details."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[dict] = []

    def answer(self, seen: Seen) -> Reply:
        if seen.headers.get("x-goog-api-key") != KEY:
            return google_error(403, "The caller does not have permission")
        mask = seen.headers.get("x-goog-fieldmask", "")
        if not mask or re.search(r"\s", mask):
            return google_error(400, "FieldMask is a required parameter.")
        if seen.method == "POST" and seen.path == "/v1/places:searchText":
            return self.search(seen, mask.split(","))
        if seen.method == "GET" and seen.path.startswith("/v1/places/"):
            return self.details(unquote(seen.path.removeprefix("/v1/places/")), mask.split(","))
        return google_error(404)

    def search(self, seen: Seen, mask: list[str]) -> Reply:
        body = json.loads(seen.body)
        if error := search_error(body, mask):
            return google_error(400, error)
        fields = [path.removeprefix("places.") for path in mask]
        places = [masked(place, fields) for place in self.places[: body["maxResultCount"]]]
        return reply_json({"places": places} if places else {})

    def details(self, place_id: str, mask: list[str]) -> Reply:
        if any(path.startswith("places.") for path in mask):
            return google_error(400, "Error expanding 'fields' parameter: no field 'places'.")
        for place in self.places:
            if place["id"] == place_id:
                return reply_json(masked(place, mask))
        return google_error(404, "The Place ID is no longer valid.")


def search_error(body: dict, mask: list[str]) -> str:
    """Why Google would refuse this search, or ""."""
    circle = body.get("locationBias", {}).get("circle", {})
    center = circle.get("center", {})
    checks = {
        "Error expanding 'fields' parameter.": all(path.startswith("places.") for path in mask),
        "Unknown name": set(body) <= SEARCH_FIELDS,
        "Empty text_query": bool(body.get("textQuery")),
        "Invalid latitude": abs(center.get("latitude", 91)) <= 90 and abs(center.get("longitude", 181)) <= 180,
        "Invalid radius": 0 <= circle.get("radius", -1) <= 50_000,
        "Invalid rank preference": body.get("rankPreference") in {"DISTANCE", "RELEVANCE"},
        "Invalid maxResultCount": 1 <= body.get("maxResultCount", 20) <= 20,
    }
    return next((message for message, good in checks.items() if not good), "")


def masked(place: dict, fields: list[str]) -> dict:
    """Only the asked fields, as Google does; `a.b` asks for one field of an object."""
    result: dict = {}
    for path in fields:
        name, _dot, inner = path.partition(".")
        if name not in place:
            continue
        if not inner:
            result[name] = place[name]
        elif inner in place[name]:
            result.setdefault(name, {})[inner] = place[name][inner]
    return result


class OverpassService(Service):
    """Answers one query text: the one that finder.md gives, with any radius and position."""

    SHAPE = re.compile(
        r'\[out:json\]\[timeout:\d+\];\(nwr\["healthcare:speciality"~"\(\^\|;\) \*dermatology \*\(;\|\$\)"\]'
        r"\(around:(\d+),(-?[\d.]+),(-?[\d.]+)\);"
        r'nwr\["healthcare"\]\["name"~"dermat\|skin clinic",i\]\(around:\1,\2,\3\);\);out center tags 60;'
    )

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[dict] = []

    def answer(self, seen: Seen) -> Reply:
        text = parse_qs(seen.body.decode()).get("data", [""])[0]
        if seen.method != "POST" or not self.SHAPE.fullmatch(text):
            return Reply(400, b"<html>parse error</html>", {"Content-Type": "text/html"})
        return reply_json({"version": 0.6, "generator": "Overpass API", "elements": self.elements})

    def asked(self, index: int = -1) -> tuple[int, float, float]:
        """Radius (m), latitude and longitude of a query that arrived."""
        match = self.SHAPE.fullmatch(parse_qs(self.seen[index].body.decode())["data"][0])
        return int(match[1]), float(match[2]), float(match[3])


class NominatimService(Service):
    """Search by text; refuses the User-Agents of libraries, as the usage policy does."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[dict] = []

    def answer(self, seen: Seen) -> Reply:
        agent = seen.headers.get("user-agent", "")
        if not agent or agent.startswith(("python", "httpx")):
            return Reply(403, b"Access blocked")
        if seen.path != "/search" or seen.query.get("format") != ["jsonv2"] or not seen.query.get("q"):
            return Reply(400, b"bad request")
        return reply_json(self.places)


class TileService(Service):
    """A grey map picture for every address."""

    def answer(self, seen: Seen) -> Reply:
        buffer = io.BytesIO()
        Image.new("L", (256, 256), 200).save(buffer, format="PNG")
        return Reply(body=buffer.getvalue(), headers={"Content-Type": "image/png"})
