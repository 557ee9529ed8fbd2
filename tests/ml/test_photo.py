"""The decoder: every accepted kind, every refusal with its code, and no other error for any bytes."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile, ImageOps

from ml.photo import MAX_BYTES, SENTENCES, PhotoError, open_photo
from tests.ml import drawing

KINDS = ("JPEG", "PNG", "WEBP", "HEIF")
SMALL = drawing.skin(size=(200, 160))
FILES = {kind: drawing.encode(SMALL, kind) for kind in KINDS}


def refusal(data: bytes, **options) -> str:
    with pytest.raises(PhotoError) as caught:
        open_photo(data, **options)
    assert caught.value.sentence == str(caught.value)
    return caught.value.code


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("payload.txt", "hello")
    return buffer.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A tiny PNG whose header promises many pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_every_kind_decodes_to_the_same_picture(kind, wrap):
    picture = open_photo(wrap(FILES[kind]))
    assert (picture.mode, picture.size) == ("RGB", (200, 160))
    difference = np.abs(np.asarray(picture, dtype=int) - np.asarray(SMALL, dtype=int)).mean()
    assert difference < 8


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16"])
def test_every_pixel_layout_becomes_rgb(mode):
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(SMALL.convert("L")).astype(np.uint16) * 257)
    else:
        picture = SMALL.convert(mode)
    opened = open_photo(drawing.encode(picture, "JPEG" if mode == "CMYK" else "PNG"))
    assert opened.mode == "RGB"
    assert abs(np.asarray(opened).mean() - np.asarray(SMALL).mean()) < 12


def test_transparent_parts_turn_white():
    picture = SMALL.copy()
    picture.putalpha(0)
    assert np.asarray(open_photo(drawing.encode(picture, "PNG"))).min() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_turned_upright_by_exif(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = drawing.encode(SMALL, kind, exif=exif.tobytes())
    picture = open_photo(data)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"), dtype=int)
    assert np.abs(np.asarray(picture, dtype=int) - upright).mean() < 1
    assert picture.size == ((160, 200) if orientation >= 5 else (200, 160))
    assert picture.info == {"full_size": picture.size}


def test_colour_profile_is_applied():
    """Saturated numbers mean other colours in a wide profile than in sRGB."""
    grey = Image.new("RGB", (200, 200), (120, 90, 80))
    swapped = ImageCms.createProfile("LAB")
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = open_photo(drawing.encode(grey, "PNG", icc_profile=wide))
    assert plain.getpixel((5, 5)) == (120, 90, 80)
    unfit = ImageCms.ImageCmsProfile(swapped).tobytes()
    assert open_photo(drawing.encode(grey, "PNG", icc_profile=unfit)).getpixel((5, 5)) == (120, 90, 80)


def test_display_p3_becomes_srgb():
    picture = Image.new("RGB", (200, 200), (200, 80, 60))
    opened = open_photo(drawing.encode(picture, "PNG", icc_profile=display_p3()))
    red, green, blue = opened.getpixel((5, 5))
    assert red > 205
    assert green < 80
    assert abs(blue - 60) < 25


def display_p3() -> bytes:
    """A minimal ICC profile with the primaries of Display P3 (adapted to D50) and gamma 2.2."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    text = "Test P3".encode("utf-16-be")
    words = b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(text), 28) + text
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    tags = {
        b"desc": words, b"cprt": words, b"wtpt": xyz(0.9642, 1, 0.8249),
        b"rXYZ": xyz(0.51512, 0.2412, -0.00105), b"gXYZ": xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": xyz(0.1571, 0.06657, 0.78407), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    }  # fmt: skip
    table, body, offset = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += struct.pack(">4sII", name, offset + len(body), len(data))
        body += data
    size = offset + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x04200000, b"mntr", b"RGB ", b"XYZ ") + b"\0" * 12 + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">iii", *(round(v * 65536) for v in (0.9642, 1, 0.8249)))
    return head.ljust(128, b"\0") + table + body


def test_scaled_down_to_the_wanted_side():
    data = drawing.encode(drawing.skin(size=(1600, 1200)))
    assert open_photo(data, max_side=500).size == (500, 375)
    cheap = open_photo(data, max_side=None, short_side=256)
    assert 256 <= min(cheap.size) < 512
    assert cheap.info["full_size"] == (1600, 1200)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"\xff\xd8\xff" + b"\0" * MAX_BYTES, "too_heavy"),
        (b"plain text, no photo", "not_a_photo"),
        (b"%PDF-1.7 a document", "not_a_photo"),
        (b"BM" + FILES["PNG"], "not_a_photo"),
        (b"\0\0" + FILES["JPEG"], "not_a_photo"),
        (drawing.encode(SMALL, "TIFF"), "not_a_photo"),
        (drawing.encode(SMALL, "GIF"), "animated"),
        (drawing.encode(SMALL, "PNG", save_all=True, append_images=[drawing.noise((200, 160))]), "animated"),
        (drawing.encode(SMALL, "WEBP", save_all=True, append_images=[drawing.noise((200, 160))]), "animated"),
        (drawing.encode(drawing.skin(size=(300, 127))), "too_small"),
        (png_claiming(60_000, 60_000), "too_many_pixels"),
        (png_claiming(7_100, 7_100), "too_many_pixels"),
    ],
)
def test_refused(data, code):
    assert refusal(data) == code


def test_smallest_side_is_the_callers_choice():
    data = drawing.encode(drawing.skin(size=(300, 100)))
    assert open_photo(data, min_side=100).size == (300, 100)
    assert "128" in str(PhotoError("too_small"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("left", [0.3, 0.7, 0.99])
def test_truncated_is_refused(kind, left):
    data = FILES[kind]
    assert refusal(data[: int(len(data) * left)]) == "damaged"


def test_truncated_is_refused_in_a_process_that_renders_reports(monkeypatch):
    """Importing WeasyPrint tells Pillow to accept cut-off files from then on."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert refusal(FILES["JPEG"][:-2000]) == "damaged"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "tail",
    [
        archive(), b"\0" * 4096 + archive(), b"<script>alert(1)</script>", b"<?php system($_GET['c']); ?>",
        b"<!DOCTYPE html><html></html>", b"%PDF-1.4 ...", b"\x7fELF\x02\x01\x01" + b"\0" * 40, b"MZ\x90\0" + b"\0" * 60,
        b"#!/bin/sh\nrm -rf /\n", b"GIF89a" + b"\0" * 20, b"alert(document.cookie);",
    ],
    ids=["zip", "padded zip", "script", "php", "html", "pdf", "elf", "exe", "shell", "gif", "text"],
)  # fmt: skip
def test_polyglot_is_refused(kind, tail):
    assert refusal(FILES[kind] + tail) == "polyglot"


def test_code_in_a_comment_is_refused():
    assert refusal(drawing.encode(SMALL, "JPEG", comment=b"<?php phpinfo(); ?>")) == "polyglot"


@pytest.mark.parametrize(
    "tail",
    [
        b"\0" * 9000,
        FILES["JPEG"],
        struct.pack(">I4s4s", 24, b"ftyp", b"mp42") + bytes(range(200, 256)) * 50,
        b"\0\0\x01\x0a\x0e\0\0\0MotionPhoto_Data"
        + struct.pack(">I4s4s", 24, b"ftyp", b"mp42")
        + b"\x80\x90" * 99
        + b"SEFT",
    ],
    ids=["padding", "second jpeg", "google motion photo", "samsung motion photo"],
)
def test_what_cameras_append_is_tolerated(tail):
    assert open_photo(FILES["JPEG"] + tail).size == (200, 160)


def test_multi_picture_jpeg_gives_its_main_picture():
    data = drawing.encode(SMALL, "MPO", save_all=True, append_images=[drawing.noise((200, 160))])
    picture = open_photo(data)
    assert np.abs(np.asarray(picture, dtype=int) - np.asarray(SMALL, dtype=int)).mean() < 8


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
def test_damaged_metadata_does_not_cost_the_photo():
    exif = b"Exif\0\0MM\0*\xff\xff\xff\xff garbage"
    assert open_photo(drawing.encode(SMALL, "JPEG", exif=exif)).size == (200, 160)


def test_heavy_progressive_jpeg_is_refused_before_decoding():
    sequential = bytearray(drawing.encode(SMALL, "JPEG", subsampling=0))
    start = sequential.index(b"\xff\xc0")
    sequential[start + 1] = 0xC2
    sequential[start + 5 : start + 9] = struct.pack(">HH", 6900, 7200)
    assert refusal(bytes(sequential)) == "too_complex"


@pytest.mark.parametrize("progressive", [False, True])
def test_large_phone_jpeg_stays_under_300_mb(tmp_path: Path, progressive: bool):
    file = tmp_path / "48mp.jpg"
    Image.effect_noise((800, 600), 40).convert("RGB").resize((8000, 6000)).save(
        file, quality=85, progressive=progressive
    )
    script = (
        "import re, sys; from ml.photo import open_photo\n"
        "size = open_photo(open(sys.argv[1], 'rb').read(), max_side=2560).size\n"
        "peak = re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())\n"
        "print(*size, int(peak[1]) // 1024)"
    )
    found = subprocess.run([sys.executable, "-c", script, file], capture_output=True, text=True, check=True).stdout
    width, height, megabytes = map(int, found.split())
    assert (width, height) == (2560, 1920)
    assert megabytes < 300


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), data=st.data())
def test_mutated_files_give_a_picture_or_a_refusal(kind, data):
    content = bytearray(FILES[kind])
    for _ in range(data.draw(st.integers(1, 12))):
        spot = data.draw(st.one_of(st.integers(0, min(400, len(content) - 1)), st.integers(0, len(content) - 1)))
        content[spot] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    try:
        picture = open_photo(bytes(content[:cut]), max_side=512)
    except PhotoError:
        return
    assert picture.mode == "RGB"
    assert max(picture.size) <= 512


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBP", b"\0\0\0\x18ftypheic"]),
)
def test_random_bytes_are_refused(body, start):
    assert refusal(start + body) in SENTENCES
