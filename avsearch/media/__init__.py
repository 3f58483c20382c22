"""Media files through ffmpeg and Pillow; the only part that starts processes."""

from avsearch.front_end import SAMPLE_RATE_HZ
from avsearch.media.frames import Frame, FrameTimes, frame_times, read_frames, scaled_size
from avsearch.media.listing import MEDIA_EXTENSIONS, content_hash, media_files
from avsearch.media.pictures import PICTURE_EXTENSIONS, is_picture
from avsearch.media.probe import probe
from avsearch.media.sound import Second, num_samples, read_sound, sound_blocks, sound_seconds

__all__ = [
    "MEDIA_EXTENSIONS",
    "PICTURE_EXTENSIONS",
    "SAMPLE_RATE_HZ",
    "Frame",
    "FrameTimes",
    "Second",
    "content_hash",
    "frame_times",
    "is_picture",
    "media_files",
    "num_samples",
    "probe",
    "read_frames",
    "read_sound",
    "scaled_size",
    "sound_blocks",
    "sound_seconds",
]
