"""Names that mean something to ffmpeg, and files that are none; `unprotected` they do what they are made for."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media import decode, frames, intra, pictures, safety, sound
from tests.media import attacks
from tests.media.attacks import disarm, opened_names, refusals

probe = sys.modules["avsearch.media.probe"]  # the package's attribute of that name is the function
protections = pytest.mark.parametrize("protected", [True, False], ids=["protected", "unprotected"])

NAMES_OF_PROTOCOLS = [
    "concat:decoy.ts|decoy.ts",
    "concat:decoy.mp4",
    "subfile,,start,0,end,0,,:decoy.mp4",
    "async:decoy.mp4",
    "cache:decoy.mp4",
]


@protections
@pytest.mark.parametrize("name", NAMES_OF_PROTOCOLS)
def test_a_name_that_is_a_protocol_opens_only_the_file_of_that_name(folder, monkeypatch, name, protected):
    shutil.copy(folder / "decoy.mp4", folder / name)
    monkeypatch.chdir(folder)
    if not protected:
        monkeypatch.setattr(safety, "file_url", str)
        disarm(monkeypatch)
    with opened_names(folder) as opened:
        told = refusals(Path(name))
    if protected:
        assert not any(told.values()), told
        assert opened == {name}
    else:
        assert any(it.startswith("decoy") for it in opened)


@protections
def test_a_name_that_is_an_address_contacts_nobody(folder, monkeypatch, protected):
    with attacks.listener() as (port, heard):
        name = f"http:/127.0.0.1:{port}/film.mp4"
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(folder / "decoy.mp4", folder / name)
        monkeypatch.chdir(folder)
        if not protected:
            monkeypatch.setattr(safety, "file_url", str)
            disarm(monkeypatch)
        told = refusals(Path(name))
        assert any(told.values()) is not protected
        assert bool(heard) is not protected


@protections
def test_a_name_with_a_number_pattern_reads_no_series_of_pictures(tmp_path, monkeypatch, protected):
    """A file `%03d.png` is a picture like any other; ffmpeg would read 000.png, 001.png, ... for it."""
    for name in ("000.png", "001.png", "%03d.png"):
        (tmp_path / name).write_bytes(attacks.png(64, 64))
    if not protected:
        disarm(monkeypatch)
    command = safety.ffprobe_command(tmp_path / "%03d.png", "-show_entries", "stream=width", "-of", "csv")
    with opened_names(tmp_path) as opened:
        done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode == 0) is not protected
    assert ("000.png" in opened) is not protected
    with opened_names(tmp_path) as opened:
        info = media.probe(tmp_path / "%03d.png")
        assert len(list(media.read_frames(tmp_path / "%03d.png", info, [0], short_side=32))) == 1
    assert opened == {"%03d.png"}


@protections
@pytest.mark.parametrize("name", ["-version.mp4", "-i.mp4", "-y"])
def test_a_name_that_looks_like_an_option_is_a_name(folder, monkeypatch, name, protected):
    shutil.copy(folder / "decoy.mp4", folder / name)
    monkeypatch.chdir(folder)
    if not protected:
        monkeypatch.setattr(safety, "file_url", str)
    told = refusals(Path(name))
    assert bool(told["probe"]) is not protected


SPECIAL = {
    "pipe.mp4": os.mkfifo,
    "pipe.jpg": os.mkfifo,
    "device.mp4": lambda path: path.symlink_to("/dev/zero"),
    "device.jpg": lambda path: path.symlink_to("/dev/zero"),
    "folder.mp4": lambda path: path.mkdir(),
    "loop.mp4": lambda path: path.symlink_to(path.name),
    "dangling.mp4": lambda path: path.symlink_to("nothing"),
    "empty.mp4": lambda path: path.touch(),
    "empty.jpg": lambda path: path.touch(),
}


@protections
@pytest.mark.parametrize("name", SPECIAL)
def test_what_is_no_file_with_something_in_it_is_not_opened(tmp_path, monkeypatch, name, protected):
    path = tmp_path / name
    SPECIAL[name](path)
    if not protected:
        monkeypatch.setattr(probe, "require_file", lambda _: None)
        monkeypatch.setattr(probe, "PROBE_TIMEOUT_S", 0.5)
    with opened_names(tmp_path) as opened, pytest.raises(MediaError) as failure:
        media.probe(path)
    if protected:
        assert not opened
        assert (
            "no such file" in failure.value.message or "regular" in failure.value.message or "empty" in str(failure)
        )
    elif name == "pipe.mp4":
        assert "takes too long" in failure.value.message
    elif name.startswith("empty"):
        assert opened


@pytest.mark.parametrize("reader", attacks.READERS)
def test_a_file_that_became_a_pipe_after_it_was_looked_at_hangs_nobody(tmp_path, monkeypatch, reader):
    os.mkfifo(tmp_path / "film.mp4")
    monkeypatch.setattr(probe, "require_file", lambda _: None)
    for module, name in ((probe, "PROBE"), (frames, "DEMUX"), (frames, "DECODE"), (sound, "DECODE")):
        monkeypatch.setattr(module, f"{name}_TIMEOUT_S", 0.2)
    monkeypatch.setattr(decode, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(intra, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(frames, "_DECODE_TIMEOUT_PER_SECOND", 0.0)
    with pytest.raises(MediaError, match="takes too long"):
        attacks.READERS[reader](tmp_path / "film.mp4")


@protections
@pytest.mark.parametrize("read", [media.content_hash, lambda path: pictures.read_picture(path, (8, 8))])
def test_a_pipe_in_place_of_a_file_is_refused_by_what_opens_it_here(tmp_path, monkeypatch, read, protected):
    """Without the protection the thread waits for a writer for ever; the test is that writer in the end."""
    os.mkfifo(tmp_path / "a.jpg")
    if not protected:
        monkeypatch.setattr(os, "O_NONBLOCK", 0)
        monkeypatch.setattr(safety.stat, "S_ISREG", lambda _: True)
    told = []

    def attempt():
        try:
            read(tmp_path / "a.jpg")
        except (MediaError, OSError) as error:
            told.append(str(error))

    reader = threading.Thread(target=attempt, daemon=True)
    reader.start()
    reader.join(1.0 if not protected else 20.0)
    assert reader.is_alive() is not protected
    if protected:
        assert "not a regular file" in told[0]
    else:
        (tmp_path / "a.jpg").write_bytes(b"")
        reader.join(20)


@protections
def test_a_file_that_is_all_hole_is_refused_before_its_zeros_are_read(tmp_path, monkeypatch, protected):
    """Half a gigabyte here; 8 EiB of nothing take no room on the disk either, and years to read."""
    path = tmp_path / "film.mp4"
    with path.open("wb") as file:
        file.write(b"x" * 4096)
        file.truncate(512 << 20)
    monkeypatch.setattr(safety, "MAX_HOLE_BYTES", (256 << 20) if protected else 1 << 62)
    if protected:
        with pytest.raises(MediaError, match="never written"):
            media.content_hash(path)
    else:
        assert len(media.content_hash(path)) == 32


def test_a_file_written_in_parts_or_on_a_file_system_without_holes_is_read(tmp_path, monkeypatch):
    path = tmp_path / "film.mp4"
    with path.open("wb") as file:
        for part in range(5):
            file.seek(part << 20)
            file.write(b"x" * 4096)
    digest = media.content_hash(path)
    monkeypatch.setattr(safety, "MAX_HOLE_BYTES", 4 << 20)
    assert media.content_hash(path) == digest
    monkeypatch.setattr(safety, "MAX_HOLE_BYTES", 3 << 20)
    with pytest.raises(MediaError, match="never written"):
        media.content_hash(path)

    def seek(*_):
        raise OSError(22, "no such thing here")

    monkeypatch.setattr(os, "lseek", seek)
    assert media.content_hash(path) == digest
