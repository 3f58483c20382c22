"""Timecode as editors count it: HH:MM:SS:FF at a whole rate, with the numbers that drop frame leaves out.

SMPTE ST 12-1: at 29.97 frames a second, the numbers 00 and 01 of each minute do not exist but in every tenth
(at 59.94, 00 to 03), so that the clock of the numbers keeps up with real time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from avsearch.moments import SECOND_US

_TIMECODE = re.compile(r"(\d{2}):(\d{2}):(\d{2})([:;.])(\d{2,3})")
_TIME_OF_DAY = re.compile(r"(\d{2}):(\d{2}):(\d{2})\.(\d{6})")
DEFAULT_RATE = Fraction(25)


@dataclass(frozen=True)
class Clock:
    """How frames are numbered.

    Attributes:
        rate: frames a second, as 30000/1001.
        drops: whether numbers are left out; only at 30000/1001 and 60000/1001 it is ever so.
    """

    rate: Fraction
    drops: bool = False

    def __post_init__(self) -> None:
        if self.rate <= 0 or (self.drops and self.counted not in {30, 60}):
            raise ValueError(f"no timecode counts so: {self}")

    @property
    def counted(self) -> int:
        """The numbers that make a second."""
        return max(round(self.rate), 1)

    def frame_at(self, time_us: int) -> int:
        """The frame that is shown at a time, counted from 0; a rounded time still means its own frame."""
        return int(Fraction(time_us + 1, SECOND_US) * self.rate)

    def text(self, frame: int) -> str:
        """The number of a frame, which starts again after a day."""
        number = self._with_dropped(frame) if self.drops else frame
        seconds, frames = divmod(number, self.counted)
        minutes, second = divmod(seconds, 60)
        hours, minute = divmod(minutes, 60)
        digits = len(str(self.counted - 1)) if self.counted > 100 else 2
        return f"{hours % 24:02d}:{minute:02d}:{second:02d}{';' if self.drops else ':'}{frames:0{digits}d}"

    def frame(self, text: str) -> int:
        """The frame that a number stands for.

        Raises:
            ValueError: it is no timecode.
        """
        found = _TIMECODE.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no timecode")
        hour, minute, second, frames = (int(found[place]) for place in (1, 2, 3, 5))
        minutes = hour * 60 + minute
        number = (minutes * 60 + second) * self.counted + frames
        return number - self._dropped_a_minute * (minutes - minutes // 10) if self.drops else number

    @property
    def _dropped_a_minute(self) -> int:
        return self.counted // 15

    def _with_dropped(self, frame: int) -> int:
        dropped = self._dropped_a_minute
        minute = self.counted * 60 - dropped
        ten_minutes = minute * 10 + dropped
        tens, rest = divmod(frame, ten_minutes)
        minutes = max(rest - dropped, 0) // minute
        return frame + dropped * (9 * tens + minutes)


def clock_of(timecode: str, frames_per_second: float) -> tuple[Clock, int]:
    """How a file counts, and the number of its first frame.

    Args:
        timecode: of the first frame as `MediaInfo.timecode` has it; empty for a file that begins at 0. A sound's
            is a time of day, which becomes frames of `DEFAULT_RATE`.
        frames_per_second: of its pictures; 0 where there are none.
    """
    rate = DEFAULT_RATE if frames_per_second <= 0 else exact_rate(frames_per_second)
    if of_day := _TIME_OF_DAY.fullmatch(timecode):
        hour, minute, second, microsecond = map(int, of_day.groups())
        clock = Clock(rate)
        return clock, clock.frame_at(((hour * 60 + minute) * 60 + second) * SECOND_US + microsecond)
    found = _TIMECODE.fullmatch(timecode)
    if found is None:
        return Clock(rate), 0
    clock = Clock(rate, drops=found[4] != ":" and round(rate) in {30, 60})
    return clock, clock.frame(timecode)


def exact_rate(frames_per_second: float) -> Fraction:
    """23.976 and its like -> 24000/1001 and its like; others to a thousandth."""
    whole = round(frames_per_second)
    ntsc = Fraction(whole * 1000, 1001)
    if whole and abs(frames_per_second - float(ntsc)) < abs(frames_per_second - whole):
        return ntsc
    return max(Fraction(round(frames_per_second * 1000), 1000), Fraction(1, 1000))
