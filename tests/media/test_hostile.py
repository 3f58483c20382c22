"""Attacks on whoever reads a file, each with its protection and, `unprotected`, without it: there it succeeds."""

import pytest

from avsearch.media import safety
from tests.media import attacks
from tests.media.attacks import disarm, opened_names, refusals

protections = pytest.mark.parametrize("protected", [True, False], ids=["protected", "unprotected"])

REFERRING = {
    "playlist.mp4": (attacks.hls, "decoy.ts"),
    "playlist.mkv": (attacks.hls, "decoy.ts"),
    "playlist.wav": (attacks.hls, "decoy.ts"),
    "concat.mp4": (attacks.ffconcat, "decoy.mp4"),
    "concat.mkv": (attacks.ffconcat, "decoy.mp4"),
    "manifest.mp4": (attacks.dash, "decoy.mp4"),
    "manifest.mkv": (attacks.dash, "decoy.mp4"),
    "list.m3u8": (attacks.hls, "decoy.ts"),
    "list.ffconcat": (attacks.ffconcat, "decoy.mp4"),
    "list.mpd": (attacks.dash, "decoy.mp4"),
}


@protections
@pytest.mark.parametrize("name", REFERRING)
def test_a_playlist_under_another_name_opens_no_other_file(folder, monkeypatch, name, protected):
    write, target = REFERRING[name]
    write(folder / name, target)
    if not protected:
        disarm(monkeypatch)
    with opened_names(folder) as opened:
        told = refusals(folder / name)
    if protected:
        assert all(told.values()), told
        assert opened == {name}
    else:
        assert target in opened
        assert not told["probe"]


@pytest.mark.parametrize("kept", ["format_whitelist", "protocol_whitelist", None])
@pytest.mark.parametrize("write", [attacks.hls, attacks.ffconcat, attacks.dash], ids=lambda it: it.__name__)
def test_either_list_alone_keeps_a_playlist_from_an_address(tmp_path, monkeypatch, write, kept):
    with attacks.listener() as (port, heard):
        write(tmp_path / "list.mp4", f"http://127.0.0.1:{port}/a.ts")
        left = {"protocol_whitelist": attacks.EVERY_PROTOCOL}
        if write is attacks.ffconcat:
            left["safe"] = "0"
        if kept is not None:
            left[kept] = safety.INPUT_OPTIONS[kept]
        disarm(monkeypatch, **left)
        told = refusals(tmp_path / "list.mp4")
        if kept is not None:
            assert all(told.values()), told
            assert heard == []
        else:
            assert heard[0].startswith(b"GET /a.ts")


@protections
def test_a_film_whose_pictures_lie_in_another_file_opens_none(folder, monkeypatch, protected):
    """ffmpeg follows such references only when asked to; nothing of ours, nor a later default, may ask."""
    attacks.mov_that_refers_to(folder / "reference.mov", folder / "decoy.mp4")
    if not protected:
        disarm(monkeypatch, **safety.INPUT_OPTIONS, enable_drefs="1")
    with opened_names(folder) as opened:
        told = refusals(folder / "reference.mov")
    assert ("decoy.mp4" in opened) is not protected
    assert bool(told["read_frames"]) is protected


@protections
def test_subtitles_named_mkv_fetch_no_pictures_from_a_file_beside_them(folder, monkeypatch, protected):
    attacks.vobsub(folder / "film.mkv", folder / "decoy.mp4")
    if not protected:
        disarm(monkeypatch)
    with opened_names(folder) as opened:
        told = refusals(folder / "film.mkv")
    assert ("film.sub" in opened) is not protected
    assert bool(told["read_frames"]) is protected


def test_a_playlist_in_the_subtitles_of_a_film_is_not_followed(folder):
    """ffmpeg up to 3.1 followed it; nothing of ours is needed since, and this tells if that changes."""
    attacks.avi_with_playlist_subtitles(folder / "film.avi", "decoy.ts")
    with opened_names(folder) as opened:
        told = refusals(folder / "film.avi")
    assert opened == {"film.avi"}
    assert "only subtitle" in told["probe"]


def test_a_film_that_names_the_next_one_of_its_series_opens_none(folder):
    """Matroska can link to another file (NextFilename); ffmpeg does not follow, and this tells if that changes."""
    film = (folder / "film.mkv").absolute()
    attacks.matroska_that_names_the_next(film, folder / "decoy.mp4")
    assert b"decoy.mp4" in film.read_bytes()
    with opened_names(folder) as opened:
        told = refusals(film)
    assert not any(told.values()), told
    assert opened == {"film.mkv"}
