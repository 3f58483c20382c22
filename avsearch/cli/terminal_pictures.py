"""Hits drawn in the terminal: as real pictures where it knows how Kitty or iTerm2 take them, else as half blocks.

Sources: https://sw.kovidgoyal.net/kitty/graphics-protocol/ and https://iterm2.com/documentation-images.html
"""

from __future__ import annotations

import base64
import io
import os
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from avsearch.cli.hit_cells import bar, seconds
from avsearch.cli.output import print_line, shown, shown_progress
from avsearch.remote import address

if TYPE_CHECKING:
    from PIL.Image import Image

    from avsearch.moments import Hit

ROWS = 8  # of the terminal, for each picture
_COLUMNS = 32
_KITTY_CHUNK = 4096
_ITERM_PROGRAMS = frozenset({"iTerm.app", "WezTerm", "mintty"})


class Protocol(StrEnum):
    """How a terminal takes pictures."""

    KITTY = "kitty"
    ITERM = "iterm"
    BLOCKS = "blocks"


def terminal_protocol(environment: Mapping[str, str]) -> Protocol:
    """What a terminal understands, by the variables that it sets; half blocks are only coloured text."""
    program = environment.get("TERM_PROGRAM", "")
    if environment.get("TMUX") or environment.get("STY"):
        return Protocol.BLOCKS  # it would swallow the pictures
    if "KITTY_WINDOW_ID" in environment or program == "ghostty" or "kitty" in environment.get("TERM", ""):
        return Protocol.KITTY
    return Protocol.ITERM if program in _ITERM_PROGRAMS else Protocol.BLOCKS


def draws_pictures() -> bool:
    """Whether the terminal takes real pictures."""
    return terminal_protocol(os.environ) is not Protocol.BLOCKS


def draw_hits(hits: Sequence[Hit]) -> None:
    """Each hit with its frame, or with that in the middle of its second; without one where nothing can be read."""
    from PIL import Image

    from avsearch.media.shown import Wanted, read_shown
    from avsearch.moments import SECOND_US

    protocol = terminal_protocol(os.environ)
    wanted = {hit: Wanted(hit.path, hit.modality, round(hit.start_s * SECOND_US)) for hit in hits}
    with shown_progress() as progress:
        pictures = read_shown(wanted.values(), progress)
    for hit in hits:
        found = pictures[wanted[hit]]
        if found.jpeg:
            with Image.open(io.BytesIO(found.jpeg), formats=["JPEG"]) as picture:
                sys.stdout.write(drawn(picture.convert("RGB"), protocol) + "\n")
        print_line(f"{hit.rank:>3}  {hit.score:.3f} {bar(hit.score)}  {address(hit.path)}@{seconds(hit.start_s)}")
        if found.failure and not found.jpeg:
            print_line(f"     {shown(found.failure)}")


def drawn(picture: Image, protocol: Protocol) -> str:
    """An RGB picture as what makes a terminal show it."""
    if protocol is Protocol.BLOCKS:
        return _blocks(picture)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    data = base64.standard_b64encode(buffer.getvalue()).decode()
    return _kitty(data) if protocol is Protocol.KITTY else _iterm(data, len(buffer.getvalue()))


def _kitty(data: str) -> str:
    """In pieces, of which all but the last announce another."""
    pieces = [data[first : first + _KITTY_CHUNK] for first in range(0, len(data), _KITTY_CHUNK)]
    parts = []
    for number, piece in enumerate(pieces):
        keys = f"a=T,f=100,r={ROWS},q=2," if number == 0 else ""
        parts.append(f"\x1b_G{keys}m={int(number + 1 < len(pieces))};{piece}\x1b\\")
    return "".join(parts)


def _iterm(data: str, num_bytes: int) -> str:
    return f"\x1b]1337;File=inline=1;size={num_bytes};height={ROWS};preserveAspectRatio=1:{data}\a"


def _blocks(picture: Image) -> str:
    """Two pixels a character: the upper one is the letter's colour, the lower one its ground."""
    scale = min(_COLUMNS / picture.width, 2 * ROWS / picture.height)
    width, rows = max(round(picture.width * scale), 1), max(round(picture.height * scale / 2), 1)
    small = picture.resize((width, 2 * rows))
    pixels = [[small.getpixel((x, y)) for x in range(width)] for y in range(2 * rows)]
    lines = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        cells = (
            f"\x1b[38;2;{_colour(top)}m\x1b[48;2;{_colour(bottom)}m▀"
            for top, bottom in zip(upper, lower, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def _colour(pixel: object) -> str:
    red, green, blue = pixel if isinstance(pixel, tuple) else (0, 0, 0)
    return f"{red};{green};{blue}"
