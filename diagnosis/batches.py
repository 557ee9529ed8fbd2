"""Reading a batch, NDJSON or ZIP, item by item. The file comes from outside: nothing in it is believed or extracted.

An item that cannot be used carries its problems; the others are not touched by it. Only a file that is no batch at all
raises BatchUnreadable.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _

from smartderma.parsing import strict_json

MANIFEST = "manifest.ndjson"
MAX_ITEMS = MAX_PHOTOS = 1000
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
# Base64 of the largest photos of one item, and room for its answers.
MAX_LINE_BYTES = settings.MAX_PHOTOS * settings.MAX_PHOTO_BYTES * 4 // 3 + 64 * 1024
MAX_ENTRIES = 2 * MAX_PHOTOS
MAX_DIRECTORY_BYTES = 1024 * 1024
COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
END_OF_DIRECTORY, ZIP64_LOCATOR = b"PK\x05\x06", b"PK\x06\x07"
END_BYTES = 22 + 65535  # the record at the end of a ZIP and the longest comment behind it
# What zipfile raises for an archive or an entry that is not what it says.
DAMAGED = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, zlib.error)


class BatchUnreadable(Exception):
    """The file is no batch; the message is a short code."""


class ItemRefused(Exception):
    """One item cannot be used: `pointer` into the item, `code` for programs, a sentence for people."""

    def __init__(self, pointer: str, code: str, message: str) -> None:
        self.problem = {"pointer": pointer, "code": code, "message": message}
        super().__init__(message)


@dataclass(frozen=True)
class Item:
    """One item as it came. `photos` reads the bytes when asked; a refused item has `problems` and no fields."""

    number: int
    fields: dict[str, Any] = field(default_factory=dict)
    photos: Callable[[], list[bytes]] = list
    problems: tuple[dict[str, str], ...] = ()

    @property
    def ref(self) -> str:
        """The partner's own name of the item."""
        value = self.fields.get("ref", "")
        return value[:64] if isinstance(value, str) else ""


def read_items(file: IO[bytes], kind: str) -> Iterator[Item]:
    """The items of a batch in order, numbered from 1. Raises BatchUnreadable, at the end where there are too many:
    what came before counts, and the partner hears that the rest does not."""
    read = _read_zip if kind == "zip" else _read_ndjson
    photos = 0
    for item in read(file):
        if item.number > MAX_ITEMS:
            raise BatchUnreadable("too_many_items")
        named = item.fields.get("photos")
        photos += len(named) if isinstance(named, list) else 0
        yield _too_many(item) if photos > MAX_PHOTOS else item


def _too_many(item: Item) -> Item:
    problem = {"pointer": "/photos", "code": "too_many_photos", "message": _("A batch holds at most 1,000 photos.")}
    return Item(item.number, problems=(problem,))


def _read_ndjson(file: IO[bytes]) -> Iterator[Item]:
    number = 0
    for line in _lines(file, MAX_LINE_BYTES):
        number += 1
        yield _item(number, line, _photos_inline)
    if not number:
        raise BatchUnreadable("empty")


def _lines(file: IO[bytes], limit: int) -> Iterator[bytes | None]:
    """The lines that hold something; None in the place of one that is too long."""
    while line := file.readline(limit + 1):
        whole = line.endswith(b"\n") or len(line) <= limit
        while not whole and (rest := file.readline(limit + 1)):
            whole = rest.endswith(b"\n")
            line = b""
        if len(line) > limit or not line:
            yield None
        elif line.strip():
            yield line


def _item(number: int, line: bytes | None, photos: Callable[[dict[str, Any]], list[bytes]]) -> Item:
    try:
        if line is None:
            raise ItemRefused("", "too_long", _("This item is too large."))
        fields = _fields(line)
    except ItemRefused as refusal:
        return Item(number, problems=(refusal.problem,))
    return Item(number, fields, lambda: photos(fields))


def _fields(line: bytes) -> dict[str, Any]:
    try:
        fields = strict_json(line.decode())
    except ValueError as error:
        raise ItemRefused("", "not_json", _("This line is not valid JSON in UTF-8.")) from error
    if not isinstance(fields, dict):
        raise ItemRefused("", "not_an_object", _("An item is a JSON object."))
    return fields


def _photos_inline(fields: dict[str, Any]) -> list[bytes]:
    return [_decoded(text, number) for number, text in enumerate(fields["photos"])]


def _decoded(text: str, number: int) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ItemRefused(f"/photos/{number}", "not_base64", _("This photo is not valid Base64.")) from error


def _read_zip(file: IO[bytes]) -> Iterator[Item]:
    _refuse_huge_directory(file)
    try:
        archive = zipfile.ZipFile(file)
    except DAMAGED as error:
        raise BatchUnreadable("not_a_zip") from error
    with archive:
        photos = _Entries(archive)
        for number, line in enumerate(_manifest(archive), start=1):
            yield _item(number, line, photos.read)


def _refuse_huge_directory(file: IO[bytes]) -> None:
    """The list of entries is read into memory: look how long it says it is before that."""
    file.seek(0, 2)
    file.seek(max(0, file.tell() - END_BYTES))
    tail = file.read()
    at = tail.rfind(END_OF_DIRECTORY)
    if at < 0 or len(tail) < at + 22:
        raise BatchUnreadable("not_a_zip")
    entries, size = struct.unpack_from("<HI", tail, at + 10)
    if ZIP64_LOCATOR in tail or entries > MAX_ENTRIES or size > MAX_DIRECTORY_BYTES:
        raise BatchUnreadable("too_many_entries")
    file.seek(0)


def _manifest(archive: zipfile.ZipFile) -> list[bytes | None]:
    entries = [info for info in archive.infolist() if info.filename == MANIFEST]
    if len(entries) != 1:
        raise BatchUnreadable("no_manifest")
    try:
        with archive.open(entries[0]) as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
    except DAMAGED as error:
        raise BatchUnreadable("no_manifest") from error
    if len(text) > MAX_MANIFEST_BYTES:
        raise BatchUnreadable("manifest_too_large")
    lines: list[bytes | None] = [line for line in text.split(b"\n") if line.strip()]
    if not lines:
        raise BatchUnreadable("empty")
    return lines


class _Entries:
    """The photos of a ZIP, read by the names in the manifest, each at most once and never to disk."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.by_name = {info.filename: info for info in archive.infolist()}
        self.counts = Counter(info.filename for info in archive.infolist())
        self.used: set[str] = set()

    def read(self, fields: dict[str, Any]) -> list[bytes]:
        return [self._read(name, f"/photos/{number}") for number, name in enumerate(fields["photos"])]

    def _read(self, name: str, pointer: str) -> bytes:
        info = self._entry(name, pointer)
        try:
            with self.archive.open(info) as file:
                data = file.read(settings.MAX_PHOTO_BYTES + 1)
        except DAMAGED as error:
            raise ItemRefused(pointer, "damaged", _("This photo cannot be unpacked.")) from error
        if len(data) > settings.MAX_PHOTO_BYTES:
            raise ItemRefused(pointer, "too_heavy", _("This file is larger than 20 MB. Please send a smaller photo."))
        return data

    def _entry(self, name: str, pointer: str) -> zipfile.ZipInfo:
        if name.startswith(("/", "\\")) or "\\" in name or ":" in name or ".." in name.split("/"):
            raise ItemRefused(pointer, "bad_path", _("The name of a photo is a plain path inside the ZIP."))
        if name in self.used or self.counts[name] > 1:
            raise ItemRefused(pointer, "photo_twice", _("This photo is in the batch more than once."))
        info = self.by_name.get(name)
        if info is None or info.is_dir():
            raise ItemRefused(pointer, "no_photo", _("There is no such photo in the ZIP."))
        if info.compress_type not in COMPRESSIONS or info.flag_bits & 1:
            raise ItemRefused(pointer, "damaged", _("This photo cannot be unpacked."))
        self.used.add(name)
        return info
