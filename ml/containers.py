"""Photo files as containers: which format the bytes are, where the picture ends, and what else is hidden in the file.

Only headers are read here, nothing is decoded. Sources: ITU-T T.81 annex B (JPEG markers), W3C PNG 3 section 5,
Google's WebP container specification (RIFF), ISO/IEC 14496-12 (boxes of HEIC), PKWARE APPNOTE (ZIP).
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2"})
_HEIC_SEQUENCE_BRANDS = frozenset({b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"})
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEXT_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_JPEG_PROGRESSIVE_FRAMES = frozenset({0xC2, 0xC6, 0xCA, 0xCE})

# Long enough that compressed picture data does not contain them by chance.
# Two patterns, each with a first letter that is the same in either case: they take a third of the time of one.
_WEB_PAGE = re.compile(rb"<(?i:script|html|iframe|\?php|!doctype)[\s>]")
_PDF = re.compile(rb"%(?i:PDF)-[12]\.")
_OTHER_FILE_TYPES = (
    *(b"PK\x03\x04", b"PK\x05\x06", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"BZh", b"\xfd7zXZ"),
    *(b"\x7fELF", b"MZ", b"#!", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa", b"\xcf\xfa\xed\xfe", b"\x00asm"),
    *(b"%PDF", b"\xd0\xcf\x11\xe0", b"SQLite format 3", b"GIF8", _PNG_SIGNATURE),
)
_PADDING = b"\x00\xff \t\r\n"
_TEXT = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\r\n")


@dataclass(frozen=True)
class JpegFrame:
    """What a JPEG's frame header says: ``width`` and ``height`` in pixels, and the bytes its coefficients need.

    ``coefficient_bytes`` is 0 for a sequential file: only a progressive one is held in memory as coefficients.
    """

    width: int
    height: int
    coefficient_bytes: int


def sniff(data: bytes) -> str:
    """Return one of ``FORMATS`` by the first bytes, ``""`` for anything else; the file's name plays no part."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(_PNG_SIGNATURE):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return "HEIF" if _heif_brands(data) & _HEIC_BRANDS else ""


def is_heif_sequence(data: bytes) -> bool:
    """True where the main brand of a HEIF file says moving pictures (ISO/IEC 23008-12 section 10)."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIC_SEQUENCE_BRANDS


def _heif_brands(data: bytes) -> frozenset[bytes]:
    if data[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(data[:4], "big"), 256, len(data))
    return frozenset({data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))})


# Cameras write dozens of segments; millions of tiny ones would only cost time (seconds for 20 MB).
MAX_JPEG_SEGMENTS = 10_000


def picture_end(data: bytes, kind: str) -> int:
    """Return the offset just behind the picture of format ``kind``; -1 when the file stops before its end."""
    return {"JPEG": _jpeg_end, "PNG": _png_end, "WEBP": _webp_end, "HEIF": _heif_end}[kind](data)


def _jpeg_end(data: bytes) -> int:
    at = 2
    for _ in range(MAX_JPEG_SEGMENTS):
        match = _NEXT_JPEG_MARKER.search(data, at)
        if match is None:
            return -1
        marker, at = data[match.end() - 1], match.end()
        if marker == 0xD9:
            return at
        if marker != 0xD8:
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
    return -1


def jpeg_frame(data: bytes) -> JpegFrame | None:
    """Read the first frame header of a JPEG; None where there is none before the picture data."""
    at = 2
    for _ in range(MAX_JPEG_SEGMENTS):
        match = _NEXT_JPEG_MARKER.search(data, at)
        if match is None:
            return None
        marker, at = data[match.end() - 1], match.end()
        if marker in _JPEG_FRAMES and at + 8 <= len(data):
            return _parse_frame(data, at, progressive=marker in _JPEG_PROGRESSIVE_FRAMES)
        if marker in (0xD9, 0xDA):
            return None
        at += max(2, int.from_bytes(data[at : at + 2], "big"))
    return None


def _parse_frame(data: bytes, at: int, *, progressive: bool) -> JpegFrame:
    height, width = (int.from_bytes(data[at + offset : at + offset + 2], "big") for offset in (3, 5))
    sampling = [data[spot] for spot in range(at + 9, at + 8 + 3 * data[at + 7], 3) if spot < len(data)]
    if not progressive or not sampling:
        return JpegFrame(width, height, 0)
    areas = [(factor >> 4) * (factor & 15) for factor in sampling]
    return JpegFrame(width, height, int(2 * width * height * sum(areas) / max(1, *areas)))


def _png_end(data: bytes) -> int:
    at = len(_PNG_SIGNATURE)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IEND":
            return end
        at = end
    return -1


def _webp_end(data: bytes) -> int:
    size = int.from_bytes(data[4:8], "little")
    end = 8 + size + size % 2
    return end if end <= len(data) else (-1 if 8 + size > len(data) else len(data))


def _heif_end(data: bytes) -> int:
    at, needed = 0, {b"meta"}
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        end = len(data) if size == 0 else at + size
        if end > len(data) or end < at + 8 or not all(byte in _TEXT for byte in name):
            break
        needed.discard(name)
        at = end
    return -1 if needed else at


def hides_another_file(data: bytes, end: int) -> bool:
    """True where the file is also something else: an archive, a document, a program or a web page.

    ``end`` is where the picture ends. What cameras put behind a picture passes: padding, further JPEGs (Multi-Picture
    Format), the short film of a motion photo, makers' own blocks. None of that is stored: only pixels are kept.
    """
    if zipfile.is_zipfile(io.BytesIO(data)) or _WEB_PAGE.search(data) or _PDF.search(data):
        return True
    trailer = data[end:].lstrip(_PADDING)
    return trailer.startswith(_OTHER_FILE_TYPES) or _is_text(trailer[:256])


def _is_text(sample: bytes) -> bool:
    return len(sample) >= 8 and all(byte in _TEXT for byte in sample)
