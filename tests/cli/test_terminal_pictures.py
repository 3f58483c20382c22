"""Truth: the published escape sequences, read back into the picture."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from avsearch.cli.terminal_pictures import ROWS, Protocol, drawn, terminal_protocol


@pytest.fixture
def picture():
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (96, 128, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, Protocol.KITTY),
        ({"KITTY_WINDOW_ID": "1"}, Protocol.KITTY),
        ({"TERM_PROGRAM": "ghostty"}, Protocol.KITTY),
        ({"TERM_PROGRAM": "iTerm.app"}, Protocol.ITERM),
        ({"TERM_PROGRAM": "WezTerm"}, Protocol.ITERM),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, Protocol.BLOCKS),
        ({"TERM": "xterm-256color"}, Protocol.BLOCKS),
        ({}, Protocol.BLOCKS),
    ],
)
def test_a_terminal_is_known_by_what_it_sets(environment, protocol):
    assert terminal_protocol(environment) is protocol


def test_kitty_gets_the_picture_in_pieces(picture):
    text = drawn(picture, Protocol.KITTY)
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in pieces) == text
    assert pieces[0][0].startswith(f"a=T,f=100,r={ROWS},q=2,")
    assert [keys[-1] for keys, _ in pieces] == ["1"] * (len(pieces) - 1) + ["0"]
    assert all(len(data) <= 4096 for _, data in pieces)
    shown = Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in pieces))))
    assert np.array_equal(np.asarray(shown), np.asarray(picture))


def test_iterm_gets_the_picture_at_once(picture):
    found = re.fullmatch(
        r"\x1b\]1337;File=inline=1;size=(\d+);height=8;preserveAspectRatio=1:([^\a]*)\a",
        drawn(picture, Protocol.ITERM),
    )
    data = base64.b64decode(found[2])
    assert len(data) == int(found[1])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), np.asarray(picture))


def test_other_terminals_get_two_pixels_a_letter():
    picture = Image.new("RGB", (64, 32), (255, 0, 0))
    picture.paste((0, 0, 255), (0, 16, 64, 32))
    lines = drawn(picture, Protocol.BLOCKS).splitlines()
    assert len(lines) == ROWS
    assert {line.count("▀") for line in lines} == {32}
    assert "38;2;255;0;0m" in lines[0]
    assert "48;2;0;0;255m" in lines[-1]
    assert all(line.endswith("\x1b[0m") for line in lines)
