"""Still pictures, read by Pillow: a list of formats, a limit on pixels, the camera's rotation respected."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from avsearch.errors import MediaError
from avsearch.installing import extra_hint, pip
from avsearch.media.picture_bombs import open_picture
from avsearch.media.safety import MAX_PIXELS
from avsearch.moments import Box, MediaInfo, MediaKind, VideoStream

PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM")
PICTURE_EXTENSIONS = frozenset(
    {".avif", ".bmp", ".heic", ".heif", ".hif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif",
     ".tiff", ".webp"}
)  # fmt: skip
PAPER = "white"  # what shows through a transparent picture: most cut-outs and drawings are dark
_CONVERT = "Convert it to PNG or JPEG."
_EXIF_ORIENTATION = 0x0112
_TURNED = frozenset({5, 6, 7, 8})
_CLOCKWISE_DEGREES = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heim", b"heis", b"heix", b"hevc", b"hevm", b"hevs", b"hevx", b"mif1", b"msf1"})
_LONGEST_FILE_TYPE_BOX = 256


def is_picture(path: Path) -> bool:
    """Whether the name says that it is a still picture."""
    return path.suffix.lower() in PICTURE_EXTENSIONS


def probe_picture(path: Path) -> MediaInfo:
    """A picture is media with one frame at time 0; of an animated one that is the first.

    Raises:
        MediaError: it cannot be read, or has too many pixels.
    """
    with _opened(path) as picture:
        orientation = picture.getexif().get(_EXIF_ORIENTATION, 1)
        width, height = picture.size
        if orientation in _TURNED and picture.format != "TIFF":  # whose size Pillow has turned already
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


def read_picture(path: Path, size: tuple[int, int], *, crop: Box | None = None) -> np.ndarray:
    """The picture, or a part of it, scaled to (width, height): (height, width, 3) uint8 RGB, upright.

    Transparency shows white. Of 16 bits a channel the upper 8 are taken; numbers with a point count from 0
    (black) to 1, or to the largest there is. AVIF and HEIF say themselves how they are turned, and what a
    camera wrote into their EXIF data beside that does not count, as their standards have it.

    Raises:
        MediaError: it cannot be decoded.
    """
    with _opened(path) as picture:
        if picture.format in {"JPEG", "MPO"} and crop is None:
            picture.draft("RGB", size)
        picture.load()  # a TIFF is turned by that
        upright = _rgb(ImageOps.exif_transpose(picture))
        return np.asarray(upright.resize(size, Image.Resampling.BICUBIC, box=_pixels(crop, upright.size)))


def _pixels(crop: Box | None, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom: at least one pixel each way."""
    if crop is None:
        return None
    width, height = size
    left, top = min(round(crop.left * width), width - 1), min(round(crop.top * height), height - 1)
    right, bottom = max(round(crop.right * width), left + 1), max(round(crop.bottom * height), top + 1)
    return left, top, right, bottom


def _rgb(picture: Image.Image) -> Image.Image:
    """Any mode of Pillow's as RGB of 8 bits; `convert` alone would clip deep grey and bare hidden colours."""
    if picture.mode == "F" or picture.mode.startswith("I"):
        picture = Image.fromarray(_eight_bits(np.asarray(picture)))
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    paper = Image.new("RGBA", picture.size, PAPER)
    return Image.alpha_composite(paper, picture.convert("RGBA")).convert("RGB")


def _eight_bits(grey: np.ndarray) -> np.ndarray:
    """(H, W) of 16 or 32 bits or float -> (H, W) uint8."""
    if grey.dtype.kind == "f":
        grey = np.maximum(np.nan_to_num(grey, posinf=1.0), 0)
        return np.round(grey * (255 / max(float(grey.max()), 1.0))).astype(np.uint8)
    grey = np.maximum(grey, 0)
    return (grey >> (max(int(grey.max()).bit_length(), 16) - 8)).astype(np.uint8)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_picture(path) as file, Image.open(file, formats=_formats(path, file)) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise MediaError(
                        f"{path}: {picture.width} x {picture.height} pixels are too many.",
                        hint=f"Make it smaller than {MAX_PIXELS // 10**6} million pixels.",
                    )
                yield picture
    except MediaError:
        raise
    except UnidentifiedImageError:
        told = "it begins like none of the known formats"
        raise MediaError(f"{path}: cannot be read as a picture ({told}).", hint=_CONVERT) from None
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them stumble over
        told = str(error).rstrip(".") or type(error).__name__
        raise MediaError(f"{path}: cannot be read as a picture ({told}).", hint=_CONVERT) from error


def _formats(path: Path, file: BinaryIO) -> tuple[str, ...]:
    """What Pillow may take the file for; its first bytes decide, since names are often wrong here."""
    head = file.read(_LONGEST_FILE_TYPE_BOX)
    file.seek(0)
    if head[4:8] != b"ftyp":
        return PICTURE_FORMATS
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[start : start + 4] for start in (8, *range(16, length, 4))}
    if brands & _AVIF_BRANDS:
        return _avif(path)
    return _heif(path) if brands & _HEIF_BRANDS else PICTURE_FORMATS


def _avif(path: Path) -> tuple[str, ...]:
    if not features.check("avif"):
        raise MediaError(
            f"{path}: this build of Pillow cannot decode AVIF.",
            hint=f"Run `{pip('install')} --force-reinstall pillow`.",
        )
    return ("AVIF",)


def _heif(path: Path) -> tuple[str, ...]:
    try:
        from pillow_heif import register_heif_opener  # noqa: PLC0415  (an extra, and only for such files)
    except ImportError:
        raise MediaError(
            f"{path}: decoding HEIC needs pillow-heif, which is not installed.",
            hint=extra_hint("heic"),
        ) from None
    register_heif_opener()
    return ("HEIF",)
