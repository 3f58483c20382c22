"""Media files through ffmpeg and Pillow; the only part that starts processes."""

from avsearch.front_end import SAMPLE_RATE_HZ
from avsearch.media.contents import content_hash
from avsearch.media.decode import Damage, read_pass
from avsearch.media.frames import Frame, FrameTimes, frame_times, read_frames, scaled_size
from avsearch.media.intra import is_intra, read_intra_frames
from avsearch.media.listing import barren_folders, media_files
from avsearch.media.looks import Look, read_looks
from avsearch.media.names import MEDIA_EXTENSIONS, VIDEO_EXTENSIONS
from avsearch.media.pictures import PICTURE_EXTENSIONS, is_picture
from avsearch.media.probe import examine, probe, require_file
from avsearch.media.sound import Second, read_sound, sound_blocks, sound_seconds
from avsearch.media.waiting import while_waiting

__all__ = [
    "MEDIA_EXTENSIONS",
    "PICTURE_EXTENSIONS",
    "SAMPLE_RATE_HZ",
    "VIDEO_EXTENSIONS",
    "Damage",
    "Frame",
    "FrameTimes",
    "Look",
    "Second",
    "barren_folders",
    "content_hash",
    "examine",
    "frame_times",
    "is_intra",
    "is_picture",
    "media_files",
    "probe",
    "read_frames",
    "read_intra_frames",
    "read_looks",
    "read_pass",
    "read_sound",
    "require_file",
    "scaled_size",
    "sound_blocks",
    "sound_seconds",
    "while_waiting",
]
