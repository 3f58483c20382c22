"""Pure: which frames become moments beside the keyframes that decode cheaply."""

from __future__ import annotations

from collections.abc import Sequence

GAP_US = 2_000_000
GAP_TOLERANCE_US = 100_000  # a keyframe every 60 frames at 29.97 Hz comes every 2.002 s: that is two seconds


def fill_times(keyframes_us: Sequence[int], end_us: int, *, gap_us: int = GAP_US) -> list[int]:
    """Times for exact decoding, so that image moments lie at most `gap_us` apart, in microseconds, ascending.

    A gap beyond the limit is divided evenly, into as few parts as the limit allows.

    Args:
        keyframes_us: ascending times of the frames that there are.
        end_us: where the pictures end.
        gap_us: the limit.
    """
    if gap_us <= GAP_TOLERANCE_US:
        raise ValueError(f"a gap of {gap_us} us is too short")
    times: list[int] = []
    before = [0, *keyframes_us]
    after = [*keyframes_us, end_us]
    for start_us, stop_us in zip(before, after, strict=True):
        num_parts = -((start_us - stop_us + GAP_TOLERANCE_US) // gap_us)
        times += [start_us + (stop_us - start_us) * part // num_parts for part in range(1, num_parts)]
    if times and (not keyframes_us or keyframes_us[0] > gap_us + GAP_TOLERANCE_US):
        times.insert(0, 0)
    return times
