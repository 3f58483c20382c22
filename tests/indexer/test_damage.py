"""A file that breaks off, or has a hole, is indexed with what it has, and says what it has not."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsearch import media
from avsearch.front_end import FrontEnd
from avsearch.moments import Modality
from indexer.damage import Incomplete, Timeline, stretches
from indexer.ingest import read_pieces
from tests.media.clips import ffmpeg, make_clip

FRONT_END = FrontEnd(image_side=64, short_side=64, window=480, hop=240, n_fft=512, num_bands=0)
GAP_US = 2_000_000


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """30 s with a keyframe and another tone every second, in four containers."""
    folder = tmp_path_factory.mktemp("clips")
    clip = make_clip(folder / "base.mp4", frames=750, seconds=30)
    again = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "aac", "-movflags", "+faststart"]
    ffmpeg("-i", clip, *again, folder / "a.mp4")
    for name in ("a.mkv", "a.ts"):
        ffmpeg("-i", folder / "a.mp4", "-c", "copy", folder / name)
    return folder


def told(path):
    found = read_pieces(path, media.probe(path), FRONT_END, gap_us=GAP_US)
    return [it.reason for it in found if isinstance(it, Incomplete)]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_nothing_is_told_of_a_whole_file(clips, name):
    assert not told(clips / name)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_file_that_breaks_off_tells_where(clips, tmp_path, name):
    content = (clips / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    [reason] = told(tmp_path / name)
    assert "no sound from 0:1" in reason
    assert reason.startswith("No pictures from 0:1")
    assert "to 0:30" in reason


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_hole_in_the_middle_is_told_with_both_its_ends(clips, tmp_path, name):
    content = bytearray((clips / name).read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = bytes(third)
    (tmp_path / name).write_bytes(content)
    [reason] = told(tmp_path / name)
    pictures, sound = reason.split(" and no sound ")
    for part in (pictures, sound):
        assert "to 0:30" not in part
        assert "from 0:" in part


def test_a_pause_is_no_damage_without_a_complaint():
    timeline = Timeline(GAP_US)
    timeline.add(Modality.IMAGE, 0, is_left_out=False)
    assert timeline.incomplete(60_000_000) is None
    timeline.damage = media.Damage("Invalid data", 1)
    assert timeline.incomplete(60_000_000).reason == "No pictures from 0:00 to 1:00: it is damaged (Invalid data)."
    assert timeline.incomplete(3_000_000) is None


@given(st.lists(st.integers(0, 100_000_000), min_size=1), st.integers(0, 100_000_000), st.integers(1, 9_000_000))
def test_stretches_are_the_gaps_and_nothing_else(times_us, end_us, limit_us):
    found = list(stretches(times_us, end_us, limit_us=limit_us))
    edges = [0, *sorted(times_us), end_us]
    assert found == [(one, other) for one, other in pairwise(edges) if other - one > limit_us]
