"""Which parts of a damaged file gave no moments: what a reader has to be told of a file that is indexed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from avsearch.media import Damage
from avsearch.moments import SECOND_US, Modality

_MOST_TOLD = 3


@dataclass(frozen=True)
class Incomplete:
    """A file that is read to its end, and of which damage has taken a part: `reason` says which."""

    reason: str


@dataclass
class Timeline:
    """Where a file has pictures and sound, and what the decoders complained of.

    Attributes:
        gap_us: the longest that image moments may lie apart, in microseconds.
        frames_us: the times of all frames.
        heard_us: where the sound ends.
        damage: the first complaints of the decoders.
    """

    gap_us: int
    frames_us: list[int] = field(default_factory=list)
    heard_us: int = 0
    damage: Damage | None = None
    _seconds_us: list[int] = field(default_factory=list)
    _num_silent: int = 0

    def add(self, modality: Modality, start_us: int, *, is_left_out: bool) -> None:
        """Take in a frame or a second that was decoded, in any order; a second that is left out is silent."""
        if modality is Modality.IMAGE:
            self.frames_us.append(start_us)
            return
        self.heard_us = max(self.heard_us, start_us + SECOND_US)
        if is_left_out:
            self._num_silent += 1
        else:
            self._seconds_us.append(start_us)

    def incomplete(self, end_us: int) -> Incomplete | None:
        """What is missing up to the end that the header gives, if the decoders complained.

        Pictures that stand still for long have gaps too, and so has a sound with a pause; so without a complaint
        nothing is missing. What cannot be decoded in the middle of a sound is heard as silence: that is damage
        where pictures are missing too, or where the complaints are as many as the silent seconds.
        """
        if self.damage is None:
            return None
        pictures = list(stretches(self.frames_us, end_us, limit_us=self.gap_us + SECOND_US))
        sounds = list(stretches(self._seconds_us, end_us, limit_us=2 * SECOND_US, length_us=SECOND_US))
        if self._num_silent > self.damage.num_errors:
            sounds = [hole for hole in sounds if hole[1] == end_us or any(_overlap(hole, it) for it in pictures)]
        told = [f"no pictures {_listed(pictures)}"] if pictures else []
        told += [f"no sound {_listed(sounds)}"] if sounds else []
        if not told:
            return None
        missing = " and ".join(told)
        return Incomplete(f"{missing[0].upper()}{missing[1:]}: it is damaged ({self.damage.words}).")


def stretches(
    times_us: Sequence[int], end_us: int, *, limit_us: int, length_us: int = 0
) -> Iterator[tuple[int, int]]:
    """(from, to) in microseconds, wherever one moment begins more than a limit after the one before it.

    Args:
        times_us: where moments begin, in any order; where there is none at all, there is nothing to be missed.
        end_us: where the last of them should reach to.
        limit_us: the distance that is no gap.
        length_us: how much of it a moment covers itself.
    """
    begun_us = -length_us
    for time_us in (*sorted(times_us), end_us) if times_us else ():
        if time_us - begun_us > limit_us:
            yield begun_us + length_us, time_us
        begun_us = time_us


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _listed(holes: Sequence[tuple[int, int]]) -> str:
    told = [f"from {_clock(start_us)} to {_clock(end_us)}" for start_us, end_us in holes[:_MOST_TOLD]]
    if len(holes) > _MOST_TOLD:
        told.append(f"in {len(holes) - _MOST_TOLD} more places")
    return ", ".join(told)


def _clock(time_us: int) -> str:
    minutes, seconds = divmod(round(time_us / SECOND_US), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
