"""The job of `avsearch localize`: what is asked, and whether it can be meant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avsearch.errors import UsageError
from avsearch.localize.parts import Part

PICTURE_SUFFIX, FILM_SUFFIX = ".png", ".mp4"


@dataclass(frozen=True)
class LocalizeJob:
    """What is looked at with which sound, and what is written.

    Attributes:
        picture: a picture or a frame of a video; for a film a video or a stretch of it.
        sound: what is heard; None is the video's own sound.
        model: weights file of a localizer.
        out: a PNG, or an MP4 for a film; replaced if it is there.
        device: as `--device`.

    Raises:
        UsageError: it means nothing, or would replace what it is made of.
    """

    picture: Part
    sound: Part | None
    model: Path
    out: Path
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.out.suffix.lower() not in {PICTURE_SUFFIX, FILM_SUFFIX}:
            raise UsageError(f"{self.out}: is neither a .png nor an .mp4.", hint="Name --out map.png or map.mp4.")
        (self._check_film if self.is_film else self._check_still)()
        inputs = (self.picture.path, self.model, *([self.sound.path] if self.sound else []))
        if any(_is_same_file(self.out, path) for path in inputs):
            raise UsageError(f"{self.out}: would be replaced, and is read here.", hint="Name another --out.")

    @property
    def is_film(self) -> bool:
        return self.out.suffix.lower() == FILM_SUFFIX

    def _check_film(self) -> None:
        if self.sound is not None:
            raise UsageError(
                "A film is looked at with its own sound.", hint="Leave SOUND out, or name a .png for one frame."
            )
        if self.picture.start_us is not None and self.picture.end_us is None:
            raise UsageError(
                f"{self.picture.path}: a moment is no film.",
                hint="Give a stretch as FILE@FROM-TO, all of the file as FILE, or name a .png for one frame.",
            )

    def _check_still(self) -> None:
        if self.picture.end_us is not None:
            raise UsageError(
                f"{self.picture.path}: a stretch is no picture.",
                hint="Give one moment as FILE@S, or name an .mp4 for a film.",
            )


def _is_same_file(out: Path, path: Path) -> bool:
    try:
        return out.samefile(path)
    except OSError:  # one of them is not there
        return False
