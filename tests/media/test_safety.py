import os
import shutil

import pytest
from PIL import Image

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media import pictures
from tests.media.clips import make_clip


@pytest.mark.parametrize("name", ["playlist.mp4", "playlist.mkv", "playlist.wav"])
def test_a_playlist_under_another_name_opens_no_other_file(tmp_path, name):
    make_clip(tmp_path / "secret.ts")
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / name).write_text(playlist)
    with pytest.raises(MediaError):
        media.probe(tmp_path / name)


def test_a_concat_script_under_another_name_is_refused(tmp_path):
    make_clip(tmp_path / "secret.mp4")
    (tmp_path / "script.mp4").write_text("ffconcat version 1.0\nfile secret.mp4\n")
    with pytest.raises(MediaError):
        media.probe(tmp_path / "script.mp4")


@pytest.mark.parametrize("name", ["-i.mp4", "concat:a|b.mp4", "a:b.mp4", "http:x.mp4", "new\nline.mp4", "%03d.mp4"])
def test_a_name_is_only_ever_a_name(tmp_path, monkeypatch, name):
    clip = make_clip(tmp_path / "plain.mp4")
    shutil.copy(clip, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    relative = media.listing.Path(name)
    info = media.probe(relative)
    assert len(list(media.read_frames(relative, info, [0, 400_000], short_side=64))) == 2


def test_a_name_that_is_not_utf8_is_read(tmp_path):
    clip = make_clip(tmp_path / "plain.mp4")
    odd = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    shutil.copy(clip, odd)
    assert media.frame_times(odd, media.probe(odd)).times_us.size == 50


def test_text_named_mp4_is_refused_with_a_reason(tmp_path):
    (tmp_path / "notes.mp4").write_text("just some words\n" * 100)
    with pytest.raises(MediaError, match=r"notes\.mp4: .*Invalid data"):
        media.probe(tmp_path / "notes.mp4")


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
