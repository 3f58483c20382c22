"""`avsearch localize`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avsearch.cli.options import DeviceOption, JsonOption, LibraryOption, library_directory
from avsearch.cli.output import counted, print_json, print_path, say, shown_progress
from avsearch.errors import LibraryError
from avsearch.moments import SECOND_US

if TYPE_CHECKING:
    from avsearch.localize import HeatMap
    from avsearch.localize.job import LocalizeJob
    from avsearch.localize.parts import Part

_DIGITS = 6

PictureArgument = Annotated[
    str, typer.Argument(help="A picture, or a video at a time; for a film, a stretch.", metavar="IMAGE[@S|@A-B]")
]
SoundArgument = Annotated[
    str | None,
    typer.Argument(
        help="A sound, or a video that has one, at a time.", metavar="SOUND[@S|@A-B]", show_default="that of IMAGE"
    ),
]
Out = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="A .png of one picture, or an .mp4 of a film; it is replaced.")
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="FILE",
        help="Weights file of a localizer, a network that makes heat maps.",
        show_default="the library's localizer",
    ),
]


def localize(
    image: PictureArgument,
    sound: SoundArgument = None,
    *,
    model: Model = None,
    library: LibraryOption = None,
    device: DeviceOption = "auto",
    out: Out,
    as_json: JsonOption = False,
) -> None:
    """Show where in a picture a sound comes from.

    Lays a heat map over the picture, bright where the sound is likely to come from, its peak ringed. Of a sound
    longer than a second the one that the picture answers best counts. With --out film.mp4 it follows the video's
    own sound, frame by frame; --json then prints one object for each frame.

    Example: avsearch localize still.jpg dog.wav --out map.png
    """
    from avsearch.localize.job import LocalizeJob

    job = LocalizeJob(
        picture=_part(image),
        sound=None if sound is None else _part(sound),
        model=model or _librarys_own(library),
        out=out,
        device=device,
    )
    (_film if job.is_film else _still)(job, as_json=as_json)


def peak_sentence(heat: HeatMap) -> str:
    """Where a map says that the sound comes from."""
    where = f"{heat.peak.x:.0%} from the left and {heat.peak.y:.0%} from the top"
    chance = f"probability {heat.probability:.2f}"
    if heat.box is None:
        return f"No place is likely to make this sound; the likeliest, {where}, has {chance}."
    return f"The sound comes from {where}, with {chance}."


def _part(text: str) -> Part:
    from avsearch.localize.parts import Part
    from avsearch.query.asking import parse_source

    source = parse_source(text)
    return Part(source.path, source.start_us, source.end_us)


def _librarys_own(library: Path | None) -> Path:
    from avsearch.library import open_library
    from avsearch.localize import LOCALIZER_HINT, require_localizer

    try:
        opened = open_library(library_directory(library))
    except LibraryError as error:
        raise LibraryError(error.message, hint=f"Name a weights file with --model. {LOCALIZER_HINT}") from error
    return require_localizer(opened)


def _still(job: LocalizeJob, *, as_json: bool) -> None:
    from avsearch.localize.still import localize_still

    done = localize_still(job)
    say(peak_sentence(done.heat))
    if as_json:
        times = {"picture_s": done.picture_us / SECOND_US, "sound_s": done.sound_us / SECOND_US}
        size = {"width": done.size[0], "height": done.size[1]}
        print_json({"out": str(job.out)} | times | size | _record(done.heat))
    else:
        print_path(job.out)


def _film(job: LocalizeJob, *, as_json: bool) -> None:
    from avsearch.localize.film import FrameHeat, localize_film

    def tell(frame: FrameHeat) -> None:
        if as_json:
            print_json({"time_s": frame.time_us / SECOND_US, **_record(frame.heat)})

    with shown_progress() as progress:
        done = localize_film(job, progress, tell)
    frames = f"{counted(done.num_frames, 'frame')} of {done.size[0]} x {done.size[1]} pixels"
    say(f"{frames}; in {done.num_answering} some place is more likely than not to make the sound.")
    if not as_json:
        print_path(job.out)


def _record(heat: HeatMap) -> dict[str, Any]:
    """Fractions of width and height; the box is left, top, right, bottom."""
    box = heat.box and [heat.box.left, heat.box.top, heat.box.right, heat.box.bottom]
    return {
        "peak": [round(heat.peak.x, _DIGITS), round(heat.peak.y, _DIGITS)],
        "probability": round(heat.probability, _DIGITS),
        "box": box and [round(it, _DIGITS) for it in box],
    }
