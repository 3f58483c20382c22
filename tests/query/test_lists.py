"""Truth: times by hand, paths as Python reads URIs, and the list of cuts read back line by line."""

import os
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest

from avsearch.moments import AudioStream, Hit, MediaInfo, MediaKind, Modality, VideoStream
from avsearch.query.lists import edl, m3u, shown_span
from avsearch.query.timecode import Clock

AUDIO = AudioStream(1, 0, "aac", 48_000, 2, is_default=True)


def hit(rank, path, start_s, *, modality=Modality.AUDIO, to_s=None, duration_s=60.0, kind=MediaKind.VIDEO):
    end_s = min(start_s + 1, duration_s) if modality is Modality.AUDIO else start_s
    return Hit(
        rank=rank,
        score=0.5,
        path=Path(path),
        media_id=rank,
        moment_id=f"{rank}:{modality}:{round(start_s * 1e6)}",
        modality=modality,
        start_s=start_s,
        end_s=end_s,
        from_s=start_s,
        to_s=end_s if to_s is None else to_s,
        labels=(),
        duration_s=duration_s,
        kind=kind,
    )


def info(timecode="", fps=25.0, *, kind=MediaKind.VIDEO):
    video = VideoStream(0, "h264", 320, 180, 0, fps) if kind is not MediaKind.SOUND else None
    audio = AUDIO if kind is not MediaKind.PICTURE else None
    return MediaInfo(kind, 60_000_000, 0, "mov", video, audio, timecode)


def events(text):
    """The cuts of a list: (reel, channels, source in, source out, record in, record out)."""
    cut = re.compile(r"\d{3}  (\S+) +(\S+) +C +(\S{11}) (\S{11}) (\S{11}) (\S{11})")
    return [found.groups() for line in text.split("\r\n") if (found := cut.fullmatch(line))]


def test_a_playlist_plays_each_hit_from_its_second():
    text = m3u([hit(1, "/films/a b.mp4", 12.5, to_s=15.25), hit(2, "/films/still.png", 0, kind=MediaKind.PICTURE)])
    assert text.splitlines() == [
        "#EXTM3U",
        "#EXTINF:2.750,a b.mp4",
        "#EXTVLCOPT:start-time=12.5",
        "#EXTVLCOPT:stop-time=15.25",
        "file:///films/a%20b.mp4",
        "#EXTINF:5.000,still.png",
        "file:///films/still.png",
    ]


@pytest.mark.parametrize(
    "name", ["new\nline.mp4", "#EXTM3U", "100 %.mp4", "r\udce4m.mp4", "日本.wav", "a'b\"c.mp4"]
)
def test_whatever_a_file_is_called_a_playlist_names_it_on_one_line(name):
    lines = m3u([hit(1, Path("/films") / name, 1.0)]).splitlines()
    assert len(lines) == 5
    assert unquote_to_bytes(urlsplit(lines[-1]).path) == os.fsencode(f"/films/{name}")


def test_a_hit_is_played_for_a_second_at_least_and_never_past_the_end():
    assert shown_span(hit(1, "/a.mp4", 10, modality=Modality.IMAGE)) == (10_000_000, 11_000_000)
    assert shown_span(hit(1, "/a.mp4", 59.6, modality=Modality.IMAGE)) == (59_600_000, 60_000_000)
    assert shown_span(hit(1, "/a.mp4", 59.5)) == (59_500_000, 60_000_000)
    assert shown_span(hit(1, "/a.mp4", 3, to_s=9.0)) == (3_000_000, 9_000_000)


def test_cuts_carry_the_timecode_of_their_media():
    hits = [hit(1, "/films/Take 1.mov", 12.48, to_s=14.48), hit(2, "/films/b.mov", 0.0)]
    text = edl(hits, {1: info("10:00:00:00"), 2: info("")}, title="still.jpg")
    assert text.startswith("TITLE: still.jpg\r\nFCM: NON-DROP FRAME\r\n")
    assert events(text) == [
        ("TAKE_1", "B", "10:00:12:12", "10:00:14:12", "01:00:00:00", "01:00:02:00"),
        ("B", "B", "00:00:00:00", "00:00:01:00", "01:00:02:00", "01:00:03:00"),
    ]
    assert "* FROM CLIP NAME: Take 1.mov" in text
    assert "* SOURCE FILE: /films/Take 1.mov" in text


def test_drop_frame_media_are_counted_so():
    rate = Fraction(30000, 1001)
    frame_s = float(1 / rate)
    first = hit(1, "/a.mov", 1800 * frame_s, to_s=1830 * frame_s, duration_s=600.0)
    text = edl([first], {1: info("00:00:00;00", float(rate))}, title="x")
    assert "FCM: DROP FRAME" in text
    [(_, _, begin, end, _, _)] = events(text)
    assert (begin, end) == ("00:01:00;02", "00:01:01;02")
    assert Clock(rate, drops=True).frame(begin) == 1800


def test_each_cut_begins_on_the_programme_where_the_last_one_ends():
    hits = [hit(rank, f"/{rank}.mov", rank * 0.97, to_s=rank * 0.97 + 1.3) for rank in range(1, 40)]
    rates = [23.976, 25.0, 29.97, 50.0]
    cuts = events(edl(hits, {rank: info("", rates[rank % 4]) for rank in range(1, 40)}, title="x"))
    assert len(cuts) == 39
    assert all(before[5] == after[4] for before, after in pairwise(cuts))


def test_pictures_and_sounds_say_which_side_they_have():
    kinds = {1: MediaKind.VIDEO, 2: MediaKind.SOUND, 3: MediaKind.PICTURE}
    hits = [hit(rank, f"/{rank}.x", 0.0, kind=kind) for rank, kind in kinds.items()]
    infos = {rank: info("", 0.0 if rank > 1 else 25.0, kind=kind) for rank, kind in kinds.items()}
    cuts = events(edl(hits, infos, title="x"))
    assert [cut[1] for cut in cuts] == ["B", "A", "V"]


def test_a_name_cannot_add_lines_to_a_list_of_cuts():
    text = edl([hit(1, "/films/x\r\n002  EVIL.mov", 0.0)], {1: info()}, title="a\r\nFCM: DROP FRAME")
    assert len(events(text)) == 1
    assert text.count("FCM:") == 2  # one of them within the title's line
    assert text.split("\r\n")[1] == "FCM: NON-DROP FRAME"
