"""Which names are those of media."""

from avsearch.media.pictures import PICTURE_EXTENSIONS

VIDEO_EXTENSIONS = frozenset(
    {".264", ".265", ".3g2", ".3gp", ".asf", ".av1", ".avc", ".avi", ".dif", ".divx", ".dv", ".f4v", ".flv",
     ".gif", ".gxf", ".h264", ".h265", ".hevc", ".ivf", ".m1v", ".m2p", ".m2t", ".m2ts", ".m2v", ".m4v",
     ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mov", ".mp2v", ".mp4", ".mp4v", ".mpe", ".mpeg", ".mpg", ".mpv",
     ".mts", ".mxf", ".nut", ".obu", ".ogm", ".ogv", ".ps", ".qt", ".rm", ".rmvb", ".tod", ".ts", ".vob",
     ".vro", ".webm", ".wmv", ".wtv"}
)  # fmt: skip
SOUND_EXTENSIONS = frozenset(
    {".aac", ".ac3", ".adts", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".bwf", ".caf", ".dts",
     ".eac3", ".ec3", ".flac", ".m4a", ".m4b", ".m4r", ".mka", ".mlp", ".mp1", ".mp2", ".mp3", ".mpa",
     ".mpc", ".oga", ".ogg", ".opus", ".rf64", ".snd", ".spx", ".tak", ".tta", ".voc", ".w64", ".wav",
     ".wave", ".wma", ".wv"}
)  # fmt: skip
MEDIA_EXTENSIONS = VIDEO_EXTENSIONS | SOUND_EXTENSIONS | PICTURE_EXTENSIONS


def is_media_name(name: str) -> bool:
    """Whether a file of this name is taken from a folder: it has a media extension and is not hidden."""
    stem, dot, extension = name.rpartition(".")
    return bool(stem) and dot + extension.lower() in MEDIA_EXTENSIONS and not name.startswith(".")
