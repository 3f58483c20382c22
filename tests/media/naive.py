"""What an encoder sees, by a plain loop over all frames of a file."""

import numpy as np

from avsearch import media
from avsearch.front_end import FRAMES_APART_US, centre_square


def all_frames(path, front_end):
    """[(time, square)] of every frame of a file; whole frames where flow is asked for."""
    info = media.probe(path)
    times = media.frame_times(path, info).times_us.tolist()
    frames = media.read_frames(path, info, times, short_side=front_end.short_side)
    return [
        (frame.time_us, frame.rgb if front_end.flow else centre_square(frame.rgb, front_end)) for frame in frames
    ]


def naive_burst(frames, time_us, num_frames):
    """For each time around the moment the nearest of all frames, the earlier of two."""
    half = num_frames // 2
    wanted = [time_us + FRAMES_APART_US * step for step in range(-half, half + 1)]
    return np.stack([min(frames, key=lambda it: (abs(it[0] - at), it[0]))[1] for at in wanted])
