"""The paper's protocol: one random frame of each item and the second of sound around it, each asking once.

The frames are drawn and decoded for the purpose; nothing of a library is used.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import MediaError
from avsearch.evaluation.assembly import Case, Found, assemble, select_rows
from avsearch.evaluation.items import EvaluationSettings, Items, TimedVectors, name_of
from avsearch.evaluation.items import Protocol as EvaluationProtocol
from avsearch.evaluation.problems import ProblemKind
from avsearch.front_end import FrontEnd, centre_square, padded_second
from avsearch.manifest import ManifestRow
from avsearch.media import FrameTimes, content_hash, frame_times, probe, read_frames, read_looks, read_sound
from avsearch.moments import SECOND_US, MediaInfo, Modality, Progress, Silent, Span
from avsearch.pairs import HALF_SECOND_US, has_whole_second

if TYPE_CHECKING:
    from avsearch.encoder import Encoder

ITEMS_AT_A_TIME = 64
_ORDER = 1  # the stream of random numbers that rows are shuffled by
SOUND_GRID_US = 40_000  # where frames would be in a sound file: 25 a second, the paper's grid


@dataclass(frozen=True)
class DrawnMoment:
    """Where an item is looked at and listened to; None for the side that it does not have."""

    frame_us: int | None
    second: Span | None


@dataclass(frozen=True)
class Sample:
    """What was read of one row; None for the side that it lacks.

    Attributes:
        row: the row.
        content: equal for rows that hold the same content.
        moment: what was drawn.
        look: as the encoder takes it, (side, side, 3) uint8, or with several frames (T, side, side, 3).
        frame: the whole frame, (H, W, 3) uint8, its shorter side at the front end's; None with several frames too.
        waveform: (48000,) float32 in [-1, 1].
    """

    row: ManifestRow
    content: str
    moment: DrawnMoment
    look: NDArray[np.uint8] | None
    frame: NDArray[np.uint8] | None
    waveform: NDArray[np.float32] | None


class Judge(Protocol):
    """A measurement on the frames and seconds that are drawn anyway."""

    def take(self, samples: Sequence[Sample]) -> Iterable[Case]:
        """Measure samples of different content that were read together; returns the problems met."""


def load_items_from_model(
    encoder: Encoder,
    settings: EvaluationSettings,
    *,
    judges: Sequence[Judge] = (),
    progress: Progress | None = None,
) -> Items:
    """Draw, decode and encode one moment of every row of the split.

    The rows are read in an order shuffled by the seed, in pieces, so that the others of a piece are a fair draw
    even where a manifest is sorted by class; memory does not grow with the number of rows.

    Args:
        encoder: what makes the vectors.
        settings: what to evaluate.
        judges: other measurements on the same frames and seconds.
        progress: where to tell how far it is.

    Raises:
        ManifestError: the manifest cannot be used, or no row of the split gives a vector.
    """
    progress = progress or Silent()
    selection = select_rows(settings)
    found, cases = dict[int, Found](), dict[int, Case]()
    remarks, judged = list[Case](), set[str]()
    progress.stage("draw", len(selection.rows), "item")
    for samples in _read_in_pieces(selection.rows, encoder, settings.seed):
        whole = {index: sample for index, sample in samples.items() if isinstance(sample, Sample)}
        cases |= {index: case for index, case in samples.items() if not isinstance(case, Sample)}
        found |= zip(whole, _encode(encoder, list(whole.values())), strict=True)
        fresh = _fresh(whole.values(), judged)
        remarks += [case for judge in judges for case in judge.take(fresh)]
        progress.advance(len(samples))
    return assemble(
        [found[index] for index in sorted(found)],
        modalities=encoder.header.modalities,
        settings=settings,
        protocol=_protocol(encoder, settings.seed),
        cases=[*selection.cases, *(cases[index] for index in sorted(cases)), *sorted(remarks, key=_name_of_case)],
    )


def _read_in_pieces(rows: Sequence[ManifestRow], encoder: Encoder, seed: int) -> Iterator[dict[int, Sample | Case]]:
    """What was read of the rows of each piece, by their number, several files at once."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for piece in pieces(len(rows), seed):
            yield dict(zip(piece, pool.map(lambda index: _sample(rows[index], encoder, seed), piece), strict=True))


def pieces(num_rows: int, seed: int) -> list[list[int]]:
    """Which rows are read together: all of them, shuffled by the seed, in near equal parts of at most 64.

    Within a part they keep their order.
    """
    order = np.random.default_rng([seed, _ORDER]).permutation(num_rows)
    return [sorted(part.tolist()) for part in np.array_split(order, math.ceil(num_rows / ITEMS_AT_A_TIME))]


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


def _fresh(samples: Iterable[Sample], judged: set[str]) -> list[Sample]:
    """Those whose content has not been judged yet; from now on it has."""
    fresh = []
    for sample in samples:
        if sample.content not in judged:
            judged.add(sample.content)
            fresh.append(sample)
    return fresh


def _sample(row: ManifestRow, encoder: Encoder, seed: int) -> Sample | Case:
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


def _read(row: ManifestRow, encoder: Encoder, rng: np.random.Generator) -> Sample:
    info = probe(row.path)
    shown = None if info.video is None else frame_times(row.path, info)
    moment = draw_moment(info, _times_us(row.path, info, shown), rng)
    sees, hears = (modality in encoder.header.modalities for modality in (Modality.IMAGE, Modality.AUDIO))
    look, frame = _read_look(row.path, info, moment, encoder.front_end, shown) if sees else (None, None)
    return Sample(
        row=row,
        content=content_hash(row.path),
        moment=moment,
        look=look,
        frame=frame,
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
) -> tuple[NDArray[np.uint8] | None, NDArray[np.uint8] | None]:
    """What the encoder takes, and where that is cut from one frame, the whole of it."""
    if moment.frame_us is None:
        return None, None
    if front_end.num_frames == 1:
        frame = next(read_frames(path, info, [moment.frame_us], short_side=front_end.short_side), None)
        if frame is not None:
            return centre_square(frame.rgb, front_end), frame.rgb
    else:
        look = next(read_looks(path, info, [moment.frame_us], front_end=front_end, shown=shown), None)
        if look is not None:
            return look.pixels, None
    raise MediaError(f"{path}: no frame can be decoded at {moment.frame_us / SECOND_US:.3f} s.")


def _read_waveform(path: Path, info: MediaInfo, moment: DrawnMoment) -> NDArray[np.float32] | None:
    """None also where the stream of sound ends before the second begins."""
    if moment.second is None:
        return None
    waveform = read_sound(path, info, moment.second)
    return padded_second(waveform) if waveform.size else None


def _encode(encoder: Encoder, samples: Sequence[Sample]) -> list[Found]:
    looks = [sample.look for sample in samples if sample.look is not None]
    waveforms = [sample.waveform for sample in samples if sample.waveform is not None]
    images = iter(encoder.encode_images(np.stack(looks)) if looks else ())
    sounds = iter(encoder.encode_sounds(np.stack(waveforms)) if waveforms else ())
    found = []
    for sample in samples:
        vectors = {}
        if sample.look is not None and sample.moment.frame_us is not None:
            vectors[Modality.IMAGE] = TimedVectors(next(images)[None], np.array([sample.moment.frame_us]))
        if sample.waveform is not None and sample.moment.second is not None:
            vectors[Modality.AUDIO] = TimedVectors(next(sounds)[None], np.array([sample.moment.second.start_us]))
        found.append(Found(sample.row, sample.content, vectors))
    return found


def _protocol(encoder: Encoder, seed: int) -> EvaluationProtocol:
    return EvaluationProtocol(
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


def _name_of_case(case: Case) -> str:
    return case[1]
