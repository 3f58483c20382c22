"""The paper's protocol: one random frame of each item and the second of sound around it, each asking once.

The frames are drawn and decoded for the purpose; nothing of a library is used.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import MediaError
from avsearch.evaluation.assembly import Case, Found, assemble, select_rows
from avsearch.evaluation.items import EvaluationSettings, Items, Protocol, name_of
from avsearch.evaluation.problems import ProblemKind
from avsearch.front_end import FrontEnd, padded_second
from avsearch.manifest import ManifestRow
from avsearch.media import FrameTimes, content_hash, frame_times, probe, read_looks, read_sound
from avsearch.moments import SECOND_US, MediaInfo, Modality, Progress, Silent, Span
from avsearch.pairs import HALF_SECOND_US, has_whole_second

if TYPE_CHECKING:
    from avsearch.encoder import Encoder

ITEMS_AT_A_TIME = 64
SOUND_GRID_US = 40_000  # where frames would be in a sound file: 25 a second, the paper's grid


@dataclass(frozen=True)
class DrawnMoment:
    """Where an item is looked at and listened to; None for the side that it does not have."""

    frame_us: int | None
    second: Span | None


def load_items_from_model(
    encoder: Encoder, settings: EvaluationSettings, *, progress: Progress | None = None
) -> Items:
    """Draw, decode and encode one moment of every row of the split.

    Raises:
        ManifestError: the manifest cannot be used, or no row of the split gives a vector.
    """
    progress = progress or Silent()
    selection = select_rows(settings)
    found: list[Found] = []
    cases = list(selection.cases)
    progress.stage("draw", len(selection.rows), "item")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for first in range(0, len(selection.rows), ITEMS_AT_A_TIME):
            rows = selection.rows[first : first + ITEMS_AT_A_TIME]
            samples = list(pool.map(lambda row: _sample(row, encoder, settings.seed), rows))
            found += _encode(encoder, [sample for sample in samples if isinstance(sample, _Sample)])
            cases += [sample for sample in samples if not isinstance(sample, _Sample)]
            progress.advance(len(rows))
    return assemble(
        found,
        modalities=encoder.header.modalities,
        settings=settings,
        protocol=_protocol(encoder, settings.seed),
        cases=cases,
    )


def draw_moment(info: MediaInfo, times_us: NDArray[np.int64], rng: np.random.Generator) -> DrawnMoment:
    """Draw a frame whose second lies wholly inside the clip, every such frame being equally likely.

    Where there is none, as in a clip shorter than a second, the frame nearest to the middle is taken, with a
    second moved inside the clip as far as it fits.

    Args:
        info: what `probe` said of the file.
        times_us: (N,) ascending, N >= 1; when its frames are shown, or could be if it had any.
        rng: where chance comes from.
    """
    end_us = max(info.duration_us, int(times_us[-1]))
    whole = times_us[has_whole_second(times_us, start_us=0, end_us=end_us)]
    middle = times_us[[np.argmin(np.abs(times_us - end_us // 2))]]
    centre_us = int(rng.choice(whole if whole.size else middle))
    start_us = min(max(centre_us - HALF_SECOND_US, 0), max(end_us - SECOND_US, 0))
    return DrawnMoment(
        frame_us=centre_us if info.video else None,
        second=Span(start_us, start_us + SECOND_US) if info.audio else None,
    )


@dataclass(frozen=True)
class _Sample:
    """What was read of one row: a `media.Look` and (48000,) float32; None for the side that it lacks."""

    row: ManifestRow
    content: str
    look: NDArray[np.uint8] | None
    waveform: NDArray[np.float32] | None


def _sample(row: ManifestRow, encoder: Encoder, seed: int) -> _Sample | Case:
    """Read one row; the draw depends on the seed and on its path in the manifest, not on the other rows."""
    if not row.path.exists():
        return ProblemKind.MISSING, name_of(row)
    rng = np.random.default_rng([seed, zlib.crc32(name_of(row).encode())])
    try:
        return _read(row, encoder, rng)
    except MediaError as error:
        return ProblemKind.FAILED, f"{name_of(row)}: {error.message.removeprefix(f'{row.path}: ')}"
    except OSError as error:
        return ProblemKind.FAILED, f"{name_of(row)}: {error.strerror}"


def _read(row: ManifestRow, encoder: Encoder, rng: np.random.Generator) -> _Sample:
    info = probe(row.path)
    shown = None if info.video is None else frame_times(row.path, info)
    moment = draw_moment(info, _times_us(row.path, info, shown), rng)
    sees, hears = (modality in encoder.header.modalities for modality in (Modality.IMAGE, Modality.AUDIO))
    return _Sample(
        row=row,
        content=content_hash(row.path),
        look=_read_look(row.path, info, moment, encoder.front_end, shown) if sees else None,
        waveform=_read_waveform(row.path, info, moment) if hears else None,
    )


def _times_us(path: Path, info: MediaInfo, shown: FrameTimes | None) -> NDArray[np.int64]:
    """(N,) int64: the frame times, or a grid where there are no frames."""
    if shown is None:
        return np.arange(0, info.duration_us + 1, SOUND_GRID_US, dtype=np.int64)
    if not shown.times_us.size:
        raise MediaError(f"{path}: its pictures have no times.", hint="Check it with ffprobe.")
    return shown.times_us


def _read_look(
    path: Path, info: MediaInfo, moment: DrawnMoment, front_end: FrontEnd, shown: FrameTimes | None
) -> NDArray[np.uint8] | None:
    if moment.frame_us is None:
        return None
    look = next(read_looks(path, info, [moment.frame_us], front_end=front_end, shown=shown), None)
    if look is None:
        raise MediaError(f"{path}: no frame can be decoded at {moment.frame_us / SECOND_US:.3f} s.")
    return look.pixels


def _read_waveform(path: Path, info: MediaInfo, moment: DrawnMoment) -> NDArray[np.float32] | None:
    """None also where the stream of sound ends before the second begins."""
    if moment.second is None:
        return None
    waveform = read_sound(path, info, moment.second)
    return padded_second(waveform) if waveform.size else None


def _encode(encoder: Encoder, samples: Sequence[_Sample]) -> list[Found]:
    looks = [sample.look for sample in samples if sample.look is not None]
    waveforms = [sample.waveform for sample in samples if sample.waveform is not None]
    images = iter(encoder.encode_images(np.stack(looks)) if looks else ())
    sounds = iter(encoder.encode_sounds(np.stack(waveforms)) if waveforms else ())
    found = []
    for sample in samples:
        vectors = {}
        if sample.look is not None:
            vectors[Modality.IMAGE] = next(images)[None]
        if sample.waveform is not None:
            vectors[Modality.AUDIO] = next(sounds)[None]
        found.append(Found(sample.row, sample.content, vectors))
    return found


def _protocol(encoder: Encoder, seed: int) -> Protocol:
    return Protocol(
        name="paper",
        description=(
            "Protocol: paper. Each item asks and is ranked by one random frame and by the second of sound around "
            "it, decoded for the purpose."
        ),
        fingerprint=encoder.header.fingerprint,
        architecture=encoder.header.architecture,
        recipe=encoder.header.recipe_name,
        size=encoder.header.size,
        seed=seed,
    )
