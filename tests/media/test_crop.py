"""Truth: each quarter of a picture, and of a film, has a colour of its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from avsearch import media
from avsearch.moments import Box, VideoStream
from tests.media.clips import ffmpeg

COLOURS = {
    "left top": (200, 30, 30),
    "right top": (30, 200, 30),
    "left below": (30, 30, 200),
    "right below": (9, 9, 9),
}
BOXES = {
    "left top": Box(0, 0, 0.5, 0.5),
    "right top": Box(0.5, 0, 1, 0.5),
    "left below": Box(0, 0.5, 0.5, 1),
    "right below": Box(0.5, 0.5, 1, 1),
}


def quarters(width=160, height=96):
    pixels = np.zeros((height, width, 3), np.uint8)
    for name, colour in COLOURS.items():
        rows = slice(0, height // 2) if "top" in name else slice(height // 2, None)
        columns = slice(0, width // 2) if "left" in name else slice(width // 2, None)
        pixels[rows, columns] = colour
    return pixels


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quarters")
    Image.fromarray(quarters()).save(folder / "still.png")
    Image.fromarray(quarters()).save(folder / "still.jpg", quality=95)
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "160x96", "-r", 25, "-i", "pipe:0"]
    film = np.repeat(quarters()[None], 10, axis=0).tobytes()
    for name, options in {
        "film.mp4": ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-qp", 1],
        "intra.mov": ["-c:v", "prores_ks"],
        "wide.mp4": ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-vf", "setsar=2/1", "-qp", 1],
    }.items():
        ffmpeg(*raw, *options, folder / name, stdin=film)
    return folder


@pytest.mark.parametrize("name", ["still.png", "still.jpg", "film.mp4", "intra.mov", "wide.mp4"])
@pytest.mark.parametrize("part", BOXES)
def test_a_part_of_a_picture_shows_nothing_else(files, name, part):
    path = files / name
    info = media.probe(path).cropped(BOXES[part])
    [frame] = media.read_frames(path, info, [0], short_side=32)
    assert frame.rgb.shape[:2] == (32, round(32 * info.video.width / info.video.height))
    inner = frame.rgb[2:-2, 3:-3].reshape(-1, 3).astype(int)  # an edge is blended, and colour is coarser than light
    assert np.abs(inner - COLOURS[part]).max() <= 12


def test_frames_far_into_an_intra_file_are_cut_too(files):
    info = media.probe(files / "intra.mov").cropped(BOXES["right top"])
    frames = list(media.read_intra_frames(files / "intra.mov", info, [0, 200_000], short_side=32))
    for frame in frames:
        assert np.abs(frame.rgb[2:-2, 3:-3].reshape(-1, 3).astype(int) - COLOURS["right top"]).max() <= 12


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4, unique=True))
def test_any_part_of_a_picture_has_at_least_a_pixel(edges):
    left, right = sorted(edges[:2])
    top, bottom = sorted(edges[2:])
    part = VideoStream(0, "h264", 320, 180, 0, 25.0).cropped(Box(left, top, right, bottom))
    assert 1 <= part.width <= 320
    assert 1 <= part.height <= 180


def test_the_smallest_part_can_be_read(files):
    for name in ("still.png", "film.mp4"):
        info = media.probe(files / name).cropped(Box(0.999, 0.999, 1, 1))
        [frame] = media.read_frames(files / name, info, [0], short_side=16)
        assert np.abs(frame.rgb.astype(int) - COLOURS["right below"]).max() <= 12
