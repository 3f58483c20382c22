"""Still pictures, read by Pillow: a list of formats, a limit on pixels, the camera's rotation respected."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from avsearch.errors import MediaError
from avsearch.media.safety import MAX_PIXELS
from avsearch.moments import MediaInfo, MediaKind, VideoStream

PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM")
PICTURE_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm"})
_EXIF_ORIENTATION = 0x0112
_TURNED = frozenset({5, 6, 7, 8})
_CLOCKWISE_DEGREES = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}


def is_picture(path: Path) -> bool:
    """Whether the name says that it is a still picture."""
    return path.suffix.lower() in PICTURE_EXTENSIONS


def probe_picture(path: Path) -> MediaInfo:
    """A picture is media with one frame at time 0.

    Raises:
        MediaError: it cannot be read, or has too many pixels.
    """
    with _opened(path) as picture:
        orientation = picture.getexif().get(_EXIF_ORIENTATION, 1)
        width, height = picture.size
        if orientation in _TURNED:
            width, height = height, width
        codec = (picture.format or "unknown").lower()
    video = VideoStream(
        index=0,
        codec=codec,
        width=width,
        height=height,
        rotation=_CLOCKWISE_DEGREES.get(orientation, 0),
        frames_per_second=0.0,
    )
    return MediaInfo(
        kind=MediaKind.PICTURE, duration_us=0, start_time_us=0, container=codec, video=video, audio=None
    )


def read_picture(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The picture scaled to (width, height): (height, width, 3) uint8 RGB.

    Raises:
        MediaError: it cannot be decoded.
    """
    with _opened(path) as picture:
        picture.draft("RGB", size)
        upright = ImageOps.exif_transpose(picture).convert("RGB")
        return np.asarray(upright.resize(size, Image.Resampling.BICUBIC))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=PICTURE_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise MediaError(f"{path}: {picture.width} x {picture.height} pixels are too many.")
                yield picture
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path}: cannot be read as a picture ({error}).", hint="Convert it to PNG.") from error
