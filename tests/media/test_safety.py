import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media import pictures
from avsearch.media.write import write_clip
from tests.media.attacks import refusals
from tests.media.clips import make_clip, numbered_frames, tones

NAMES = [
    "a:b.mp4",
    "http:x.mp4",
    "data:video,x.mp4",
    "pipe:0.mp4",
    "new\nline.mp4",
    "%03d.mp4",
    "%s%n.mp4",
    'it\'s "quoted".mp4',
    "[0:v],scale=1:1;[out].mp4",
    "a\\b.mp4",
    "$(touch x) `touch x`.mp4",
    " spaces .mp4",
    "\x1b[31mred.mp4",
    os.fsdecode(b"caf\xe9 \xff\xfe.mp4"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_ever_a_name(tmp_path, monkeypatch, name):
    """As an absolute path and as a relative one; what is read is what a plain name gives."""
    shutil.copy(make_clip(tmp_path / "plain.mp4", seconds=1), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    info = media.probe(tmp_path / "plain.mp4")
    for path in (tmp_path / name, Path(name)):
        assert media.probe(path) == info
        assert media.frame_times(path, info).times_us.size == 50
        assert len(list(media.read_frames(path, info, [0, 400_000], short_side=64))) == 2
        assert len(list(media.read_intra_frames(path, info, [0, 400_000], short_side=64))) == 2
        assert len(list(media.sound_seconds(path, info))) == 1
        assert len(list(media.read_pass(path, info, short_side=64))) == 3
        assert media.content_hash(path) == media.content_hash(tmp_path / "plain.mp4")


def test_a_clip_is_written_into_a_folder_whose_name_is_not_utf8(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    write_clip(folder / "a.mp4", numbered_frames(5), tones(0.2), frames_per_second=25)
    assert media.probe(folder / "a.mp4").audio is not None


def test_a_picture_under_a_name_that_is_not_utf8_is_read(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9\n.png")
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(path)
    (frame,) = media.read_frames(path, media.probe(path), [0], short_side=24)
    assert frame.rgb.shape == (24, 32, 3)


def test_text_named_mp4_is_refused_with_a_reason(tmp_path):
    (tmp_path / "notes.mp4").write_text("just some words\n" * 100)
    with pytest.raises(MediaError, match=r"notes\.mp4: .*Invalid data"):
        media.probe(tmp_path / "notes.mp4")


@pytest.mark.parametrize("name", NAMES)
def test_no_reason_repeats_a_name_however_odd(tmp_path, name):
    (tmp_path / name).write_text("just some words\n" * 100)
    for told in refusals(tmp_path / name).values():
        reason = told.removeprefix(f"{tmp_path / name}: ")
        assert reason != told
        assert str(tmp_path) not in reason
        assert "\n" not in reason


def test_an_empty_a_missing_and_a_special_file_are_refused(tmp_path):
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaError, match="empty"):
        media.probe(tmp_path / "empty.mp4")
    with pytest.raises(MediaError, match="no such file"):
        media.probe(tmp_path / "missing.mp4")
    with pytest.raises(MediaError, match="not a regular file"):
        media.probe(tmp_path / "pipe.mp4")


def test_a_truncated_file_is_refused(tmp_path):
    clip = make_clip(tmp_path / "whole.mp4")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.raises(MediaError, match="moov"):
        media.probe(cut)


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    monkeypatch.setattr(pictures, "MAX_PIXELS", 64 * 64 - 1)
    with pytest.raises(MediaError, match="too many"):
        media.probe(tmp_path / "a.png")


def test_a_script_named_jpg_is_no_picture(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    with pytest.raises(MediaError, match="cannot be read as a picture"):
        media.probe(tmp_path / "a.jpg")
