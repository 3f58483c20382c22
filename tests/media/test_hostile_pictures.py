"""Still pictures that attack Pillow, which reads them inside our own process."""

import io
import struct
import time

import pytest
from PIL import EpsImagePlugin, Image, TiffImagePlugin

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media import picture_bombs, pictures, safety
from tests.media import attacks

protections = pytest.mark.parametrize("protected", [True, False], ids=["protected", "unprotected"])


def bmp(width, height):
    return (
        b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6)
    )


def tiff(width, height, num_tiles=1, *, order="<", is_big=False):
    """A directory that claims as many tiles; the table of where they lie follows, all zeros."""
    number, count = (8, "Q") if is_big else (4, "L")
    plain = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (277, 1), (322, 16), (323, 16))
    start = 16 if is_big else 8
    table = start + (8 if is_big else 2) + (len(plain) + 2) * (4 + 2 * number) + number
    kind = 16 if is_big else 4
    entries = [struct.pack(f"{order}HH{count}{count}", tag, kind, 1, value) for tag, value in plain]
    entries += [struct.pack(f"{order}HH{count}{count}", tag, kind, num_tiles, table) for tag in (324, 325)]
    head = b"II" if order == "<" else b"MM"
    head += struct.pack(f"{order}HHHQ", 43, 8, 0, start) if is_big else struct.pack(f"{order}HL", 42, start)
    directory = struct.pack(f"{order}{'Q' if is_big else 'H'}", len(entries)) + b"".join(entries)
    return head + directory + bytes(number * (1 + num_tiles))


HUGE = {
    "huge.png": lambda: attacks.png(30_000, 30_000),
    "wide.png": lambda: attacks.png(30_000, 8_000),
    "thin.png": lambda: attacks.png(30_000, 3_000),  # Pillow itself refuses no more than twice as many pixels
    "huge.bmp": lambda: bmp(30_000, 30_000),
    "huge.tif": lambda: tiff(30_000, 30_000),
    "huge.ppm": lambda: b"P6 30000 30000 255\n",
}


@protections
@pytest.mark.parametrize("name", HUGE)
def test_a_picture_of_30000_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch, name, protected):
    path = tmp_path / name
    path.write_bytes(HUGE[name]())
    if not protected:
        monkeypatch.setattr(pictures, "MAX_PIXELS", 1 << 40)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        assert media.probe(path).video.width == 30_000
        return
    began = time.monotonic()
    for read in (media.probe, lambda path: pictures.read_picture(path, (8, 8))):
        with pytest.raises(MediaError, match=r"too many|decompression bomb|exceeds limit"):
            read(path)
    assert time.monotonic() - began < 1


def progressive(side, scans):
    packed = io.BytesIO()
    Image.new("L", (side, side)).save(packed, "JPEG", progressive=True, quality=10)
    return attacks.with_scans(packed.getvalue(), scans)


@protections
def test_a_jpeg_of_hundreds_of_scans_is_refused(tmp_path, monkeypatch, protected):
    """Each scan is 122 bytes and passes over all pixels: a megabyte of them takes minutes; no signal ends it."""
    path = tmp_path / "slow.jpg"
    path.write_bytes(progressive(2048, 400))
    if protected:
        with pytest.raises(MediaError, match="more than 100 scans"):
            pictures.read_picture(path, (64, 64))
        return
    monkeypatch.setattr(picture_bombs, "MAX_SCANS", 10**9)
    plain = tmp_path / "plain.jpg"
    plain.write_bytes(progressive(2048, 0))
    assert seconds_to_read(path) > 5 * seconds_to_read(plain)


def seconds_to_read(path):
    began = time.process_time()
    pictures.read_picture(path, (64, 64))
    return time.process_time() - began


def test_an_ordinary_progressive_jpeg_is_read(tmp_path):
    (tmp_path / "a.jpg").write_bytes(progressive(256, 20))
    assert pictures.read_picture(tmp_path / "a.jpg", (16, 16)).shape == (16, 16, 3)


@protections
def test_a_tiff_of_millions_of_tiles_is_refused(tmp_path, monkeypatch, protected):
    """Pillow keeps 300 bytes for 4 of the file's: 100 MB of hole would be 8 GB of ours."""
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(8192, 8192, 200_000))
    monkeypatch.setattr(picture_bombs, "MAX_VALUES", 100_000 if protected else 1 << 40)
    built = []
    tile = TiffImagePlugin.ImageFile._Tile
    monkeypatch.setattr(TiffImagePlugin.ImageFile, "_Tile", lambda *parts: built.append(1) or tile(*parts))
    if protected:
        with pytest.raises(MediaError, match="200000 values"):
            media.probe(path)
        assert not built
    else:
        media.probe(path)
        assert len(built) == 200_000


@protections
@pytest.mark.parametrize(("order", "is_big"), [("<", False), (">", False), ("<", True)])
def test_tables_are_measured_in_every_kind_of_tiff(tmp_path, monkeypatch, order, is_big, protected):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(64, 64, 16, order=order, is_big=is_big))
    monkeypatch.setattr(picture_bombs, "MAX_VALUES", 15 if protected else 16)
    if protected:
        with pytest.raises(MediaError, match="16 values in one table are too many"):
            media.probe(path)
    else:
        assert media.probe(path).video.width == 64


@protections
def test_a_picture_of_gigabytes_is_refused_before_it_is_read_whole(tmp_path, monkeypatch, protected):
    """Pillow reads a WebP at once, holes and all."""
    path = tmp_path / "a.webp"
    Image.new("RGB", (64, 64)).save(path)
    with path.open("ab") as file:
        file.truncate(64 << 20)
    monkeypatch.setattr(picture_bombs, "MAX_BYTES", (32 << 20) if protected else 1 << 40)
    if protected:
        with pytest.raises(MediaError, match="64 MiB are too many"):
            media.probe(path)
    else:
        assert media.probe(path).video.width == 64


@protections
def test_a_postscript_program_under_another_name_starts_no_interpreter(tmp_path, monkeypatch, protected):
    path, mark, folder = tmp_path / "a.png", tmp_path / "started", tmp_path / "bin"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n")
    folder.mkdir()
    (folder / "gs").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (folder / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    if not protected:
        monkeypatch.setattr(pictures, "PICTURE_FORMATS", (*pictures.PICTURE_FORMATS, "EPS"))
    with pytest.raises(MediaError, match="cannot be read as a picture"):
        pictures.read_picture(path, (8, 8))
    assert mark.exists() is not protected


SCRIPTS = {
    "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "drawing.mp4": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "subtitles.mkv": b"1\n00:00:00,000 --> 00:00:01,000\n<img src='http://127.0.0.1/'>\n",
    "session.mp4": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "metadata.mp4": b";FFMETADATA1\ntitle=x\n",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_no_picture_and_no_film_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(SCRIPTS[name])
    with pytest.raises(MediaError):
        media.probe(tmp_path / name)


def test_pictures_are_opened_as_files_are():
    assert picture_bombs.open_file is safety.open_file
